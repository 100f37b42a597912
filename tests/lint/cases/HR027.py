"""The key dropped from a result."""

BAD = {
    "paths asked for and dropped": """
import ray

class Predict:
    def __call__(self, batch):
        return {"label": self.model(batch["image"])}  # HR027

ray.data.read_images("in", include_paths=True).limit(9).map_batches(Predict, batch_size=64)
""",
    "an id column of Parquet": """
import ray.data as rd

def lengths(batch):
    n = [len(t) for t in batch["text"]]
    result = {"n": n}
    return result  # HR027

rd.read_parquet("in", columns=["doc_id", "text"]).map_batches(lengths)
""",
    "row by row": """
from ray.data import read_binary_files

ds = read_binary_files("in", include_paths=True)
ds = ds.map(lambda row: {"size": len(row["bytes"])})  # HR027
""",
    "in a later step, as a DataFrame": """
import pandas as pd
import ray

def halve(batch):
    return {"path": batch["path"], "x": batch["image"] // 2}

def mean(batch):
    return pd.DataFrame({"mean": [x.mean() for x in batch["x"]]})  # HR027

ds = ray.data.read_images("in/", include_paths=True, size=(32, 32))
ds.map_batches(halve, batch_size=64).map_batches(mean, batch_size=64).write_parquet("out/")
""",
}

GOOD = {
    "kept, under another name or as a part": """
import ray

ds = ray.data.read_images("in", include_paths=True)
ds.map_batches(lambda batch: {"name": [p.split("/")[-1] for p in batch["path"]], "y": batch["image"]})
ds.map_batches(lambda batch: {**batch, "y": batch["image"]})
""",
    "the batch itself, with a column more": """
import ray

def predict(batch):
    batch["y"] = batch.pop("image").mean()
    return batch

ray.data.read_images("in", include_paths=True).map_batches(predict)
""",
    "a result for each batch, not row": """
import ray

def count(batch):
    return {"rows": [len(batch["path"])]}

ray.data.read_images("in", include_paths=True).map_batches(count)
""",
    "after the columns were chosen anew": """
import ray

ds = ray.data.read_parquet("in", columns=["id", "x"]).drop_columns(["id"])
ds.map_batches(lambda batch: {"y": batch["x"]})
""",
    "no rows at all": """
import ray

def pages(row):
    if not row["path"].endswith(".txt"):
        return {"pages": []}
    return {"pages": [{"path": row["path"], "text": t} for t in row["bytes"].decode().split("\\f")]}

ds = ray.data.read_binary_files("in", include_paths=True).map(pages).flat_map(lambda row: row["pages"])
ds.write_parquet("out")
""",
    "under another name in the step before": """
import ray

def halve(batch):
    return {"file": batch["path"], "x": batch["image"] // 2}

def mean(batch):
    return {"file": batch["file"], "mean": batch["x"].mean(axis=(1, 2, 3))}

ds = ray.data.read_images("in/", include_paths=True, size=(32, 32))
ds.map_batches(halve, batch_size=64).map_batches(mean, batch_size=64).write_parquet("out/")
""",
    "another column names the row": """
import ray

def pieces(row):
    return [{"doc_id": row["id"], "chunk": n, "text": t} for n, t in enumerate(row["text"].split("."))]

ray.data.read_parquet("in", include_paths=True).flat_map(pieces).write_parquet("out")
""",
}
