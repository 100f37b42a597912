"""Sweeps that time the model's loading."""

BAD = {
    "a class of the module": """
import time

import ray
from transformers import pipeline

class Label:
    def __init__(self):
        self.model = pipeline("image-classification")

    def __call__(self, batch):
        return {"n": [len(r) for r in self.model(list(batch["image"]))]}

for size in [8, 16]:
    start = time.time()
    ds = ray.data.read_images("in").map_batches(Label, batch_size=size)  # HR046
    ds.write_parquet("out")
    print(size, time.time() - start)
""",
    "a class that is not known, on a GPU, in a function": """
from time import perf_counter

import ray

def best(worker, ds):
    times = {}
    for n in (1, 2):
        start = perf_counter()
        found = ds.limit(100).map_batches(worker, num_gpus=1, concurrency=n, batch_size=8)  # HR046
        found.take_all()
        times[n] = perf_counter() - start
    return times

best(load_class(), ray.data.read_images("in"))
""",
    "a helper builds the model": """
import time

import ray.data as rd
import torch

def load():
    return torch.load("m.pt")

class Predict:
    def __init__(self):
        self.model = load()

    def __call__(self, batch):
        return {"y": self.model(torch.as_tensor(batch["x"])).numpy()}

size = 8
while size < 100:
    begin = time.monotonic()
    rd.read_parquet("in").map_batches(Predict, batch_size=size).materialize()  # HR046
    print(time.monotonic() - begin)
    size *= 2
""",
    "a function of another module that measures": """
import ray
from benchmarks import measure_throughput
from models import Predict

ds = ray.data.read_parquet("in")
for size in [16, 32, 64]:
    results = ds.map_batches(Predict, batch_size=size, num_gpus=1)  # HR046
    print(size, measure_throughput(results))
""",
}

GOOD = {
    "measured once, and a function that measures something else": """
import ray
from benchmarks import measure_latency, show
from models import Predict

ds = ray.data.read_parquet("in")
print(measure_latency(ds.map_batches(Predict, batch_size=64, num_gpus=1)))
for size in [16, 32, 64]:
    show(ds.map_batches(Predict, batch_size=size, num_gpus=1), measure_latency(size))
""",
    "no loop": """
import time

import ray
from models import Predict

start = time.time()
ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, num_cpus=1, batch_size=8).write_parquet("out")
print(time.time() - start)
""",
    "nothing to load": """
import time

import ray

for size in (8, 16):
    start = time.time()
    ray.data.range(1000).map_batches(lambda batch: batch, batch_size=size).materialize()
    print(time.time() - start)
""",
    "built before the loop, whose runs are timed": """
import time

import ray
from models import Predict

ds = ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, num_cpus=1, batch_size=8)
for batch in ds.iter_batches(batch_size=100):
    start = time.time()
    print(len(batch), time.time() - start)
""",
    "not timed": """
import ray
from models import Predict

for year in (2024, 2025):
    ds = ray.data.read_parquet(f"in/{year}").map_batches(Predict, num_gpus=1, num_cpus=1, batch_size=8)
    ds.write_parquet(f"out/{year}")
""",
}
