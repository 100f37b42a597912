"""Counters within a batch as ids."""

BAD = {
    "enumerate, in a list of dicts": """
import ray

def predict(batch):
    results = []
    for i, image in enumerate(batch["image"]):
        results.append({
            "image_id": i,  # HR026
            "mean": image.mean(),
        })
    return results

ray.data.read_images("in").map_batches(predict)
""",
    "arange": """
import numpy as np
import ray

class Predict:
    def __call__(self, batch):
        return {
            "row_id": np.arange(len(batch["x"])),  # HR026
            "y": batch["x"] + 1,
        }

ray.data.read_parquet("in").map_batches(Predict)
""",
    "text made of a counter": """
import ray.data

def predict(batch):
    ids = [f"row-{i}" for i in range(len(batch["x"]))]
    return {"y": batch["x"], "id": ids}  # HR026

ray.data.read_parquet("in").map_batches(predict)
""",
    "a column of a DataFrame": """
import pandas as pd
import ray

def prepare(batch):
    df = pd.DataFrame(batch)
    df["batch_id"] = range(len(df))  # HR026
    return df

ray.data.read_parquet("in").map_batches(prepare)
""",
    "the index of a DataFrame, a count by hand": """
import ray

def indexed(frame):
    frame["row_id"] = frame.index  # HR026
    return frame

def counted(batch):
    ids, number = [], 0
    for text in batch["text"]:
        ids.append(f"text-{number}")
        number += 1
    return {"id": ids, "length": [len(t) for t in batch["text"]]}  # HR026

ray.data.read_csv("in/").map_batches(indexed, batch_format="pandas").write_parquet("a/")
ray.data.read_text("in/").map_batches(counted).write_parquet("b/")
""",
    "by every worker, by insert": """
import itertools
import ray

class Number:
    def __init__(self):
        self.counter = itertools.count()

    def __call__(self, batch):
        return {"id": [next(self.counter) for _ in batch["text"]], "text": batch["text"]}  # HR026

def inserted(frame):
    frame.insert(0, "row_id", range(len(frame)))  # HR026
    return frame

ds = ray.data.read_text("in/").map_batches(Number, batch_size=64)
ds.map_batches(inserted, batch_format="pandas").write_parquet("out/")
""",
}

GOOD = {
    "the row's own": """
import ray

ray.data.read_parquet("in").map_batches(lambda batch: {"id": batch["id"], "y": [i * 2 for i in batch["x"]]})
""",
    "a position beside the id": """
import ray

def chunks(batch):
    rows = []
    for doc, text in zip(batch["doc_id"], batch["text"]):
        for i, part in enumerate(text.split()):
            rows.append({"doc_id": doc, "chunk_index": i, "part": part})
    return {"doc_id": [r["doc_id"] for r in rows], "part": [r["part"] for r in rows]}

ray.data.read_parquet("in").map_batches(chunks)
""",
    "a counter that is made unique by the file": """
import ray

def label(batch):
    return {"id": [f"{p}-{i}" for i, p in enumerate(batch["path"])], "y": batch["x"]}

ray.data.read_parquet("in").map_batches(label)
""",
    "a counter that is no id": """
import ray

def rank(batch):
    return {"id": batch["id"], "order": list(range(len(batch["id"])))}

ray.data.read_parquet("in").map_batches(rank)
""",
    "pandas alone": """
import pandas as pd
import ray

df = pd.read_parquet("in")
df["id"] = range(len(df))
""",
    "from a number that the data has": """
import ray

def number(batch):
    ids, next_id = [], int(batch["first_id"][0])
    for _ in batch["text"]:
        ids.append(next_id)
        next_id += 1
    return {"id": ids, "text": batch["text"]}

ray.data.read_parquet("in/").map_batches(number, batch_size=None).write_parquet("out/")
""",
}
