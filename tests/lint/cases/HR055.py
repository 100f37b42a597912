"""An actor picked by a constant."""

BAD = {
    "a page's md5 of the length": """
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
    batch_hash = hashlib.md5(str(len(batch["image"])).encode()).hexdigest()
    actor_idx = int(batch_hash, 16) % len(actors)
    actor = actors[actor_idx]  # HR055
    return {"label": ray.get(actor.predict.remote(batch["image"]))}

ray.data.read_images("in").map_batches(infer, batch_size=16).write_parquet("out")
""",
    "hash, by way of names": """
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
    size = len(batch["image"])
    key = hash(f"batch-{size}")
    actor = actors[key % 2]  # HR055
    return {"label": ray.get(actor.predict.remote(batch["image"]))}

ray.data.read_images("in").map_batches(infer, batch_size=16).write_parquet("out")
""",
    "the length itself": """
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
    actor = actors[batch["image"].shape[0] % len(actors)]  # HR055
    return {"label": ray.get(actor.predict.remote(batch["image"]))}

ray.data.read_images("in").map_batches(infer, batch_size=16).write_parquet("out")
""",
    "the hash of a literal": """
import ray

@ray.remote
class Server:
    def score(self, x):
        return x

servers = [Server.remote(), Server.remote()]

def score(batch):
    return {"y": ray.get(servers[hash("model") % len(servers)].score.remote(batch["x"]))}  # HR055

ray.data.read_parquet("in/").map_batches(score, batch_size=64).write_parquet("out/")
""",
}

GOOD = {
    "by the data": """
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
    actor = actors[hash(batch["path"][0]) % len(actors)]
    return {"label": ray.get(actor.predict.remote(batch["image"]))}

ray.data.read_images("in").map_batches(infer, batch_size=16).write_parquet("out")
""",
    "in turn": """
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
refs = [actors[i % len(actors)].predict.remote(images) for i, images in enumerate(batches)]
""",
    "at random": """
import hashlib
import random
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
    actor = actors[random.randrange(len(batch["image"])) % len(actors)]
    return {"label": ray.get(actor.predict.remote(batch["image"]))}

ray.data.read_images("in").map_batches(infer, batch_size=16).write_parquet("out")
""",
    "a list of something else": """
import ray

names = ["a", "b"]

def work(batch):
    return {"name": [names[len(batch["x"]) % len(names)]] * len(batch["x"])}

ray.data.read_parquet("in").map_batches(work, batch_size=16).write_parquet("out")
""",
    "a counter of one's own": """
import itertools
import ray

@ray.remote
class Server:
    def score(self, x):
        return x

servers = [Server.remote(), Server.remote()]
turn = itertools.cycle(servers)
number = 0
for text in open("in.txt"):
    servers[number % len(servers)].score.remote(text)
    next(turn).score.remote(text)
    number += 1
""",
}
