"""Looks like: reads without a key, results in the driver. Is: keys of their own, or a handful of rows."""

import sqlite3

import numpy as np
import pandas as pd
import pyarrow as pa
import ray
from ray.data.expressions import col, lit

SHARDS = "s3://bucket/shards/"


def connect():
    return sqlite3.connect("shop.db")


def size(row):
    return {"path": row["path"], "bytes": len(row["bytes"])}


orders = ray.data.read_sql("SELECT order_id, total FROM orders", connect)
orders.filter(expr=col("total") > lit(100)).write_parquet("large_orders/")

ray.data.read_binary_files("s3://bucket/pdf/", include_paths=True, file_extensions=["pdf"]).map(size).write_parquet(
    "pdf/"
)

arrays = ray.data.read_numpy("arrays/", include_paths=True)
arrays.map_batches(lambda batch: {"path": batch["path"], "mean": batch["data"].mean(axis=1)}).write_parquet("means/")

pairs = ray.data.read_webdataset(SHARDS, suffixes=["jpg", "cls"], include_paths=True)
pairs.map(lambda row: {"key": row["__key__"], "path": row["path"], "label": int(row["cls"])}).write_parquet("keys/")

table = ray.data.from_arrow(pa.table({"x": [1, 2, 3]}))
frame = ray.data.from_pandas(pd.DataFrame({"x": [4, 5, 6]}))
both = table.union(frame).map_batches(lambda batch: {"x": batch["x"] * 2})
print(both.to_pandas().describe())

matrix = ray.data.from_numpy(np.eye(8)).map(lambda row: {"sum": row["data"].sum()})
print(matrix.take_all())
