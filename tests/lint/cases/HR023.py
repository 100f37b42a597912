"""The model on the CPU of a GPU stage."""

BAD = {
    "a device of its own": """
import ray
import torch

class Predict:
    def __init__(self):
        self.device = torch.device("cpu")
        self.model = torch.load("m.pt").eval()
        self.model = self.model.to(self.device)  # HR023

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "the pipeline's -1": """
import ray.data
import transformers

class Predict:
    def __init__(self):
        self.classify = transformers.pipeline("text-classification", device=-1)  # HR023

    def __call__(self, batch):
        return {"y": self.classify(list(batch["text"]))}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=0.5, batch_size=8)
""",
    "cpu(), in a helper": """
import ray
import torch

def load():
    return torch.jit.load("m.pt").cpu()  # HR023

class Predict:
    def __init__(self):
        self.model = load()

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
}

GOOD = {
    "results come back to the CPU": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt", map_location="cpu").to("cuda")

    def __call__(self, batch):
        return {"y": self.model(torch.as_tensor(batch["x"]).to("cuda")).cpu().numpy()}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "the CPU where there is no GPU": """
import ray
import torch
from transformers import pipeline

class Predict:
    def __init__(self):
        try:
            self.classify = pipeline("x", device=0 if torch.cuda.is_available() else -1)
        except RuntimeError:
            self.classify = pipeline("x", device=-1)

    def __call__(self, batch):
        return {"y": self.classify(list(batch["text"]))}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "a stage of the CPU": """
import ray
from transformers import pipeline

class Predict:
    def __init__(self):
        self.classify = pipeline("x", device="cpu")

    def __call__(self, batch):
        return {"y": self.classify(list(batch["text"]))}

ray.data.read_parquet("in").map_batches(Predict, num_cpus=4)
""",
}
