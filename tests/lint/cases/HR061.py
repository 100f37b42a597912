"""Functions that are given an actor pool."""

BAD = {
    "a pool in a variable, a lambda": """
import ray

pool = ray.data.ActorPoolStrategy(min_size=1, max_size=4)
ds = ray.data.range(8)
ds.map_batches(lambda batch: batch, compute=pool).write_parquet("out/")  # HR061
""",
    "a partial of a class, in keyword arguments": """
import functools
from ray.data import ActorPoolStrategy, read_parquet

class Scale:
    def __init__(self, by):
        self.by = by

    def __call__(self, batch):
        return {"x": batch["x"] * self.by}

options = {"compute": ActorPoolStrategy(size=2), "batch_size": 64}
read_parquet("in/").map_batches(functools.partial(Scale, by=2), **options).write_parquet("out/")  # HR061
""",
    "a range as concurrency, of a method": """
import ray

class Job:
    def keep(self, row):
        return row["id"] > 3

    def run(self):
        ray.data.range(8).filter(self.keep, concurrency=(1, 4)).write_parquet("out/")  # HR061

Job().run()
""",
}

GOOD = {
    "a class": """
import ray

class Double:
    def __call__(self, batch):
        return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(Double, compute=ray.data.ActorPoolStrategy(size=2)).materialize()
""",
    "tasks, and as many as there is room for": """
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double, compute=ray.data.TaskPoolStrategy(size=2)).map(double).materialize()
ray.data.range(8).map_batches(double, concurrency=4).materialize()
""",
    "a pool only where it is a class": """
import ray
from models import Predict

def run(udf, compute=None):
    ray.data.range(8).map_batches(udf, compute=compute).materialize()

run(Predict, ray.data.ActorPoolStrategy(size=2))
run(lambda batch: batch)
""",
    "a class that a function of another module makes": """
import ray
from models import made

ray.data.range(8).map_batches(made("resnet"), compute=ray.data.ActorPoolStrategy(size=2)).materialize()
""",
}
