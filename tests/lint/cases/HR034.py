"""Rows per second of other rows."""

BAD = {
    "a sample's rows, everything's time": """
import time
import ray

def run(ds: ray.data.Dataset):
    start = time.time()
    results = ds.map_batches(Predict, batch_size=64)
    results.write_parquet("out")
    sample = results.take(100)
    end = time.time()
    total = end - start
    return {"total": total, "throughput": len(sample) / total}  # HR034
""",
    "another number than the limit": """
import time
import ray

t0 = time.perf_counter()
ray.data.read_images("in").limit(500).map_batches(Predict, batch_size=8).write_parquet("out")
seconds = time.perf_counter() - t0
print(f"{1000 / seconds:.0f} images/s")  # HR034
""",
    "another number than is taken": """
import time
import ray

TOTAL = 100
start = time.time()
rows = ray.data.read_images("in").map_batches(Predict, batch_size=8).take(20)
print(TOTAL / (time.time() - start))  # HR034
""",
    "the rows of the input, where a limit ran": """
import time
import ray
from models import Predict

images = ray.data.read_images("in/")
total = images.count()
start = time.time()
images.limit(500).map_batches(Predict, batch_size=50).materialize()
print(total / (time.time() - start))  # HR034
""",
}

GOOD = {
    "the rows that came": """
import time
import ray

start = time.time()
rows = ray.data.read_images("in").limit(100).map_batches(Predict).take_all()
took = time.time() - start
print(len(rows) / took)
""",
    "the limit": """
import time
import ray

ROWS = 500
start = time.time()
ray.data.read_images("in").limit(ROWS).map_batches(Predict).write_parquet("out")
print(ROWS / (time.time() - start))
""",
    "a ratio of times": """
import time
import ray

start = time.time()
ray.data.read_images("in").limit(500).map_batches(Predict).write_parquet("out")
took = time.time() - start
print(took / 60, took / 3)
""",
    "no pipeline": """
import time
import ray

start = time.time()
work()
print(1000 / (time.time() - start))
""",
    "runs an hour, the count of what ran": """
import time
import ray
from models import Predict

images = ray.data.read_images("in/").limit(500)
total = images.count()
start = time.time()
images.map_batches(Predict, batch_size=50).materialize()
took = time.time() - start
print(total / took, 3600 / took, 1 / took)
""",
}
