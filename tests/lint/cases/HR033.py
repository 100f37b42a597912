"""Timings that stop at the first rows."""

BAD = {
    "take(20) of limit(100)": """
import ray
import time

dataset = ray.data.read_images("in")
start_time = time.time()
results = dataset.limit(100).map_batches(
    infer, batch_size=4
).take(20)  # HR033
elapsed = time.time() - start_time
""",
    "a sweep": """
import time
import ray

for size in [4, 8, 16]:
    begin = time.perf_counter()
    ds = ray.data.read_parquet("in").map_batches(Predict, batch_size=size)
    ds.take(40)  # HR033
    print(size, 40 / (time.perf_counter() - begin))
""",
    "show, in a function": """
import time
import ray

def bench(ds: ray.data.Dataset):
    t0 = time.time()
    ds.map_batches(Predict, batch_size=8).show()  # HR033
    return time.time() - t0
""",
}

GOOD = {
    "all that limit leaves": """
import time
import ray

start = time.time()
rows = ray.data.read_parquet("in").limit(100).map_batches(Predict).take(100)
print(time.time() - start)
""",
    "a look outside the clock": """
import time
import ray

ds = ray.data.read_parquet("in").map_batches(Predict).materialize()
start = time.time()
ds.map_batches(other).write_parquet("out")
elapsed = time.time() - start
ds.take(5)
""",
    "a whole run beside it": """
import time
import ray

start = time.time()
ray.data.read_parquet("in").map_batches(Predict).write_parquet("out")
ray.data.read_parquet("out").take(5)
print(time.time() - start)
""",
    "the source only": """
import time
import ray

start = time.time()
ray.data.read_parquet("in").take(20)
print(time.time() - start)
""",
    "numpy's take": """
import time
import numpy as np
import ray

start = time.time()
np.arange(100).take(20)
print(time.time() - start)
""",
}
