"""Tensors on the GPU in a result."""

BAD = {
    "what the model gives": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval().to("cuda")

    def __call__(self, batch):
        x = torch.as_tensor(batch["x"]).to("cuda")
        return {"id": batch["id"], "y": self.model(x)}  # HR022

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "what was computed of it": """
import ray.data
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("m.pt").cuda()

    def __call__(self, batch):
        x = torch.as_tensor(batch["x"], device="cuda")
        scores = torch.softmax(self.model(x), dim=1)
        best = scores.argmax(1)
        return {
            "label": best,  # HR022
            "score": scores.cpu().numpy(),
        }

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "a function's own tensor": """
import ray
import torch

def double(batch):
    x = torch.from_numpy(batch["x"]).cuda()
    return {"x": x.float()}  # HR022

ray.data.read_parquet("in").map_batches(double, num_gpus=1, batch_size=8)
""",
}

GOOD = {
    "brought to the CPU": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval().to("cuda")

    def __call__(self, batch):
        y = self.model(torch.as_tensor(batch["x"]).to("cuda")).to("cpu")
        return {"y": y.numpy(), "z": y, "n": y.argmax(1).tolist()}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "a device that is not known": """
import ray
import torch

class Predict:
    def __init__(self):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    def __call__(self, batch):
        return {"y": torch.as_tensor(batch["x"]).to(self.device)}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "tensors of the CPU": """
import ray
import torch

ray.data.read_parquet("in").map_batches(lambda batch: {"x": torch.as_tensor(batch["x"]) * 2})
""",
}
