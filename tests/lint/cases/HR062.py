"""batch_size= as text."""

BAD = {
    "the default of old": """
import ray

ds = ray.data.read_parquet("in/")
ds.map_batches(lambda batch: batch, batch_size="default").write_parquet("out/")  # HR062
""",
    "a name's value": """
from ray.data import read_parquet

SIZE = "default"

class Predict:
    def __call__(self, batch):
        return batch

read_parquet("in/").map_batches(
    Predict,
    batch_size=SIZE,  # HR062
    compute=None,
)
""",
    "a number in quotes": """
import ray

options = {"batch_size": "64", "num_cpus": 2}
ray.data.range(8).map_batches(lambda batch: batch, **options).show()  # HR062
""",
}

GOOD = {
    "a number, none, and the text that Ray knows": """
import ray

ds = ray.data.range(8).map_batches(lambda batch: batch, batch_size=1024)
ds = ds.map_batches(lambda batch: batch, batch_size=None)
ds.map_batches(lambda batch: batch, batch_size="auto").show()
""",
    "text on one way only": """
import ray

size = None if ray.__version__ >= "2.44" else "default"
ray.data.range(8).map_batches(lambda batch: batch, batch_size=size).show()
""",
    "a size that is not known": """
import ray

def run(size="default", **options):
    ds = ray.data.range(8).map_batches(lambda batch: batch, batch_size=int(size))
    ds.map_batches(lambda batch: batch, **options).show()
""",
    "batch_format, and others' batch_size": """
import datasets
import ray

ray.data.range(8).map_batches(lambda batch: batch, batch_format="default").show()
datasets.load_dataset("x").map(print, batched=True, batch_size="default")
""",
}
