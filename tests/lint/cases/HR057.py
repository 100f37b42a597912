"""Clauses for errors that never come as what they are."""

BAD = {
    "a sweep that looks for the text": """
import ray
from models import Predict

ds = ray.data.read_images("photos/")
for size in [64, 32, 16]:
    try:
        ds.limit(640).map_batches(Predict, num_gpus=1, batch_size=size).take_all()
        break
    except RuntimeError as e:  # HR057
        if "out of memory" in str(e).lower():
            continue
        raise
""",
    "torch's own error, through a function": """
import ray
import torch
from models import Predict

def run(size):
    return ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=size).write_parquet("out")

try:
    run(128)
except torch.cuda.OutOfMemoryError:  # HR057
    run(64)
""",
    "both, imported by name": """
import ray.data as rd
from torch import OutOfMemoryError

def trial(batch):
    return batch

try:
    print(rd.range(10).map_batches(trial, batch_size=4).take(3))
except (OutOfMemoryError, RuntimeError) as error:  # HR057
    print("OOM", error)
""",
}

GOOD = {
    "Ray's error": """
import ray
from models import Predict

try:
    ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=64).materialize()
except (RuntimeError, ray.exceptions.RayTaskError) as error:
    if "out of memory" not in str(error):
        raise
""",
    "another clause has it": """
import ray
import torch
from models import Predict

try:
    ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=64).materialize()
except torch.cuda.OutOfMemoryError:
    print("out of memory")
except Exception as error:
    print(error)
""",
    "in the worker, where it is what it is": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        try:
            return {"y": self.model(batch["x"])}
        except torch.cuda.OutOfMemoryError:
            return {"y": torch.cat([self.model(half) for half in batch["x"].chunk(2)])}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=64).materialize()
""",
    "a model in the driver beside it": """
import ray
import torch
from data import prepare

model = torch.load("m.pt").eval().cuda()
ds = ray.data.read_parquet("in").map_batches(prepare, batch_size=64)
try:
    for batch in ds.iter_torch_batches(batch_size=64):
        print(model(batch["x"]))
    print(model(torch.as_tensor(ds.take_all())))
except torch.cuda.OutOfMemoryError:
    print("too many")
""",
    "the original types are asked for": """
import ray
from models import Predict

ray.data.DataContext.get_current().raise_original_map_exception = True
try:
    ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=64).materialize()
except RuntimeError as error:
    print("CUDA", error)
""",
    "a model in the driver, and errors of the driver": """
import ray
import torch
from models import Predict

try:
    torch.load("m.pt").cuda()
except RuntimeError as error:
    print("CUDA out of memory", error)
try:
    ds = ray.data.read_parquet("in").map_batches(Predict, batch_size=64).materialize()
except (FileNotFoundError, RuntimeError):
    print("no input")
""",
}
