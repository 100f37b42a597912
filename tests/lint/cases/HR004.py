"""A class in tasks."""

BAD = {
    "as text": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(Predict, compute="tasks")  # HR004
""",
    "a strategy, by an alias": """
from ray.data import TaskPoolStrategy as Tasks, range as numbers

class Keep:
    def __call__(self, row):
        return True

numbers(8).filter(
    Keep,
    compute=Tasks(),  # HR004
)
""",
    "a class by its other name, a strategy in a variable": """
import ray.data as rd

class Predict:
    def __call__(self, row):
        return row

udf = Predict
how = rd.TaskPoolStrategy(size=4)
rd.range(8).map(udf, compute=how)  # HR004
""",
}

GOOD = {
    "a function in tasks": """
import ray

def clean(batch):
    return batch

ray.data.range(8).map_batches(clean, compute=ray.data.TaskPoolStrategy(size=2))
""",
    "an object, which is a function to Ray": """
import ray

class Clean:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(Clean(), compute=ray.data.TaskPoolStrategy(size=2))
""",
    "actors, and nothing": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(Predict, compute=ray.data.ActorPoolStrategy(size=2)).map_batches(Predict, compute=None)
""",
    "a class or a function, each with its own strategy": """
import ray

class Pooled:
    def __call__(self, batch):
        return batch

def task(batch):
    return batch

def run(pooled):
    if pooled:
        compute = ray.data.ActorPoolStrategy(size=2)
    else:
        compute = ray.data.TaskPoolStrategy(size=2)
    ray.data.range(8).map_batches(Pooled if pooled else task, compute=compute)
""",
}
