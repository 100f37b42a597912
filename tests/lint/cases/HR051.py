"""ray.get inside a map operation's function."""

BAD = {
    "an actor's answer": """
import hashlib
import ray
from transformers import pipeline

@ray.remote(num_gpus=1)
class Server:
    def __init__(self):
        self.classifier = pipeline("image-classification")

    def predict(self, images):
        return [self.classifier(image) for image in images]

actors = [Server.remote() for _ in range(2)]

def infer(batch):
    return ray.get(actors[0].predict.remote(batch["image"]))  # HR051

ray.data.read_images("in").map_batches(infer, batch_size=16).write_parquet("out")
""",
    "through a helper and another name": """
from ray import get
import ray

def weights():
    return get(ref)  # HR051

def infer(batch):
    return apply(weights(), batch)

ray.data.read_parquet("in").map_batches(infer, batch_size=16).write_parquet("out")
""",
    "a class, row by row": """
import ray

class Ask:
    def __init__(self, ref):
        self.ref = ref

    def __call__(self, row):
        row["y"] = ray.get(self.ref)[row["x"]]  # HR051
        return row

ray.data.read_parquet("in").map(Ask, fn_constructor_args=(ref,)).write_parquet("out")
""",
}

GOOD = {
    "fetched once a worker": """
import ray

class Look:
    def __init__(self, ref):
        self.table = ray.get(ref)

    def __call__(self, batch):
        return {"y": self.table[batch["x"]]}

ray.data.read_parquet("in").map_batches(Look, fn_constructor_args=(ref,)).write_parquet("out")
""",
    "only the first time": """
import ray

class Look:
    def __init__(self, ref):
        self.ref, self.table = ref, None

    def __call__(self, batch):
        if self.table is None:
            self.table = ray.get(self.ref)
        return {"y": self.table[batch["x"]]}

ray.data.read_parquet("in").map_batches(Look, fn_constructor_args=(ref,)).write_parquet("out")
""",
    "in the driver": """
import ray

@ray.remote
def count(path):
    return 1

def work(batch):
    return batch

print(ray.get([count.remote(p) for p in ["a", "b"]]))
ray.data.read_parquet("in").map_batches(work).write_parquet("out")
""",
    "another get": """
import ray
import requests

def work(row):
    return {"page": requests.get(row["url"]).text}

ray.data.read_parquet("in").map(work).write_parquet("out")
""",
    "a table that ray.put stored": """
import pandas as pd
import ray

users = ray.put(pd.read_parquet("users.parquet"))

def join(batch):
    return batch.merge(ray.get(users), on="user_id")

ds = ray.data.read_parquet("in").map_batches(join, batch_format="pandas", batch_size=10_000)
ds.map_batches(lambda batch: batch.merge(ray.get(users)), batch_format="pandas", batch_size=512).write_parquet("out")
""",
    "a reference given as an argument": """
import ray

def encode(batch, vocabulary):
    words = ray.get(vocabulary)
    return {"id": batch["id"], "code": [words.get(w, 0) for w in batch["word"]]}

words = ray.put({"a": 1})
ray.data.read_parquet("in").map_batches(encode, fn_kwargs={"vocabulary": words}).write_parquet("out")
""",
    "a model in parts, on actors of its own": """
import numpy as np
import ray

@ray.remote(num_gpus=1)
class Part:
    def forward(self, batch):
        return batch["x"].sum()

class Whole:
    def __init__(self):
        self.parts = [Part.remote() for _ in range(4)]

    def __call__(self, batch):
        sums = ray.get([part.forward.remote(batch) for part in self.parts])
        return {"id": batch["id"][:1], "sum": np.array([sum(sums)])}

ray.data.read_parquet("in").map_batches(Whole, batch_size=64, compute=ray.data.ActorPoolStrategy(size=2)).show()
""",
}
