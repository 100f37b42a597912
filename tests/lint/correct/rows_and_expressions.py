"""Looks like: map that gives anything, lists of rows. Is: rows as dicts, expressions, flat_map with lists."""

import re

import ray
from ray.data.expressions import col, lit

WORD = re.compile(r"\w+")


def parse(row):
    host, _, rest = row["text"].partition(" ")
    status = int(rest[-3:]) if rest[-3:].isdigit() else 0
    return {"path": row["path"], "host": host, "status": status, "line": rest}


def words(row):
    return [{"path": row["path"], "host": row["host"], "word": word.lower()} for word in WORD.findall(row["line"])]


def is_bot(row):
    return "bot" in row["host"]


lines = ray.data.read_text("logs/*.log", include_paths=True, drop_empty_lines=True)
rows = lines.map(parse).filter(is_bot)
failed = rows.filter(expr=col("status") >= lit(500)).with_column("hundreds", col("status") / lit(100))
failed.select_columns(["path", "host", "status", "hundreds"]).write_parquet("failed/")

counts = ray.data.read_parquet("failed/").groupby("host").count()
for row in counts.iter_rows():
    print(row["host"], row["count()"])

ray.data.read_text("logs/today.log", include_paths=True).map(parse).flat_map(words).write_parquet("words/")
