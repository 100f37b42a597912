"""The None of writes."""

BAD = {
    "a method and a length": """
import ray

results = ray.data.range(8).map_batches(lambda batch: batch).write_parquet("out")
print(len(results))  # HR040
results.show()  # HR040
""",
    "at once": """
import ray.data as rd

rd.range(8).write_csv("out").count()  # HR040
""",
    "through a function": """
import ray

def save(ds):
    return ds.write_json("out")

for row in save(ray.data.range(8)):  # HR040
    print(row)
""",
}

GOOD = {
    "read again": """
import ray

ds = ray.data.range(8)
ds.write_parquet("out")
print(ray.data.read_parquet("out").count())
""",
    "kept, and never looked into": """
import ray

done = ray.data.range(8).write_parquet("out")
print(done, done is None)
""",
    "a write of something else": """
import pandas as pd
import ray

ray.init()
text = pd.DataFrame({"a": [1]}).write_parquet("out")
print(len(text))
""",
}
