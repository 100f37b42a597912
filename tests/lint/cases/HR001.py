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
    "unpickled, known by what is done with it": """
import pickle
import ray

def score(frame):
    with open("model.pkl", "rb") as file:
        model = pickle.load(file)  # HR001
    frame["y"] = model.predict(frame[["a", "b"]])
    return frame

ray.data.read_csv("in.csv").map_batches(score, batch_format="pandas").write_parquet("out/")
""",
    "in the driver's loop over batches, a helper and an actor's method": """
import ray
import tensorflow as tf
import torch

def score(batch):
    return tf.keras.applications.ResNet50(weights="imagenet").predict(batch["x"])  # HR001

@ray.remote(num_gpus=1)
class Server:
    def score(self, batch):
        return torch.jit.load("m.pt").cuda()(torch.as_tensor(batch["x"]).cuda()).cpu().numpy()  # HR001

ds = ray.data.read_parquet("in/")
server = Server.remote()
for number, batch in enumerate(ds.iter_batches(batch_size=64)):
    model = torch.load("m.pt").eval()  # HR001
    print(number, score(batch), server.score.remote(batch), model)
""",
    "in what a class inherits, and asynchronous": """
import ray
import torch
from transformers import pipeline

class Base:
    def __call__(self, batch):
        return {"y": self.load()(torch.as_tensor(batch["x"])).numpy()}

class Predict(Base):
    def load(self):
        return torch.jit.load("m.pt").eval()  # HR001

class Classify:
    async def __call__(self, batch):
        yield {"y": pipeline("text-classification")(list(batch["text"]))}  # HR001

ds = ray.data.read_parquet("in/")
ds.map_batches(Predict, batch_size=64).map_batches(Classify, batch_size=64).write_parquet("out/")
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
    "files and models that the rows name; a pickle that __init__ reads": """
import pickle
import joblib
import ray
import torch

class Score:
    def __init__(self):
        with open("model.pkl", "rb") as file:
            self.model = pickle.load(file)

    def __call__(self, frame):
        frame["y"] = self.model.predict(frame[["a", "b"]])
        return frame

def of_store(frame):
    frame["y"] = joblib.load(f"models/{frame['store'].iloc[0]}.pkl").predict(frame[["a", "b"]])
    return frame

ds = ray.data.read_parquet("in/")
ds.map(lambda row: {"path": row["path"], "x": torch.load(row["path"]).numpy()}).write_parquet("a/")
ds.map_batches(Score, batch_format="pandas").write_parquet("b/")
ds.groupby("store").map_groups(of_store, batch_format="pandas").write_parquet("c/")
""",
}
