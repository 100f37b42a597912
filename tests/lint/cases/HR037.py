"""JSON, CSV, pickle."""

BAD = {
    "the writers": """
import ray

ds = ray.data.read_images("in").map_batches(predict, batch_size=8)
ds.write_json("out")  # HR037
ds.write_csv("out")  # HR037
""",
    "dumped by the driver": """
import json
import pickle
import ray

rows = ray.data.read_images("in").map_batches(predict).take_all()
with open("out.json", "w") as f:
    json.dump(rows, f)  # HR037
with open("out.pkl", "wb") as f:
    pickle.dump({"rows": rows}, f)  # HR037
""",
    "through a frame": """
import ray

def save(ds: ray.data.Dataset):
    ds.map_batches(predict).to_pandas().to_csv("out.csv")  # HR037
""",
    "row by row": """
import json
import ray

with open("out.jsonl", "w") as f:
    for row in ray.data.read_images("in").map_batches(predict).iter_rows():
        json.dump(row, f)  # HR037
""",
    "row by row into a file": """
import csv
import json
import pathlib
import ray
from models import Predict

ds = ray.data.read_parquet("in/").map_batches(Predict, batch_size=64)
with open("out.jsonl", "w") as lines, open("out.csv", "w") as table:
    writer = csv.DictWriter(table, ["id", "y"])
    for row in ds.iter_rows():
        lines.write(json.dumps(row) + "\\n")  # HR037
        writer.writerow(row)  # HR037
pathlib.Path("out.json").write_text(json.dumps(ds.take_all()))  # HR037
""",
}

GOOD = {
    "Parquet": """
import ray

ray.data.read_json("in").map_batches(predict).write_parquet("out")
""",
    "a summary of what was taken": """
import json
import ray

rows = ray.data.read_images("in").map_batches(predict).take_all()
with open("report.json", "w") as f:
    json.dump({"rows": len(rows), "first": rows[0], "some": rows[:5]}, f)
""",
    "a small report": """
import ray

ray.data.read_parquet("in").map_batches(predict).groupby("label").count().write_csv("report")
""",
    "no map_batches": """
import ray

ray.data.read_csv("in").write_json("out")
""",
    "pandas": """
import pandas as pd
import ray

pd.read_parquet("in").to_csv("out.csv")
""",
    "rows that are sent, numbers that are noted": """
import json
import ray
import requests
from models import Predict

ds = ray.data.read_parquet("in/").map_batches(Predict, batch_size=64)
for row in ds.iter_rows():
    requests.post("http://localhost/rows", data=json.dumps(row))
with open("metrics.json", "w") as file:
    file.write(json.dumps({"rows": ds.count()}))
""",
}
