"""concurrency= on the map family."""

BAD = {
    "a class": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(
    Predict,
    concurrency=4,  # HR010 (two GPUs)
    num_gpus=0.5,
)
""",
    "a function, by an alias": """
import ray.data as rd

def clean(row):
    return row

rd.range(8).map(clean, concurrency=4)  # HR010
""",
    "a range of actors, where only the class was imported": """
from ray.data import ActorPoolStrategy as Pool, range as numbers

class Keep:
    def __call__(self, row):
        return True

numbers(8).filter(Keep, concurrency=(1, 4))  # HR010
""",
    "a class that the module does not hold: which strategy is right is not known": """
import ray
from models import Predict

ray.data.range(8).flat_map(Predict, concurrency=workers)  # HR010
""",
}

GOOD = {
    "reads and writes keep theirs": """
import ray

ray.data.read_parquet("in", concurrency=4).write_parquet("out", concurrency=2)
""",
    "compute": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(Predict, compute=ray.data.ActorPoolStrategy(size=4), concurrency=None)
""",
    "a map_batches of something else": """
import polars as pl
import ray

pl.scan_csv("in.csv").map_batches(lambda frame: frame, concurrency=4)
""",
}

FIXED = {
    "a class": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(
    Predict,
    compute=ray.data.ActorPoolStrategy(size=4),  # HR010 (two GPUs)
    num_gpus=0.5,
)
""",
    "a function, by an alias": """
import ray.data as rd

def clean(row):
    return row

rd.range(8).map(clean, compute=rd.TaskPoolStrategy(size=4))  # HR010
""",
    "a range of actors, where only the class was imported": """
from ray.data import ActorPoolStrategy as Pool, range as numbers

class Keep:
    def __call__(self, row):
        return True

numbers(8).filter(Keep, compute=Pool(min_size=1, max_size=4))  # HR010
""",
}
