"""The column "path" of reads that do not give it."""

BAD = {
    "images": """
import ray
from PIL import Image

def load(batch):
    images = []
    for path in batch["path"]:  # HR042
        images.append(Image.open(path).size)
    return {"size": images}

ray.data.read_images("in").limit(100).map_batches(load, batch_size=1).show()
""",
    "a class, a stored dataset": """
import ray.data as rd

class Label:
    def __call__(self, row):
        return {"path": row["path"], "size": row["image"].shape}  # HR042

ds = rd.read_images("in", mode="RGB")
ds.repartition(4).map(Label).show()
""",
    "said no": """
from ray.data import read_binary_files

def size(row):
    return {"path": row["path"], "size": len(row["bytes"])}  # HR042

read_binary_files("in", include_paths=False).map(size).show()
""",
    "in a helper, among selected columns": """
import ray

def name_of(batch):
    return [path.rpartition("/")[2] for path in batch["path"]]  # HR042

def name(batch):
    return {"name": name_of(batch), "size": [len(b) for b in batch["bytes"]]}

ray.data.read_binary_files("in/").map_batches(name).write_parquet("a/")
ray.data.read_images("in/").select_columns(["image", "path"]).write_parquet("b/")  # HR042
""",
}

GOOD = {
    "asked for": """
import ray

def keep(batch):
    return {"path": batch["path"]}

ray.data.read_images("in", include_paths=True).map_batches(keep).show()
""",
    "a table may have such a column": """
import ray

def keep(batch):
    return {"path": batch["path"]}

ray.data.read_parquet("in").map_batches(keep).show()
""",
    "a step adds it": """
import ray

def number(row):
    return {"path": "one", "image": row["image"]}

ray.data.read_images("in").map(number).map(lambda row: {"path": row["path"]}).show()
""",
    "asks whether it is there; another dict's; puts it there": """
import ray

def one(batch):
    return {"path": batch["path"]} if "path" in batch else batch

def two(batch, options):
    return {"at": [options["path"]] * len(batch["image"])}

def three(batch):
    batch["path"] = ["x"] * len(batch["image"])
    return {"path": batch["path"]}

ds = ray.data.read_images("in")
for way in (one, two, three):
    ds.map_batches(way).show()
ds.map_batches(one).show()
ds.map_batches(two).show()
ds.map_batches(three).show()
""",
}

FIXED = {
    "images": """
import ray
from PIL import Image

def load(batch):
    images = []
    for path in batch["path"]:  # HR042
        images.append(Image.open(path).size)
    return {"size": images}

ray.data.read_images("in", include_paths=True).limit(100).map_batches(load, batch_size=1).show()
""",
    "a class, a stored dataset": """
import ray.data as rd

class Label:
    def __call__(self, row):
        return {"path": row["path"], "size": row["image"].shape}  # HR042

ds = rd.read_images("in", mode="RGB", include_paths=True)
ds.repartition(4).map(Label).show()
""",
}
