"""Actors by hand beside map_batches."""

BAD = {
    "a pool": """
import hashlib
import ray
from transformers import pipeline

@ray.remote(num_gpus=1)
class Server:
    def __init__(self):
        self.classifier = pipeline("image-classification")

    def predict(self, images):
        return [self.classifier(image) for image in images]

actors = [Server.remote() for _ in range(2)]  # HR054

def infer(batch):
    actor = actors[int(batch["id"][0]) % len(actors)]
    return {"label": ray.get(actor.predict.remote(batch["image"]))}

ray.data.read_images("in").map_batches(infer, batch_size=16).write_parquet("out")
""",
    "made in the class": """
import hashlib
import ray
from transformers import pipeline

@ray.remote(num_gpus=1)
class Server:
    def __init__(self):
        self.classifier = pipeline("image-classification")

    def predict(self, images):
        return [self.classifier(image) for image in images]

class Infer:
    def __init__(self):
        self.server = Server.remote()  # HR054

    def __call__(self, batch):
        return {"label": ray.get(self.server.predict.remote(batch["image"]))}

ray.data.read_images("in").map_batches(Infer, batch_size=16).write_parquet("out")
""",
    "through a helper": """
import hashlib
import ray
from transformers import pipeline

@ray.remote(num_gpus=1)
class Server:
    def __init__(self):
        self.classifier = pipeline("image-classification")

    def predict(self, images):
        return [self.classifier(image) for image in images]

server = Server.remote()  # HR054

def ask(images):
    return ray.get(server.predict.remote(images))

def infer(batch):
    return {"label": ask(batch["image"])}

ray.data.read_images("in").map_batches(infer, batch_size=16).write_parquet("out")
""",
    "picked at random, given by fn_kwargs, fed by the driver": """
import random
import ray
import torch

@ray.remote(num_gpus=1)
class Server:
    def __init__(self):
        self.m = torch.jit.load("m.pt").cuda().eval()

    @torch.inference_mode()
    def score(self, x):
        return self.m(torch.as_tensor(x).cuda()).cpu().numpy()

pool = [Server.remote() for _ in range(4)]  # HR054
single = Server.remote()  # HR054
fed = [Server.remote() for _ in range(4)]  # HR054

def choose(batch):
    return {"id": batch["id"], "y": ray.get(random.choice(pool).score.remote(batch["x"]))}

def given(batch, server):
    return {"id": batch["id"], "y": ray.get(server.score.remote(batch["x"]))}

ds = ray.data.read_parquet("in/")
ds.map_batches(choose, batch_size=64).write_parquet("a/")
ds.map_batches(given, fn_kwargs={"server": single}, batch_size=64).write_parquet("b/")
refs = [fed[i % 4].score.remote(batch["x"]) for i, batch in enumerate(ds.iter_batches(batch_size=64))]
""",
}

GOOD = {
    "an actor that counts": """
import ray

@ray.remote
class Counter:
    def __init__(self):
        self.n = 0

    def add(self, n):
        self.n += n

counter = Counter.remote()

def work(batch):
    counter.add.remote(len(batch["x"]))
    return batch

ray.data.read_parquet("in").map_batches(work, batch_size=16).write_parquet("out")
""",
    "actors apart from the pipeline": """
import hashlib
import ray
from transformers import pipeline

@ray.remote(num_gpus=1)
class Server:
    def __init__(self):
        self.classifier = pipeline("image-classification")

    def predict(self, images):
        return [self.classifier(image) for image in images]

server = Server.remote()
print(ray.get(server.predict.remote(images)))
ray.data.read_images("in").map_batches(work, batch_size=16).write_parquet("out")
""",
    "the class itself": """
import hashlib
import ray
from transformers import pipeline

class Server:
    def __init__(self):
        self.classifier = pipeline("image-classification")

    def __call__(self, batch):
        return {"label": self.classifier(list(batch["image"]))}

ray.data.read_images("in").map_batches(Server, batch_size=16, num_gpus=1).write_parquet("out")
""",
}
