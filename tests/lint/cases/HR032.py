"""Timings of what has not run."""

BAD = {
    "a page's quick start": """
import ray
import time

start = time.time()
ds = ray.data.from_items([{"x": i} for i in range(1000)])
result_slow = ds.map(lambda x: x["x"] * 2)
print(f"Slow: {time.time() - start:.2f} seconds")  # HR032

start = time.time()
result_fast = ds.map_batches(lambda batch: {"x": [x * 2 for x in batch["x"]]})
print(f"Fast: {time.time() - start:.2f} seconds")  # HR032
""",
    "in a function, with the run in a comment": """
import ray
from time import perf_counter as now

images = ray.data.read_images("in")

def bench():
    begin = now()
    results = images.map_batches(Predict, batch_size=2)
    # rows = results.take_all()
    end = now()
    total = end - begin  # HR032
    return total

bench()
""",
    "a helper builds": """
import time
import ray

def build(ds):
    return ds.map_batches(predict, batch_size=32)

t0 = time.monotonic()
out = build(ray.data.read_parquet("in"))
t1 = time.monotonic()
print(t1 - t0)  # HR032
out.write_parquet("out")
""",
    "a stopwatch of one's own, as a function and as a class": """
import contextlib
import time
import ray
from models import Predict

@contextlib.contextmanager
def timed(name):
    start = time.perf_counter()
    yield
    print(name, time.perf_counter() - start)

class Timer:
    def __enter__(self):
        self.start = time.time()
        return self

    def __exit__(self, *error):
        self.seconds = time.time() - self.start

with timed("inference"):  # HR032
    ds = ray.data.read_parquet("in/").map_batches(Predict, batch_size=64)
with Timer() as timer:  # HR032
    ds = ds.map_batches(Predict, batch_size=32)
ds.write_parquet("out/")
""",
}

GOOD = {
    "written in between": """
import time
import ray

start = time.time()
ray.data.read_parquet("in").map_batches(predict).write_parquet("out")
print(time.time() - start)
""",
    "a helper runs it": """
import time
import ray

def save(ds):
    ds.write_parquet("out")

save(ray.data.range(3))
start = time.time()
save(ray.data.read_parquet("in").map_batches(predict))
print(time.time() - start)
""",
    "an unknown function gets it": """
import time
import ray
from mine import consume

start = time.time()
ds = ray.data.read_parquet("in").map_batches(predict)
consume({"train": ds})
print(time.time() - start)
""",
    "built before the clock starts": """
import time
import ray

ds = ray.data.read_parquet("in").map_batches(predict)
start = time.time()
for batch in ds.iter_batches(batch_size=64):
    send(batch)
print(time.time() - start)
""",
    "pandas": """
import time
import pandas as pd
import ray

start = time.time()
frame = pd.read_parquet("in").map(lambda x: x * 2)
print(time.time() - start)
""",
    "tasks that run it": """
import time

import ray

@ray.remote
def consume(shard):
    return sum(len(b["id"]) for b in shard.iter_batches())

start = time.time()
ds = ray.data.range(1000).map_batches(lambda batch: {"id": batch["id"] * 2})
tasks = [consume.remote(shard) for shard in ds.streaming_split(2)]
ray.get(tasks)
print(time.time() - start)
""",
    "a trainer that was given it": """
import time

import ray
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer
from mine import loop

ds = ray.data.read_parquet("in")
start = time.time()
ds = ds.map_batches(lambda batch: {"x": batch["x"] * 2})
trainer = TorchTrainer(loop, scaling_config=ScalingConfig(num_workers=2), datasets={"train": ds})
result = trainer.fit()
print(time.time() - start)
""",
    "the building and the run, each by itself": """
import time
import ray
from models import Predict

start = time.time()
ds = ray.data.read_parquet("in/").map_batches(Predict, batch_size=64)
built = time.time()
ds.write_parquet("out/")
print("planned in", built - start, "ran in", time.time() - built)
""",
    "a stopwatch round the run": """
import contextlib
import time
import ray
from models import Predict, save

@contextlib.contextmanager
def timed(name):
    start = time.perf_counter()
    yield
    print(name, time.perf_counter() - start)

with timed("inference"):
    ds = ray.data.read_parquet("in/").map_batches(Predict, batch_size=64)
    ds.write_parquet("out/")
with timed("saving"):
    save(ds.map_batches(Predict, batch_size=32))
with contextlib.suppress(OSError):
    ds = ds.map_batches(Predict, batch_size=16)
""",
}
