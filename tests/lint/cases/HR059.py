"""Loops over columns."""

BAD = {
    "a lambda's comprehension": """
import ray

ds = ray.data.range(8)
doubled = ds.map_batches(lambda batch: {"x": [x * 2 for x in batch["id"]]})  # HR059
""",
    "a loop that appends, in a class": """
import ray

class Scale:
    def __call__(self, batch):
        scaled = []
        for value in batch["x"]:  # HR059
            scaled.append((value - 127.5) / 127.5)
        return {"id": batch["id"], "x": scaled}

ray.data.read_parquet("in/").map_batches(Scale, batch_size=1024)
""",
    "the same for every row": """
import ray.data as rd

def label(batch):
    labels = []
    for path in batch["path"]:  # HR059
        labels.append({"label": "cat", "score": 0.95})
    return {"path": batch["path"], "label": labels}

rd.read_images("photos/", include_paths=True).map_batches(label)
""",
    "a column that has a name": """
import ray

def squares(batch):
    xs = batch["x"]
    return {"x": xs, "y": [-x ** 2 + 1 for x in xs]}  # HR059

ray.data.read_parquet("in/").map_batches(squares, batch_format="pandas")
""",
}

GOOD = {
    "the column": """
import ray

ray.data.range(8).map_batches(lambda batch: {"x": batch["id"] * 2})
""",
    "what needs the row: text, calls, conditions, two columns": """
import ray

def texts(batch):
    return {
        "a": [text + "!" for text in batch["a"]],
        "n": [len(text) for text in batch["a"]],
        "b": [x * 2 for x in batch["x"] if x > 0],
        "c": [a + b for a, b in zip(batch["a"], batch["b"])],
        "d": [text + other for text in batch["a"]],
        "e": [x for x in batch["x"]],
    }

other = "?"
ray.data.read_parquet("in/").map_batches(texts)
""",
    "arrow's scalars, and rows": """
import ray

def double(batch):
    return {"x": [x * 2 for x in batch["x"]]}

ray.data.read_parquet("in/").map_batches(double, batch_format="pyarrow")
ray.data.read_parquet("in/").map(lambda row: {"x": [x * 2 for x in row["x"]], "y": row["y"] * 2})
""",
    "no batch": """
import ray

def sizes(batch):
    return {"x": batch["x"], "y": [i * 2 for i in range(len(batch["x"]))], "z": [i * 2 for i in [1, 2]]}

ray.data.read_parquet("in/").map_batches(sizes)
""",
}
