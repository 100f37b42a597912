"""A model that is built for every batch."""

BAD = {
    "a model loaded in __call__": """
import ray
import torch

class Predict:
    def __call__(self, batch):
        model = torch.load("m.pt")  # HR001
        return {"y": model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "a model built through two helpers, in a function": """
from ray.data import read_images
from transformers import AutoModel

def load():
    return AutoModel.from_pretrained("bert")  # HR001

def model():
    return load().eval()

def predict(batch):
    return {"y": model()(batch["image"])}

read_images("in").map_batches(predict)
""",
    "a local import, a partial and a stored dataset": """
import functools
import ray.data as rd

def predict(batch, name):
    from transformers import pipeline as make
    run = make("text-classification", model=name)  # HR001
    return {"y": run(list(batch["text"]))}

ds = rd.read_parquet("in")
ds = ds.limit(100)
ds.map_batches(functools.partial(predict, name="bert"))
""",
    "a torch module of the script's own, built in a loop of a lambda's helper": """
import ray
import torch.nn as nn

class Net(nn.Module):
    def forward(self, x):
        return x

def each(batch):
    return {"y": [Net()(x) for x in batch["x"]]}  # HR001

ray.data.range(3).map_batches(lambda batch: each(batch))
""",
}

GOOD = {
    "a model built in __init__": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = self.load()

    def load(self):
        return torch.load("m.pt")

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "a model built at its first use, and kept": """
import ray
import torch

class Predict:
    model = None

    def __call__(self, batch):
        if self.model is None:
            self.model = torch.load("m.pt")
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "a cached helper": """
import functools
import ray
import torch

@functools.lru_cache(maxsize=1)
def model():
    return torch.load("m.pt")

ray.data.read_parquet("in").map_batches(lambda batch: {"y": model()(batch["x"])})
""",
    "a pandas and a torch pipeline in a script that imports Ray for something else": """
import pandas as pd
import ray
import torch

def predict(frame):
    return torch.load("m.pt")(frame)

pd.read_parquet("in").groupby("k").apply(predict)
torch.utils.data.DataLoader([1, 2], collate_fn=predict)
""",
}
