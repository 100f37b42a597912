"""Everything in the driver."""

BAD = {
    "a page's slow way": """
import ray

images = ray.data.read_images("in", mode="RGB").limit(5000)
slow = images.map_batches(Slow, batch_size=1)
predictions = slow.take_all()  # HR031
""",
    "a frame, through a function": """
import ray

def run(source: ray.data.Dataset):
    return source.map_batches(predict).to_pandas()  # HR031
""",
    "an alias and a loop": """
from ray.data import read_parquet as rp

for row in rp("in").map(score).take_all():  # HR031
    print(row)
""",
    "a list of all rows, take of as many as there are": """
import ray
from models import Predict

ds = ray.data.read_parquet("in/").map_batches(Predict, batch_size=64)
rows = list(ds.iter_rows())  # HR031
rows = ds.take(ds.count())  # HR031
rows = ds.take(10_000_000)  # HR031
""",
}

GOOD = {
    "a trial": """
import ray

rows = ray.data.read_images("in").limit(100).map_batches(predict).take_all()
""",
    "what was in the driver before": """
import ray

rows = ray.data.from_items([{"x": 1}]).map_batches(predict).take_all()
""",
    "a small report": """
import ray

ray.data.read_parquet("in").map_batches(predict).groupby("label").count().take_all()
""",
    "with a bound": """
import ray

ray.data.read_parquet("in").map_batches(predict).take_all(limit=500)
""",
    "pandas on Spark": """
import ray
from pyspark.sql import SparkSession

frame = SparkSession.builder.getOrCreate().read.parquet("in").toPandas()
""",
    "as much as was asked for": """
import ray

ds = ray.data.read_parquet("in").map_batches(lambda batch: {"id": batch["id"] * 2})
if ds.count() <= 10_000:
    frame = ds.to_pandas()
else:
    ds.write_parquet("out")
""",
    "a part of a sum from each batch": """
import pandas as pd
import ray

def bounds(batch):
    if batch.empty:
        return pd.DataFrame({"first": [None], "last": [None]})
    return pd.DataFrame({"first": [batch["time"].min()], "last": [batch["time"].max()]})

frame = ray.data.read_parquet("in").map_batches(bounds, batch_format="pandas", batch_size=10_000).to_pandas()
print(frame["first"].min(), frame["last"].max())
""",
    "a few rows, and a list of what was asked for": """
import ray
from models import Predict

ds = ray.data.read_parquet("in/").map_batches(Predict, batch_size=64)
rows = ds.take(1000)
first = list(ds.limit(10).iter_rows())
labels = list(ds.unique("label"))
""",
}
