"""compute= as text."""

BAD = {
    "actors": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(
    Predict,
    compute="actors",  # HR011
).show()
""",
    "tasks, by a name": """
import ray.data as rd

MODE = "tasks"
rd.range(8).map(lambda row: row, compute=MODE).show()  # HR011
""",
    "either of two, spread": """
import ray
from models import Predict

def run(ds, heavy):
    options = {"compute": "actors" if heavy else "tasks"}
    return ds.flat_map(Predict, **options)  # HR011

run(ray.data.read_csv("in"), True).show()
""",
}

GOOD = {
    "strategies": """
import ray
from ray.data import TaskPoolStrategy

ray.data.range(8).map_batches(lambda batch: batch, compute=TaskPoolStrategy(size=2)).show()
""",
    "None": """
import ray

ray.data.range(8).map_batches(lambda batch: batch, compute=None).show()
""",
    "a map_batches of something else": """
import polars as pl
import ray

ray.init()
pl.scan_csv("in.csv").map_batches(lambda frame: frame, compute="tasks")
""",
}
