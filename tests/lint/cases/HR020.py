"""A list given back to map_batches."""

BAD = {
    "a list that a loop fills": """
import ray

class Predict:
    def __call__(self, batch):
        found = []
        for row in batch["x"]:
            found.append({"y": row})
        return found  # HR020

ray.data.range(8).map_batches(Predict)
""",
    "an early return of an empty list, and a comprehension": """
import ray

def predict(batch):
    if not len(batch["x"]):
        return []  # HR020
    return [x + 1 for x in batch["x"]]  # HR020

ds = ray.data.range(8)
ds.map_batches(predict, batch_size=4).show()
""",
    "the records of a DataFrame": """
from ray.data import read_parquet

def predict(frame):
    return frame.to_dict("records")  # HR020

read_parquet("in").map_batches(predict, batch_format="pandas")
""",
    "what an actor's method gives": """
import ray

@ray.remote
class Model:
    def predict(self, xs):
        return [{"y": x} for x in xs]

model = Model.remote()

def predict(batch):
    return ray.get(model.predict.remote(batch["x"]))  # HR020

ray.data.range(8).map_batches(predict)
""",
    "lists that functions make": """
import ray

ds = ray.data.read_parquet("in/")
ds.map_batches(lambda batch: list(map(len, batch["text"]))).write_parquet("a/")  # HR020
ds.map_batches(lambda batch: batch["x"].tolist()).write_parquet("b/")  # HR020
ds.map_batches(lambda table: table.to_pylist(), batch_format="pyarrow").write_parquet("c/")  # HR020
""",
}

GOOD = {
    "a dict of lists": """
import ray

def predict(batch):
    return {"y": [x + 1 for x in batch["x"]]}

ray.data.range(8).map_batches(predict)
""",
    "a list from flat_map": """
import ray

def twice(row):
    return [row, row]

ray.data.range(8).flat_map(twice)
""",
    "a generator of dicts, whose helper gives a list": """
import ray

def parts(batch):
    return [batch, batch]

def predict(batch):
    for part in parts(batch):
        yield {"y": part["x"]}

ray.data.range(8).map_batches(predict)
""",
    "Hugging Face's map, which takes lists": """
import ray
from datasets import load_dataset

load_dataset("x").map(lambda batch: [1], batched=True)
""",
    "polars beside Ray, known by an annotation": """
import polars as pl
import ray
from mine import rows

def tidy(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.map_batches(lambda part: [part, part])

ray.data.from_items(rows).write_parquet("in")
frame = tidy(pl.scan_parquet("in/*.parquet"))
""",
    "a generator's return, and what it hands on one by one": """
import ray

def parts(batch):
    if not len(batch["x"]):
        return []
    yield from [batch, batch]

ray.data.range(8).map_batches(parts).show()
""",
}
