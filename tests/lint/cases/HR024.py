"""A GPU that is used and not asked for."""

BAD = {
    "cuda()": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()
        self.model.cuda()  # HR024

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict, batch_size=8, num_cpus=2)
""",
    "a keyword, and num_gpus=0": """
import ray.data as rd
from transformers import pipeline

class Predict:
    def __init__(self):
        self.classify = pipeline("text-classification", device="cuda:0")  # HR024

    def __call__(self, batch):
        return {"y": self.classify(list(batch["text"]))}

rd.read_parquet("in").map_batches(Predict, num_gpus=0)
""",
    "the constructor's argument": """
import ray
import torch

class Predict:
    def __init__(self, device):
        self.model = torch.jit.load("m.pt").to(torch.device(device))  # HR024

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict, fn_constructor_kwargs={"device": "cuda"})
""",
    "by number, by map_location": """
import ray
import torch
from transformers import pipeline

DEVICE = torch.device("cuda")

class Text:
    def __init__(self):
        self.p = pipeline("text-classification", device=0)  # HR024

    def __call__(self, batch):
        return {"label": [r["label"] for r in self.p(list(batch["text"]))]}

class Image:
    def __init__(self):
        self.m = torch.jit.load("m.pt", map_location=DEVICE).eval()  # HR024

    @torch.inference_mode()
    def __call__(self, batch):
        return {"y": self.m(torch.as_tensor(batch["x"]).to(DEVICE)).cpu().numpy()}

ray.data.read_parquet("in/").map_batches(Text, batch_size=64).map_batches(Image, batch_size=64).write_parquet("out/")
""",
}

GOOD = {
    "asked for": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").cuda()

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

options = {"num_gpus": 1}
ray.data.read_parquet("in").map_batches(Predict, batch_size=8, **options)
""",
    "options that are not known": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").cuda()

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

def main(**options):
    ray.data.read_parquet("in").map_batches(Predict, batch_size=8, **options)
""",
    "a GPU where there is one": """
import ray
import torch

class Predict:
    def __init__(self):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = torch.load("m.pt").to(self.device)

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "the driver's own": """
import ray
import torch

model = torch.load("m.pt").cuda()
for batch in ray.data.read_parquet("in").map_batches(lambda b: {"x": b["x"]}).iter_torch_batches(device="cuda"):
    model(batch["x"])
""",
    "an actor that has the GPU, a pipeline on the CPU": """
import ray
import torch
from transformers import pipeline

@ray.remote(num_gpus=1)
class Server:
    def __init__(self):
        self.m = torch.jit.load("m.pt").cuda().eval()

    def score(self, x):
        return self.m(torch.as_tensor(x).cuda()).cpu().numpy()

server = Server.remote()

class Text:
    def __init__(self):
        self.p = pipeline("text-classification", device=-1)

    def __call__(self, batch):
        return {"label": self.p(list(batch["text"])), "y": ray.get(server.score.remote(batch["x"]))}

ray.data.read_parquet("in/").map_batches(Text, batch_size=64).write_parquet("out/")
""",
}
