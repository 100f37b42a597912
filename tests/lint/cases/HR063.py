"""What map_batches is given back that is no batch."""

BAD = {
    "nothing: the batch was changed in place": """
import ray

class Double:
    def __call__(self, batch):  # HR063
        batch["x"] = batch["x"] * 2

ray.data.read_parquet("in/").map_batches(Double).write_parquet("out/")
""",
    "a return without a value, and None": """
import ray

def predict(batch):
    if not len(batch["x"]):
        return  # HR063
    if batch["x"][0] < 0:
        return None  # HR063
    return {"y": batch["x"]}

ray.data.read_parquet("in/").map_batches(predict).write_parquet("out/")
""",
    "two results": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("model.pt")

    @torch.inference_mode()
    def __call__(self, batch):
        labels, scores = self.model(torch.as_tensor(batch["x"]))
        return labels.numpy(), scores.numpy()  # HR063

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    "methods that change the batch in place": """
from ray.data import read_parquet

ds = read_parquet("in/")
ds.map_batches(lambda batch: batch.update(y=batch["x"])).write_parquet("a/")  # HR063
ds.map_batches(lambda frame: frame.drop(columns="x", inplace=True), batch_format="pandas").write_parquet("b/")  # HR063
""",
    "numbers, text and iterators": """
import ray

def pairs(batch):
    yield zip(batch["x"], batch["y"])  # HR063
    yield f"{len(batch)} rows"  # HR063

ds = ray.data.read_parquet("in/")
ds.map_batches(lambda batch: len(batch["x"])).write_parquet("a/")  # HR063
ds.map_batches(lambda batch: print(batch) if batch else batch).write_parquet("b/")  # HR063
ds.map_batches(pairs).write_parquet("c/")
""",
}

GOOD = {
    "batches of every kind": """
import pandas as pd
import pyarrow as pa
import ray

ds = ray.data.range(8).map_batches(lambda batch: pa.table(batch)).map_batches(lambda batch: pd.DataFrame(batch))
ds = ds.map_batches(lambda batch: (part for part in [batch])).map_batches(lambda batch: {**batch})
ds.map_batches(lambda batch: batch or {}).show()
""",
    "generators, which end by a return": """
import ray

def parts(batch):
    if not len(batch["x"]):
        return
    yield {"x": batch["x"]}
    yield from [batch, batch]
    return None

def none(batch):
    return
    yield

ray.data.read_parquet("in/").map_batches(parts).map_batches(none).write_parquet("out/")
""",
    "a None that another way replaces": """
import ray
from mine import clean

def tidy(batch):
    found = None
    for one in (batch, batch):
        found = one if found is None else found
    return found

def kept(batch, default=None):
    return clean(batch) or default

ray.data.read_parquet("in/").map_batches(tidy).map_batches(kept).write_parquet("out/")
""",
    "stubs, and code that is shortened or decorated": """
import ray
from mine import returns_batch

def later(batch):
    x = batch["x"]
    raise NotImplementedError

def shortened(batch):
    x = batch["x"]
    ...

def told(batch):
    x = batch["x"]
    # and so on

@returns_batch
def changed(batch):
    batch["x"] = 1

ds = ray.data.read_parquet("in/").map_batches(later).map_batches(shortened).map_batches(told)
ds.map_batches(changed).map_batches(lambda batch: ...).write_parquet("out/")
""",
    "what is called with other arguments first": """
import ray

def same(x):
    return x

print(same((1, 2)), same(None), same("text"))
ray.data.range(8).map_batches(same).show()
""",
    "filter and for loops over batches": """
import ray

ds = ray.data.range(8).filter(lambda row: row["id"] > 2)
for batch in ds.iter_batches():
    batch.update(y=1)
""",
    "what only looks like the batch's own method": """
from functools import partial

import ray
from mine import Table

def with_table(table, batch):
    return table.update(batch)

ds = ray.data.range(8).map_batches(partial(with_table, Table()))
ds.map_batches(lambda batch: Table(batch).update(y=1)).show()
""",
}
