"""print in the hot path."""

BAD = {
    "every tenth image": """
import ray

class Bad:
    def __init__(self):
        self.model = load()
        print("loaded")

    def __call__(self, batch):
        for i, image in enumerate(batch["image"]):
            if i % 10 == 0:
                print(f"Processed image {i}")  # HR056
        return batch

ray.data.read_images("in").map_batches(Bad, batch_size=2).write_parquet("out")
""",
    "a helper of a function": """
import ray

def say(n):
    print(n)  # HR056

def work(batch):
    say(len(batch["x"]))
    return batch

ray.data.read_parquet("in").map_batches(work).write_parquet("out")
""",
    "for every row": """
import functools
import ray

def keep(row, least):
    print(row)  # HR056
    return row["x"] > least

ray.data.read_parquet("in").filter(functools.partial(keep, least=3)).write_parquet("out")
""",
    "pretty": """
import ray
from pprint import pprint

def work(row):
    pprint(row)  # HR056
    return row

ray.data.read_parquet("in/").map(work).write_parquet("out/")
""",
}

GOOD = {
    "once a worker, and in the driver": """
import ray

class Good:
    def __init__(self):
        print("loaded")

    def __call__(self, batch):
        return batch

print("starting")
ray.data.read_images("in").map_batches(Good, batch_size=2).write_parquet("out")
print("done")
""",
    "behind a switch": """
import ray

class Good:
    def __init__(self, verbose=False):
        self.verbose = verbose

    def __call__(self, batch):
        if self.verbose:
            print(len(batch["x"]))
        return batch

ray.data.read_images("in").map_batches(Good, batch_size=2).write_parquet("out")
""",
    "in an except clause": """
import ray

def work(batch):
    try:
        return parse(batch)
    except ValueError as error:
        print(error)
        raise

ray.data.read_parquet("in").map_batches(work).write_parquet("out")
""",
    "the mapped function of something else": """
import pandas as pd
import ray

def show(x):
    print(x)
    return x

pd.Series([1]).map(show)
""",
    "one that is left out, and every thousandth": """
import ray

def read(row):
    if len(row["bytes"]) > 10**9:
        print("too large, left out:", row["path"])
        return []
    return [{"path": row["path"], "size": len(row["bytes"])}]

class Count:
    def __init__(self):
        self.batches = 0

    def __call__(self, batch):
        self.batches += 1
        if self.batches % 1000 == 0:
            print(self.batches)
        return batch

ds = ray.data.read_binary_files("in", include_paths=True).flat_map(read).map_batches(Count, batch_size=64)
ds.write_parquet("out")
""",
}
