"""One actor for everything."""

BAD = {
    "a page's actor": """
import ray
from sklearn.linear_model import LinearRegression

@ray.remote
class ModelActor:
    def __init__(self):
        self.model = LinearRegression()

    def infer(self, data):
        return self.model.predict(data)

if __name__ == "__main__":
    actor = ModelActor.remote()
    results = ray.get([actor.infer.remote(d) for d in data])  # HR053
""",
    "a loop in a function": """
import hashlib
import ray
from transformers import pipeline

@ray.remote(num_gpus=1)
class Server:
    def __init__(self):
        self.classifier = pipeline("image-classification")

    def predict(self, images):
        return [self.classifier(image) for image in images]

def main(batches):
    server = Server.options(num_gpus=1).remote()
    refs = []
    for images in batches:
        refs.append(server.predict.remote(images))  # HR053
    return ray.get(refs)
""",
    "a class made remote by a call": """
import ray
import torch

class Model:
    def __init__(self):
        self.net = torch.load("m.pt")

    def run(self, x):
        return self.net(x)

actor = ray.remote(Model).remote()
refs = [actor.run.remote(x) for x in range(100)]  # HR053
""",
}

GOOD = {
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

servers = [Server.remote() for _ in range(4)]
refs = [servers[i % 4].predict.remote(images) for i, images in enumerate(batches)]
""",
    "several calls at once": """
import hashlib
import ray
from transformers import pipeline

@ray.remote(num_gpus=1, max_concurrency=4)
class Server:
    def __init__(self):
        self.classifier = pipeline("image-classification")

    def predict(self, images):
        return [self.classifier(image) for image in images]

server = Server.remote()
refs = [server.predict.remote(images) for images in batches]
""",
    "an actor that counts": """
import ray

@ray.remote
class Counter:
    def __init__(self):
        self.n = 0

    def add(self, n):
        self.n += n

counter = Counter.remote()
for n in range(10):
    counter.add.remote(n)
""",
    "one call": """
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
""",
    "an actor that takes its batches from the dataset itself, epoch by epoch": """
import ray
import torch

@ray.remote(num_gpus=1)
class Trainer:
    def __init__(self):
        self.m = torch.load("m.pt").cuda().train()

    def epoch(self, ds):
        for batch in ds.iter_torch_batches(batch_size=64):
            self.m(batch["x"]).sum().backward()

trainer = Trainer.remote()
for number in range(3):
    ray.get(trainer.epoch.remote(ray.data.read_parquet("in/").random_shuffle(seed=number)))
""",
}
