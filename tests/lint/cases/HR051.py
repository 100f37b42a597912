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
}
