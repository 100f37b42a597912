"""num_gpus by the driver's GPU."""

BAD = {
    "a flag, a conditional expression": """
import ray
import torch

HAS_GPU = torch.cuda.is_available()
ray.data.read_parquet("in").map_batches(
    Predict,
    num_gpus=1 if HAS_GPU else 0,  # HR025
    batch_size=8,
)
""",
    "an if statement in a function": """
import ray.data
from torch import cuda

def main():
    if cuda.is_available():
        gpus = 1
    else:
        gpus = 0
    ray.data.read_parquet("in").map_batches(Predict, num_gpus=gpus, batch_size=8)  # HR025

main()
""",
    "how many it has, made a number": """
import ray
import torch

ray.data.read_parquet("in").map_batches(Predict, batch_size=8, num_gpus=int(torch.cuda.device_count() > 0))  # HR025
""",
    "a dict that is spread, a function, one of two calls": """
import ray
import torch
from models import Predict

def gpus():
    return 1 if torch.cuda.device_count() > 0 else 0

options = {"batch_size": 64}
if torch.cuda.is_available():
    options["num_gpus"] = 1
ds = ray.data.read_parquet("in/")
ds.map_batches(Predict, **options).write_parquet("a/")  # HR025
ds.map_batches(Predict, batch_size=64, num_gpus=gpus()).write_parquet("b/")  # HR025
if torch.cuda.is_available():
    ds = ds.map_batches(Predict, batch_size=64, num_gpus=1)  # HR025
else:
    ds = ds.map_batches(Predict, batch_size=64)
""",
}

GOOD = {
    "the cluster is asked": """
import ray

HAS_GPU = ray.cluster_resources().get("GPU", 0) > 0
ray.data.read_parquet("in").map_batches(Predict, num_gpus=1 if HAS_GPU else 0, batch_size=8)
""",
    "the worker asks for itself": """
import ray
import torch

class Predict:
    def __init__(self):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    def __call__(self, batch):
        return batch

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "the driver's own model": """
import ray
import torch

gpus = 1
device = "cuda" if torch.cuda.is_available() else "cpu"
model = torch.load("m.pt").to(device)
ray.data.read_parquet("in").map_batches(Predict, num_gpus=gpus, batch_size=8)
""",
    "a guard, and a device for the class": """
import sys
import ray
import torch
from models import Predict

if not torch.cuda.is_available():
    sys.exit("start this on a node with a GPU")
options = {"fn_constructor_kwargs": {"half": torch.cuda.is_available()}, "num_gpus": 1}
ray.data.read_parquet("in/").map_batches(Predict, batch_size=64, **options).write_parquet("out/")
""",
}
