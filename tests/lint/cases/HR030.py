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
    "once for every turn of a loop": """
import ray
import torch

class P:
    def __init__(self):
        self.m = torch.jit.load("m.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"id": batch["id"], "y": self.m(torch.as_tensor(batch["x"])).numpy()}

scored = ray.data.read_parquet("in/").map_batches(P, batch_size=64)
for label in ("a", "b", "c"):
    for batch in scored.iter_batches():  # HR030
        print(label, batch)
""",
    "size_bytes keeps blocks, which a write does not use": """
import ray

ds = ray.data.read_parquet("in").map_batches(predict)
ds.size_bytes()
ds.write_parquet("out")  # HR030
""",
    "what materialize returns is not used": """
import ray

ds = ray.data.read_parquet("in").map_batches(predict)
ds.materialize()
for batch in ds.iter_batches():  # HR030
    print(batch)
""",
    "count of another step": """
import ray

ds = ray.data.read_parquet("in").map_batches(predict)
rows = ds.take_all()
print(ds.filter(lambda row: row["ok"]).count())  # HR030
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
    "epochs over what is only prepared, a retry, a dataset for each turn": """
import ray
import torch

class P:
    def __init__(self):
        self.m = torch.jit.load("m.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"id": batch["id"], "y": self.m(torch.as_tensor(batch["x"])).numpy()}

train = ray.data.read_parquet("train/").map_batches(lambda batch: {"x": batch["x"] / 255})
for epoch in range(3):
    for batch in train.iter_torch_batches(batch_size=64):
        print(epoch, batch)
scored = ray.data.read_parquet("in/").map_batches(P, batch_size=64)
for attempt in range(3):
    try:
        scored.write_parquet("out/")
        break
    except OSError:
        print("again")
for day in ("mon", "tue"):
    ray.data.read_parquet(day).map_batches(P, batch_size=64).write_parquet(f"out/{day}")
""",
    "Ray knows how many it went through": """
import ray

ds = ray.data.read_parquet("in").map_batches(predict)
for batch in ds.iter_batches():
    print(batch)
print(ds.count(), ds.size_bytes())
""",
    "size_bytes keeps blocks for what goes through them": """
import ray

ds = ray.data.read_parquet("in").map_batches(predict)
print(ds.size_bytes())
frame = ds.to_pandas()
""",
    "a loop whose turns start from what the last one kept": """
import ray
import torch

class Score:
    def __init__(self, name):
        self.name = name
        self.model = torch.jit.load(f"{name}.pt").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        batch[self.name] = self.model(torch.as_tensor(batch["x"])).numpy()
        return batch

ds = ray.data.read_parquet("in").map_batches(Score, fn_constructor_args=("first",), batch_size=64)
for name in ("second", "third"):
    ds = ds.map_batches(Score, fn_constructor_args=(name,), batch_size=64).materialize()
ds.write_parquet("out")
""",
    "parts of a split, which hold their blocks": """
import ray

ds = ray.data.read_parquet("in").map_batches(lambda batch: {"id": batch["id"] * 2})
train, valid = ds.train_test_split(test_size=0.1)
print(train.count(), valid.count())
first, second = train.split_proportionately([0.5])
first.write_parquet("first")
print(second.mean("id"), valid.take(3))
""",
    "groups that are counted, and written later": """
import ray
from models import Predict

ds = ray.data.read_parquet("in/").map_batches(Predict, batch_size=64)
counts = ds.groupby("label").count()
counts.write_parquet("counts/")
""",
}
