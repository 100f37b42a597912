"""Batches too small for a model."""

BAD = {
    "a class": """
import ray
from transformers import pipeline

class Label:
    def __init__(self):
        self.model = pipeline("image-classification")

    def __call__(self, batch):
        return {"label": [r["label"] for r in self.model(list(batch["image"]))]}

ray.data.read_images("in").map_batches(Label, batch_size=1).write_parquet("out")  # HR043
""",
    "a function that builds it": """
import ray
import torch

SIZE = 4

def predict(batch):
    model = torch.load("model.pt")
    return {"y": model(torch.as_tensor(batch["x"])).numpy()}

ray.data.read_parquet("in").map_batches(
    predict,
    batch_size=SIZE,  # HR043
).show()
""",
    "a class that the module does not hold, on a GPU": """
import ray.data as rd
from models import Predict

rd.read_images("in").map_batches(Predict, num_gpus=1, num_cpus=1, batch_size=2).show()  # HR043
""",
}

GOOD = {
    "no model": """
import ray

ray.data.range(8).map_batches(lambda batch: batch, batch_size=4).show()
""",
    "a sweep that goes higher": """
import ray
from models import Predict

for size in [4, 8, 16, 32]:
    ray.data.range(8).map_batches(Predict, num_gpus=1, num_cpus=1, batch_size=size).show()
""",
    "a torch DataLoader": """
import ray
import torch
from torch.utils.data import DataLoader

ray.init()
model = torch.load("model.pt")
for batch in DataLoader([1, 2, 3], batch_size=2):
    model(batch)
""",
    "reading what was written, in small batches": """
import ray

for batch in ray.data.read_parquet("out").iter_batches(batch_size=2):
    print(batch)
""",
    "a diffusion model": """
import numpy as np
import ray
from diffusers import AutoPipelineForText2Image

class Paint:
    def __init__(self):
        self.paint = AutoPipelineForText2Image.from_pretrained("sdxl").to("cuda")

    def __call__(self, batch):
        images = self.paint(list(batch["prompt"])).images
        return {"prompt": batch["prompt"], "image": np.stack([np.asarray(i) for i in images])}

ray.data.read_parquet("in").map_batches(Paint, batch_size=2, num_gpus=1).write_parquet("out")
""",
    "a trial of a few rows beside the real run": """
import ray
from models import Predict

def scored(ds, batch_size=64):
    return ds.map_batches(Predict, batch_size=batch_size, num_gpus=1)

ds = ray.data.read_parquet("in/")
scored(ds.limit(4), batch_size=4).show()
scored(ds).write_parquet("out/")
""",
}
