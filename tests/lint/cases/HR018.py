"""num_blocks() of lazy datasets."""

BAD = {
    "a read": """
import ray

dataset = ray.data.read_images("in").limit(100)
print(f"{dataset.num_blocks()} blocks")  # HR018
for i in range(min(5, dataset.num_blocks())):  # HR018
    print(i)
""",
    "a map after materialize": """
import ray.data as rd

ds = rd.range(8).materialize().map_batches(lambda batch: batch)
print(ds.num_blocks())  # HR018
""",
    "through a function": """
import ray

def load(path):
    return ray.data.read_parquet(path)

size = load("in").repartition(4).num_blocks()  # HR018
""",
}

GOOD = {
    "materialized": """
import ray

ds = ray.data.read_parquet("in")
ds = ds.materialize()
print(ds.num_blocks(), ray.data.from_items([1, 2]).num_blocks())
""",
    "materialized on one of two ways, or not known": """
import ray

def blocks(path, keep):
    ds = ray.data.read_parquet(path)
    if keep:
        ds = ds.materialize()
    return ds.num_blocks()

def count(ds: ray.data.Dataset):
    return ds.num_blocks()
""",
    "splits, and an object of another kind": """
import ray
from files import Volume

left, right = ray.data.range(8).split(2)
print(left.num_blocks(), Volume("/").num_blocks())
""",
}
