"""What map is given back that is no dict."""

BAD = {
    "a number": """
import ray

ds = ray.data.from_items([{"x": 1}])
ds.map(lambda row: row["x"] * 2)  # HR021
""",
    "nothing: the row was changed in place": """
import ray.data as rd

def double(row):  # HR021
    row["x"] = row["x"] * 2

rd.range(8).map(double)
""",
    "text, a list and a bare return": """
from ray.data import read_parquet

class Label:
    def __call__(self, row):
        if not row["x"]:
            return  # HR021
        if row["x"] > 3:
            return f"{row['x']}"  # HR021
        return [row["x"]]  # HR021

read_parquet("in").map(Label)
""",
    "text made of a column": """
import ray

def shout(row):
    return row["text"].upper()  # HR021

ray.data.read_text("in/").map(shout).write_parquet("out/")
""",
    "rows of flat_map that are numbers and texts": """
import ray

def words(row):
    found = []
    for word in row["text"].split():
        found.append(word.lower())
    return found  # HR021

ray.data.range(8).flat_map(lambda row: [row["id"] * 2, row["id"] * 3]).materialize()  # HR021
ray.data.read_text("in").flat_map(words).write_parquet("out")
""",
    "what print gives": """
import ray

ray.data.read_text("in/").map(lambda row: print(row)).write_parquet("out/")  # HR021
""",
    "tables, where a row is wanted": """
import pandas as pd
import pyarrow as pa
import ray

ds = ray.data.range(8)
ds.map(lambda row: pd.DataFrame([row])).write_parquet("a/")  # HR021
ds.map(lambda row: pa.table({"x": [1]})).write_parquet("b/")  # HR021
ds.flat_map(lambda row: [pd.DataFrame([row])]).write_parquet("c/")  # HR021
""",
    "one row for flat_map, not a list of rows": """
import ray

def marked(row):
    row["y"] = 1
    return row  # HR021

ds = ray.data.range(8)
ds.flat_map(lambda row: {"x": row["id"]}).write_parquet("a/")  # HR021
ds.flat_map(lambda row: {**row, "x": 1}).write_parquet("b/")  # HR021
ds.flat_map(marked).write_parquet("c/")
""",
}

GOOD = {
    "dicts of every kind": """
import ray

def a(row):
    row["y"] = 1
    return row

ds = ray.data.range(8).map(a).map(lambda row: {**row, "z": 1}).map(lambda row: row | {"w": 1})
ds.map(lambda row: dict(row, v=2)).map(lambda row: row["nested"])
""",
    "filter and flat_map, which want something else": """
import ray

ray.data.range(8).filter(lambda row: row["id"] > 2).flat_map(lambda row: [row, row])
""",
    "Python's map, and pandas's": """
import pandas as pd
import ray

list(map(lambda row: row["x"] * 2, [{"x": 1}]))
pd.Series([1]).map(lambda x: x * 2)
""",
    "a stub": """
import ray

def later(row):
    raise NotImplementedError

ray.data.range(8).map(later)
""",
    "a column that holds dicts": """
import ray

ray.data.read_json("in/").map(lambda row: row["record"]).map(lambda row: row["inner"].copy()).write_parquet("out/")
""",
    "rows of flat_map that are dicts, or what is not known": """
import ray
from mine import split

def words(row):
    found = [{"word": word} for word in row["text"].split()]
    if not found:
        return []
    return [*found, {**row, "word": ""}, row | {"word": "end"}, row]

ds = ray.data.read_text("in").flat_map(words)
ds.flat_map(lambda row: [row] * 3).flat_map(lambda row: split(row["word"])).flat_map(split).write_parquet("out")
""",
    "one row for flat_map in a list, no row at all, and a generator of rows": """
import ray
from mine import split

def rows(row):
    yield {"x": row["id"]}

def some(row):
    if row["id"]:
        return {}
    found = {}
    return split(row) or found

def parts(splitter, row):
    return splitter

from functools import partial

ds = ray.data.range(8).flat_map(rows).flat_map(lambda row: [{"x": 1}]).flat_map(some).flat_map(lambda row: (row, row))
ds.flat_map(partial(parts, [{"x": 1}])).show()
""",
    "rows of a table": """
import pandas as pd
import ray

ds = ray.data.range(8).map(lambda row: pd.DataFrame([row]).iloc[0].to_dict())
ds.flat_map(lambda row: pd.DataFrame([row]).to_dict("records")).show()
""",
}
