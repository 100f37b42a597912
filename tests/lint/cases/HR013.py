"""GPUs without a batch size."""

BAD = {
    "none": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(Predict, num_gpus=0.5).show()  # HR013
""",
    "where there is a GPU; auto": """
import ray
import torch
from models import Predict

HAS_GPU = torch.cuda.is_available()
ds = ray.data.range(8).map_batches(
    Predict,
    batch_size="auto",
    num_gpus=1 if HAS_GPU else 0,  # HR013
)
""",
    "None, spread": """
import ray.data as rd

options = {"num_gpus": 1, "batch_size": None}
rd.read_images("in").map_batches(lambda batch: batch, **options).show()  # HR013
""",
}

GOOD = {
    "a size": """
import ray
from models import Predict

ray.data.range(8).map_batches(Predict, num_gpus=1, batch_size=32).show()
""",
    "no GPU": """
import ray
from models import Predict

ray.data.range(8).map_batches(Predict, num_gpus=0).map_batches(Predict, num_gpus=None).show()
""",
    "rows, groups, and a size that is not known": """
import ray
from models import Predict

def run(ds, size, **options):
    ds = ds.map(Predict, num_gpus=1)
    ds = ds.groupby("id").map_groups(Predict, num_gpus=1)
    return ds.map_batches(Predict, num_gpus=1, batch_size=size).map_batches(Predict, num_gpus=1, **options)
""",
}
