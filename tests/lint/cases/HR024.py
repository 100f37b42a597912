"""A GPU that is used and not asked for."""

BAD = {
    "cuda()": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()
        self.model.cuda()  # HR024

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict, batch_size=8, num_cpus=2)
""",
    "a keyword, and num_gpus=0": """
import ray.data as rd
from transformers import pipeline

class Predict:
    def __init__(self):
        self.classify = pipeline("text-classification", device="cuda:0")  # HR024

    def __call__(self, batch):
        return {"y": self.classify(list(batch["text"]))}

rd.read_parquet("in").map_batches(Predict, num_gpus=0)
""",
    "the constructor's argument": """
import ray
import torch

class Predict:
    def __init__(self, device):
        self.model = torch.jit.load("m.pt").to(torch.device(device))  # HR024

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict, fn_constructor_kwargs={"device": "cuda"})
""",
}

GOOD = {
    "asked for": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").cuda()

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

options = {"num_gpus": 1}
ray.data.read_parquet("in").map_batches(Predict, batch_size=8, **options)
""",
    "options that are not known": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").cuda()

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

def main(**options):
    ray.data.read_parquet("in").map_batches(Predict, batch_size=8, **options)
""",
    "a GPU where there is one": """
import ray
import torch

class Predict:
    def __init__(self):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = torch.load("m.pt").to(self.device)

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "the driver's own": """
import ray
import torch

model = torch.load("m.pt").cuda()
for batch in ray.data.read_parquet("in").map_batches(lambda b: {"x": b["x"]}).iter_torch_batches(device="cuda"):
    model(batch["x"])
""",
}
