"""The size of what has not run."""

BAD = {
    "a limited read": """
import ray

ds = ray.data.read_images("photos/").limit(1000)
print(f"{ds.size_bytes() / 1e6} MB")  # HR028
print(f"{ds.size_bytes() / ds.count()} bytes a row")
""",
    "after a model, and a step that keeps the rows": """
import ray
from models import predict

ds = ray.data.read_parquet("in/").map_batches(predict, batch_size=64).repartition(8)
blocks = max(1, ds.size_bytes() >> 27)  # HR028
""",
    "in a function, in a loop": """
import ray.data as rd

def look(ds):
    for i in range(3):
        print(i, ds.size_bytes())  # HR028

look(rd.read_csv("in.csv").filter(lambda row: row["x"] > 0))
""",
}

GOOD = {
    "of a read, which is an estimate": """
import ray

ds = ray.data.read_images("photos/")
print(ds.size_bytes(), ds.map(lambda row: {"shape": row["image"].shape}).size_bytes())
""",
    "materialized": """
import ray

ds = ray.data.read_images("photos/").limit(1000).materialize()
print(ds.size_bytes())
""",
    "materialized on one of two ways, or not known": """
import ray

def size(path, keep, other: ray.data.Dataset):
    ds = ray.data.read_parquet(path).limit(10)
    if keep:
        ds = ds.materialize()
    return ds.size_bytes() + other.size_bytes()
""",
    "rows that the function keeps, and another object's size": """
import ray
from files import Volume

ds = ray.data.read_parquet("in/").map_batches(lambda batch: batch, udf_modifying_row_count=False)
print(ds.size_bytes(), Volume("/").limit(3).size_bytes())
""",
}
