"""Everything is "OOM"."""

BAD = {
    "a page's sweep": """
import ray

dataset = ray.data.read_images("in")
for batch_size in [16, 32, 64]:
    try:
        results = dataset.map_batches(Predict, batch_size=batch_size, num_gpus=1)
        throughput = measure_throughput(results)
    except Exception as e:  # HR035
        print(f"Batch size {batch_size}: OOM error")
        break
""",
    "a model, a bare except": """
import ray
import torch

model = torch.load("m.pt")

def fits(x):
    try:
        model(x)
    except:  # HR035
        return "out of memory"
    return "fits"
""",
    "through a function, logged": """
import logging
import ray

def run():
    ray.data.read_images("in").map_batches(Predict, batch_size=8).write_parquet("out")

try:
    run()
except (ValueError, RuntimeError) as error:  # HR035
    logging.error("CUDA out of memory: %s", error)
""",
    "Ray's own errors, another error raised in its place": """
import ray
import torch

class Predict:
    def __init__(self):
        self.m = torch.jit.load("m.pt").eval()

    def __call__(self, batch):
        try:
            return {"id": batch["id"], "y": self.m(torch.as_tensor(batch["x"])).numpy()}
        except Exception as error:  # HR035
            raise MemoryError("out of memory: take smaller batches") from error

try:
    ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
except ray.exceptions.RayError:  # HR035
    print("OOM at 64")
""",
}

GOOD = {
    "the text is looked at": """
import ray

for size in [64, 32]:
    try:
        ray.data.read_images("in").map_batches(Predict, batch_size=size).take(5)
    except RuntimeError as e:
        if "out of memory" in str(e):
            print(f"OOM at {size}")
            continue
        raise
""",
    "the error itself": """
import ray
import torch

model = torch.load("m.pt")
try:
    model(x)
except torch.cuda.OutOfMemoryError:
    print("OOM")
""",
    "another word": """
import ray

try:
    ray.data.read_images("in").map_batches(Predict, batch_size=8).write_parquet("out")
except Exception as e:
    print(f"failed (room for more? no): {e}")
""",
    "no pipeline": """
import ray

try:
    allocate()
except Exception:
    print("OOM")
""",
}
