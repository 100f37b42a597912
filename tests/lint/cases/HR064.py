"""Columns that are one value."""

BAD = {
    "numbers and text beside a column": """
import ray

MODEL = "resnet50"

def predict(batch):
    return {
        "y": batch["x"],
        "rows": len(batch["x"]),  # HR064
        "score": 0.5,  # HR064
        "text": f"{len(batch)} rows",  # HR064
        "model": MODEL,  # HR064
        "error": None,  # HR064
    }

ray.data.read_parquet("in/").map_batches(predict, batch_size=64).write_parquet("out/")
""",
    "put into the batch": """
import ray

class Predict:
    def __call__(self, batch):
        batch["rows"] = len(batch["x"])  # HR064
        return batch

ray.data.read_parquet("in/").map_batches(Predict).write_parquet("out/")
""",
    "the time that a batch took": """
import os
import time

import ray

def predict(batch):
    start = time.perf_counter()
    found = {"y": batch["x"] * 2, "worker": os.getpid()}  # HR064
    found["seconds"] = time.perf_counter() - start  # HR064
    return found

ray.data.read_parquet("in/").map_batches(predict).write_parquet("out/")
""",
    "a tuple, an iterator, a generator": """
import ray

def parts(batch):
    yield {"y": (1, 2)}  # HR064
    yield dict(y=map(str, batch["x"]))  # HR064
    yield {**batch, "z": (x + 1 for x in batch["x"])}  # HR064

ray.data.read_parquet("in/").map_batches(parts).write_parquet("out/")
""",
    "of two dicts, the one for empty batches": """
import ray

ds = ray.data.read_parquet("in/")
ds.map_batches(lambda batch: {"y": batch["x"]} if len(batch["x"]) else {"y": None}).write_parquet("out/")  # HR064
""",
}

GOOD = {
    "lists, arrays, and what is not known": """
import numpy as np
import pyarrow as pa
import ray
from mine import embed

def predict(batch):
    found = [len(x) for x in batch["x"]]
    total = sum(found) * batch["x"]
    return {
        "a": found, "b": np.array(found), "c": embed(batch), "d": batch["x"] > 2, "e": [1] * len(found), "f": total,
        "g": pa.array(found), "h": list(map(str, found)), "i": batch["x"].mean(), "j": np.full(len(found), 1), "k": ...,
    }

ray.data.read_parquet("in/").map_batches(predict).write_parquet("out/")
""",
    "a DataFrame, to whose rows one value goes": """
import pandas as pd
import ray

def named(frame):
    frame["model"] = "v1"
    return frame

def framed(batch):
    batch = pd.DataFrame(batch)
    batch["model"] = "v1"
    return batch

def either(batch):
    if isinstance(batch, pd.DataFrame):
        batch["model"] = "v1"
    return batch

ds = ray.data.read_parquet("in/").map_batches(named, batch_format="pandas").map_batches(framed)
ds.map_batches(either).map_batches(lambda batch: pd.DataFrame({"x": batch["x"], "y": 1})).write_parquet("out/")
""",
    "one value that is taken out again": """
import ray

def popped(batch):
    batch["rows"] = len(batch["x"])
    batch["y"] = batch["x"] * batch.pop("rows")
    return batch

def deleted(batch):
    batch["rows"] = len(batch["x"])
    batch["y"] = batch["x"] * batch["rows"]
    del batch["rows"]
    return batch

ray.data.read_parquet("in/").map_batches(popped).map_batches(deleted).write_parquet("out/")
""",
    "one value in a row": """
import ray

def one(row):
    row["model"] = "v1"
    return row

ray.data.range(8).map(lambda row: {"x": 1}).map(one).flat_map(lambda row: [{"y": None}]).show()
""",
    "a dict that something else fills or puts right": """
import ray
from mine import fill, columns

def filled(batch):
    found = {"y": None}
    fill(found)
    return found

def looped(batch):
    found = {"y": None, "z": None}
    for name in columns:
        found[name] = batch["x"]
    return found

def later(batch):
    found = {"y": 0}
    found["y"] = batch["x"]
    return {"x": 0, **found}

ds = ray.data.read_parquet("in/").map_batches(filled).map_batches(looped).map_batches(later)
ds.write_parquet("out/")
""",
    "a parameter's value, which the operation may give": """
import ray

def scaled(batch, offset=0, name="y"):
    return {"y": batch["x"] + offset, "offset": offset, "both": offset * 2}

print(scaled({"x": 1}))
ray.data.read_parquet("in/").map_batches(scaled).write_parquet("out/")
""",
    "a decorator, and a partial's first argument": """
from functools import partial

import ray
from mine import as_columns

@as_columns
def predict(batch):
    return {"y": 1}

def noted(notes, batch):
    notes["last"] = 1
    return notes

ray.data.range(8).map_batches(predict).map_batches(partial(noted, {})).show()
""",
}
