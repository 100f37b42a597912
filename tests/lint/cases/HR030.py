"""A pipeline that runs twice."""

BAD = {
    "a look after the write": """
import ray

ds = ray.data.read_images("in").map_batches(predict)
ds.write_parquet("out")
print(ds.take(5))  # HR030
""",
    "count for a log line, through functions": """
import ray

def pipeline():
    return ray.data.read_parquet("in").map_batches(predict)

def main():
    ds = pipeline()
    print(f"{ds.count()} rows")
    save(ds)

def save(ds):
    ds.write_parquet("out")  # HR030

if __name__ == "__main__":
    main()
""",
    "two branches of one pipeline": """
import ray

class Job:
    def __init__(self):
        self.ds = ray.data.read_parquet("in").map_batches(predict)

    def run(self):
        self.ds.filter(lambda row: row["ok"]).write_parquet("good")
        self.ds.filter(lambda row: not row["ok"]).write_parquet("bad")  # HR030
""",
}

GOOD = {
    "what was written is read": """
import ray

ds = ray.data.read_parquet("in").map_batches(predict)
ds.write_parquet("out")
print(ray.data.read_parquet("out").count())
""",
    "kept by materialize": """
import ray

ds = ray.data.read_parquet("in").map_batches(predict).materialize()
ds.show()
ds.write_parquet("out")
""",
    "kept only when asked": """
import ray

ds = ray.data.read_parquet("in").map_batches(predict)
if args.keep:
    ds = ds.materialize()
ds.write_parquet("out")
""",
    "one or the other": """
import ray

def main(dry):
    ds = ray.data.read_parquet("in").map_batches(predict)
    if dry:
        ds.show()
        return
    ds.write_parquet("out")
""",
    "only the read is shared": """
import ray

ds = ray.data.read_parquet("in")
print(ds.count())
ds.map_batches(predict).write_parquet("out")
ds.map_batches(other).write_parquet("other")
""",
    "Spark's": """
import ray
from pyspark.sql import SparkSession

frame = SparkSession.builder.getOrCreate().read.parquet("in").map_batches_of_mine(f)
frame.count()
frame.take(5)
""",
}
