"""A forward pass with gradients."""

BAD = {
    "in __call__": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval().cuda()

    def __call__(self, batch):
        x = torch.as_tensor(batch["x"]).cuda()
        return {"y": self.model(x).detach().cpu().numpy()}  # HR008

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "in a helper, autocast alone around it": """
import ray.data
import torch
from transformers import AutoModel

class Predict:
    def __init__(self):
        self.model = AutoModel.from_pretrained("bert")

    def forward(self, x):
        return self.model(**x)  # HR008

    def __call__(self, batch):
        with torch.autocast("cuda"):
            return {"y": self.forward(batch).logits.detach().numpy()}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "a torch module of the script's own": """
import ray
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        return x

class Predict:
    def __init__(self):
        self.net = Net().eval()
        self.net2 = Net()

    def __call__(self, batch):
        return {"y": self.net2(batch["x"])}  # HR008

ray.data.read_parquet("in").map_batches(Predict)
""",
}

GOOD = {
    "with no_grad, round a helper": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def scores(self, x):
        return self.model(x)

    def __call__(self, batch):
        with torch.no_grad(), torch.autocast("cpu"):
            return {"y": self.scores(batch["x"]).numpy()}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "a decorated helper": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    @torch.no_grad()
    def scores(self, x):
        return self.model(x)

    def __call__(self, batch):
        return {"y": self.scores(batch["x"]).numpy()}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "libraries that do it themselves": """
import ray
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForCausalLM, pipeline

class Predict:
    def __init__(self):
        self.encoder = SentenceTransformer("x")
        self.llm = AutoModelForCausalLM.from_pretrained("y")
        self.classify = pipeline("z")

    def __call__(self, batch):
        texts = list(batch["text"])
        return {"a": self.encoder.encode(texts), "b": self.llm.generate(texts), "c": self.classify(texts)}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "gradients off for the whole process": """
import ray
import torch

class Predict:
    def __init__(self):
        torch.set_grad_enabled(False)
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        return {"y": self.model(batch["x"]).numpy()}

ray.data.read_parquet("in").map_batches(Predict)
""",
}
