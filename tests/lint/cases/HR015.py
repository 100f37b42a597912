"""Keywords that map operations do not have."""

BAD = {
    "a parameter of the function, and a slip": """
import ray

def scale(batch, factor):
    return {"id": batch["id"] * factor}

ray.data.range(8).map_batches(
    scale,
    factor=3,  # HR015
    batchsize=4,  # HR015
).show()
""",
    "a parameter of the class": """
import ray.data as rd

class Predict:
    def __init__(self, path):
        self.path = path

    def __call__(self, batch):
        return batch

rd.range(8).map_batches(Predict, path="model.pt", batch_size=64).show()  # HR015
""",
    "batches on a row operation; another library's number of workers": """
from ray.data import range as numbers

ds = numbers(8)
ds = ds.map(lambda row: row, batch_size=64)  # HR015
ds = ds.flat_map(lambda row: [row], num_workers=4)  # HR015
ds.show()
""",
    "what belongs to iter_batches; an actor's option on a partial": """
import functools

import ray

def clean(batch, kind):
    return batch

OPTIONS = dict(local_shuffle_buffer_size=100)
ds = ray.data.range(8).map_batches(clean, **OPTIONS)  # HR015
ds.map_batches(functools.partial(clean, kind="a"), max_restarts=2).show()  # HR015
""",
    "max_calls beside a class": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(Predict, max_calls=2).show()  # HR015
""",
}

GOOD = {
    "all that there is": """
import ray

class Predict:
    def __init__(self, path):
        self.path = path

    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(
    Predict, fn_constructor_kwargs={"path": "m"}, batch_size=4, batch_format="numpy", zero_copy_batch=True,
    num_cpus=1, memory=1 << 20, resources={"disk": 1}, accelerator_type="T4", udf_modifying_row_count=False,
    max_restarts=2, scheduling_strategy="SPREAD",
).show()
""",
    "a function's own call, and a dataset that is not Ray's": """
import pandas as pd
import ray

def scale(batch, factor):
    return batch

frame = pd.DataFrame({"a": [1]})
frame.map(lambda x: x, factor=1)
scale(frame, factor=2)
ray.data.from_pandas(frame).map_batches(lambda batch: scale(batch, factor=3)).show()
""",
    "an expression, retries of tasks, and options that are not known": """
import ray

def run(ds, **options):
    return ds.map_batches(lambda batch: batch, max_retries=2, retry_exceptions=True, **options)

ds = run(ray.data.range(8))
ds.filter(expr="id > 3").show()
""",
    "groups": """
import ray

ray.data.range(8).groupby("id").map_groups(lambda group: group, batch_format="pandas").show()
""",
    "max_calls beside a function": """
import ray

ray.data.range(8).map_batches(lambda batch: batch, max_calls=2).show()
""",
}
