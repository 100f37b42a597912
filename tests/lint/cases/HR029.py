"""Results that belong to no file."""

BAD = {
    "answers alone": """
import ray
import torch

class Classify:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        return {"label": self.model(torch.as_tensor(batch["image"])).argmax(1).numpy()}

ds = ray.data.read_images("photos/", mode="RGB").limit(10_000)  # HR029
ds.map_batches(Classify, batch_size=64).write_parquet("out/")
""",
    "a model of another module, with a GPU": """
import ray
from models import Predict, prepare

(
    ray.data.read_images("photos/")  # HR029
    .map_batches(prepare)
    .map_batches(Predict, num_gpus=1, batch_size=32)
    .write_parquet("out/")
)
""",
    "row by row, told not to include them": """
import ray.data as rd

def size(row):
    return {"bytes": len(row["bytes"])}

rd.read_binary_files("in/", include_paths=False).map(size).write_csv("sizes/")  # HR029
""",
    "a mean of the column": """
import ray

def brightness(batch):
    return {"brightness": batch["image"].mean(axis=(1, 2, 3))}

ds = ray.data.read_images("photos/", size=(64, 64))  # HR029
ds.map_batches(brightness, batch_size=64).write_parquet("out/")
""",
}

GOOD = {
    "with paths, and with partitions": """
import ray
from models import Predict

ray.data.read_images("p/", include_paths=True).map_batches(Predict, num_gpus=1, batch_size=32).write_parquet("a/")
by_label = ray.data.datasource.Partitioning("dir", field_names=["label"])
ray.data.read_images("p/", partitioning=by_label).map_batches(Predict, num_gpus=1, batch_size=32).write_parquet("b/")
""",
    "the image itself is kept": """
import ray

def thumbnails(batch):
    return {"image": batch["image"], "mean": [image.mean() for image in batch["image"]]}

def marked(batch):
    batch["new"] = [True] * len(batch["image"])
    return batch

ray.data.read_images("photos/").map_batches(thumbnails).write_parquet("out/")
ray.data.read_images("photos/").map_batches(marked).write_parquet("out/")
ray.data.read_images("photos/").map_batches(lambda batch: {"x": batch["image"] // 2}).write_parquet("out/")
""",
    "named by content": """
import hashlib
import ray

def digest(row):
    return {"sha256": hashlib.sha256(row["bytes"]).hexdigest(), "bytes": len(row["bytes"])}

ray.data.read_binary_files("in/").map(digest).write_parquet("out/")
""",
    "a look, a table, and functions that are not known": """
import ray
from models import Enlarge, prepare

def mean(batch):
    return {"mean": [image.mean() for image in batch["image"]]}

ray.data.read_images("photos/").map_batches(mean).show()
ray.data.read_parquet("in/").map_batches(mean).write_parquet("out/")
ray.data.read_images("photos/").map_batches(prepare).write_parquet("prepared/")
ray.data.read_images("in/").map_batches(Enlarge, num_gpus=1, batch_size=8).write_images("out/", column="image")
""",
}
