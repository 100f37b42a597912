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
}
