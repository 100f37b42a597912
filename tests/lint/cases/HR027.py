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
}
