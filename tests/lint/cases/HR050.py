"""Images as pandas."""

BAD = {
    "the first step": """
import ray

ray.data.read_images("in", mode="RGB").map_batches(prepare, batch_format="pandas").write_parquet("out")  # HR050
""",
    "in a variable": """
from ray.data import read_images

how = "pandas"
images = read_images("in").limit(100)
prepared = images.map_batches(
    prepare,
    batch_size=32,
    batch_format=how,  # HR050
)
""",
    "a dataset of unknown origin": """
import ray

def prepare(frame):
    frame["image"] = frame["image"].apply(resize)
    return frame

def run(ds: ray.data.Dataset):
    return ds.map_batches(prepare, batch_size=8, batch_format="pandas")  # HR050
""",
}

GOOD = {
    "answers as pandas": """
import ray

images = ray.data.read_images("in").map_batches(Predict, batch_size=8)
images.map_batches(report, batch_format="pandas").write_parquet("out")
""",
    "NumPy": """
import ray

ray.data.read_images("in").map_batches(prepare, batch_size=8, batch_format="numpy").write_parquet("out")
""",
    "only the paths": """
import ray

ds = ray.data.read_images("in", include_paths=True).select_columns(["path"])
ds.map_batches(names, batch_format="pandas").write_parquet("out")
""",
    "tables": """
import ray

ray.data.read_parquet("in").map_batches(clean, batch_format="pandas").write_parquet("out")
""",
}
