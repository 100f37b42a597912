"""Trials of less than one batch."""

BAD = {
    "a sweep": """
import ray
from models import Predict

dataset = ray.data.read_images("in")
for batch_size in [64, 32, 16, 8]:
    results = dataset.limit(10).map_batches(
        Predict,
        num_gpus=1,
        batch_size=batch_size,  # HR045
    )
    results.take(5)
""",
    "timed": """
import time

import ray.data as rd

trial = rd.range(100).limit(50)
start = time.time()
trial.map_batches(lambda batch: batch, batch_size=128).materialize()  # HR045
print(time.time() - start)
""",
    "in a function, after a map": """
from time import perf_counter

import ray

def measure(ds):
    begin = perf_counter()
    ds.limit(20).map(lambda row: row).map_batches(lambda batch: batch, batch_size=32).count()  # HR045
    return perf_counter() - begin

measure(ray.data.range(100))
""",
    "a sweep of workers": """
import ray
from models import Predict

ds = ray.data.read_parquet("in").limit(200)
for workers in [1, 2, 4, 8]:
    ds.map_batches(Predict, batch_size=32, concurrency=workers).materialize()  # HR045
for workers in [2, 16]:
    pool = ray.data.ActorPoolStrategy(size=workers)
    ds.map_batches(Predict, batch_size=32, compute=pool).materialize()  # HR045
""",
}

GOOD = {
    "enough for all workers, or no sweep of them": """
import ray
from models import Predict

ds = ray.data.read_parquet("in")
for workers in [1, 2, 4]:
    pool = ray.data.ActorPoolStrategy(size=workers)
    ds.limit(200).map_batches(Predict, batch_size=32, compute=pool).materialize()
    ds.limit(320 * workers).map_batches(Predict, batch_size=32, concurrency=workers).materialize()
ds.limit(50).map_batches(Predict, batch_size=32, concurrency=4).show()
""",
    "enough rows": """
import time

import ray

start = time.time()
ray.data.range(1000).limit(500).map_batches(lambda batch: batch, batch_size=128).materialize()
print(time.time() - start)
""",
    "a look at some results, not a trial": """
import ray

ray.data.range(1000).limit(5).map_batches(lambda batch: batch, batch_size=128).show()
""",
    "rows that grow": """
import time

import ray

start = time.time()
ds = ray.data.range(9).limit(5).flat_map(lambda row: [row] * 100)
ds.map_batches(lambda batch: batch, batch_size=64).materialize()
print(time.time() - start)
""",
    "a limit on the results": """
import time

import ray

start = time.time()
ray.data.range(1000).map_batches(lambda batch: batch, batch_size=64).limit(5).materialize()
print(time.time() - start)
""",
}
