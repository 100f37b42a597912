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
    "forward of a module of one's own, a compiled model": """
import ray
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x)

class Predict:
    def __init__(self):
        self.net = Net().eval()
        self.fast = torch.compile(torch.load("model.pt").eval())

    def __call__(self, batch):
        y = self.net.forward(torch.as_tensor(batch["x"]))  # HR008
        return {"y": y.detach().numpy(), "z": self.fast(y).detach().numpy()}  # HR008

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
    "of a dataclass": """
import dataclasses
import ray
import torch

@dataclasses.dataclass
class Predict:
    path: str = "m.pt"

    def __post_init__(self):
        self.model = torch.load(self.path).eval()

    def __call__(self, batch):
        return {"y": self.model(torch.as_tensor(batch["x"])).detach().numpy()}  # HR008

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
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
    "transforms of torchvision's weights": """
import ray
import torch
from torchvision.models import ResNet18_Weights, resnet18

transform = ResNet18_Weights.DEFAULT.transforms()

def prepare(batch):
    images = torch.as_tensor(batch["image"]).permute(0, 3, 1, 2)
    return {"path": batch["path"], "image": transform(images).numpy()}

class Predict:
    def __init__(self):
        self.model = resnet18(weights=ResNet18_Weights.DEFAULT).eval()

    @torch.inference_mode()
    def __call__(self, batch):
        return {"path": batch["path"], "label": self.model(torch.as_tensor(batch["image"])).argmax(1).numpy()}

ds = ray.data.read_images("in", size=(256, 256), include_paths=True).map_batches(prepare, batch_size=32)
ds.map_batches(Predict, batch_size=32).write_parquet("out")
""",
}
