"""The time of day as a duration."""

BAD = {
    "of each row": """
import time

import ray

def answers(batch):
    results = []
    for text in batch["text"]:
        results.append({"length": len(text), "processing_time": time.time()})  # HR058
    return results

ray.data.read_parquet("in/").map_batches(answers)
""",
    "of the batch": """
import ray
from time import perf_counter

class Predict:
    def __call__(self, batch):
        return {
            "score": batch["x"] * 2,
            "latency_ms": [perf_counter()] * len(batch["x"]),  # HR058
        }

ray.data.read_parquet("in/").map_batches(Predict)
""",
    "a row's own": """
import datetime

import ray

def row(row):
    return {"id": row["id"], "elapsed": datetime.datetime.now()}  # HR058

ray.data.range(3).map(row)
""",
}

GOOD = {
    "a difference": """
import time

import ray

def answers(batch):
    start = time.time()
    lengths = [len(text) for text in batch["text"]]
    return {"length": lengths, "processing_time": [time.time() - start] * len(lengths)}

ray.data.read_parquet("in/").map_batches(answers)
""",
    "a time that is meant": """
import time

import ray

def answers(batch):
    n = len(batch["text"])
    return {"id": batch["id"], "timestamp": [time.time()] * n, "start_time": [time.time()] * n}

ray.data.read_parquet("in/").map_batches(answers)
""",
    "a column that was there, and code that no pipeline runs": """
import time

import ray

def keep(batch):
    return {"id": batch["id"], "processing_time": batch["processing_time"]}

def log():
    return {"processing_time": time.time()}

ray.data.read_parquet("in/").map_batches(keep)
""",
}
