"""Options of the DataContext given to map operations."""

BAD = {
    "a dict of options spread into the call": """
import ray

MEMORY = {
    "preserve_order": False,
    "target_max_block_size": 512 * 1024 * 1024,
}

def infer(ds, predict):
    return ds.map_batches(predict, batch_size=16, **MEMORY)  # HR014

infer(ray.data.range(8), lambda batch: batch)
""",
    "by an alias, on map": """
import ray.data as rd

rows = rd.range(8)
rows.map(lambda row: row, preserve_order=True).show()  # HR014
""",
    "in a loop, on a class": """
from ray.data import read_parquet

class Keep:
    def __call__(self, batch):
        return batch

for size in (1, 2):
    read_parquet("in").map_batches(
        Keep,
        target_max_block_size=size << 20,  # HR014
    ).write_parquet("out")
""",
}

GOOD = {
    "the context itself": """
import ray

context = ray.data.DataContext.get_current()
context.target_max_block_size = 1 << 20
context.execution_options.preserve_order = True
ray.data.range(8).map_batches(lambda batch: batch).show()
""",
    "a map_batches of something else": """
import polars as pl
import ray

ray.init()
pl.scan_csv("in.csv").map_batches(lambda frame: frame, preserve_order=True)
""",
    "keywords of the module's own function": """
import ray

def run(ds, preserve_order):
    ray.data.DataContext.get_current().execution_options.preserve_order = preserve_order
    return ds.map_batches(lambda batch: batch, fn_kwargs={"preserve_order": preserve_order})

run(ray.data.range(8), preserve_order=True).show()
""",
}
