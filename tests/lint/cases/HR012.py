"""compute= and concurrency= on one map operation."""

BAD = {
    "a strategy and a number": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(
    Predict,
    concurrency=2,  # HR012
    compute=ray.data.ActorPoolStrategy(size=2),  # two of them
).show()
""",
    "a stored strategy": """
from ray.data import TaskPoolStrategy, range as numbers

pool = TaskPoolStrategy(size=2)
numbers(8).map(lambda row: row, compute=pool, concurrency=8).show()  # HR012
""",
    "text breaks besides": """
import ray

ray.data.range(8).map_batches(lambda batch: batch, concurrency=8, compute="tasks").show()  # HR012
""",
}

GOOD = {
    "compute may be None, and then concurrency counts": """
import ray

def run(ds, pool=None):
    return ds.map_batches(lambda batch: batch, compute=pool, concurrency=4)

run(ray.data.range(8)).show()
""",
    "one is None": """
import ray

pool = ray.data.TaskPoolStrategy(size=2)
ray.data.range(8).map_batches(lambda batch: batch, compute=pool, concurrency=None).show()
""",
    "a read and a write keep concurrency": """
import ray

pool = ray.data.TaskPoolStrategy(size=2)
ds = ray.data.read_parquet("in", concurrency=2).map_batches(lambda batch: batch, compute=pool)
ds.write_parquet("out", concurrency=2)
""",
}

FIXED = {
    "a strategy and a number": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(
    Predict,
    # HR012
    compute=ray.data.ActorPoolStrategy(size=2),  # two of them
).show()
""",
    "a stored strategy": """
from ray.data import TaskPoolStrategy, range as numbers

pool = TaskPoolStrategy(size=2)
numbers(8).map(lambda row: row, compute=pool).show()  # HR012
""",
}
