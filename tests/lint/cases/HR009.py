"""A model in training mode."""

BAD = {
    "torchvision's": """
import ray
import torch
from torchvision import models

class Predict:
    def __init__(self):
        self.model = models.resnet50(weights="DEFAULT").to("cuda")

    def __call__(self, batch):
        with torch.no_grad():
            return {"y": self.model(batch["x"]).cpu().numpy()}  # HR009

ray.data.read_parquet("in").map_batches(Predict)
""",
    "timm's, with the eval() of another model": """
import ray.data
import timm

class Predict:
    def __init__(self):
        self.a = timm.create_model("a").eval()
        self.b = timm.create_model("b")

    def __call__(self, batch):
        return {"a": self.a(batch["x"]), "b": self.b(batch["x"])}  # HR009

ray.data.read_parquet("in").map_batches(Predict)
""",
    "the script's own, with dropout": """
import ray
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(x)

class Predict:
    def __init__(self):
        self.net = Net()

    def __call__(self, batch):
        return {"y": self.net(batch["x"])}  # HR009

ray.data.read_parquet("in").map_batches(Predict)
""",
}

GOOD = {
    "eval() on a line of its own": """
import ray
from torchvision.models import resnet50

class Predict:
    def __init__(self):
        self.model = resnet50(weights="DEFAULT")
        self.model.eval()
        self.model = self.model.to("cuda")

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "from_pretrained, which does it": """
import ray
from transformers import AutoModel

class Predict:
    def __init__(self):
        self.model = AutoModel.from_pretrained("bert")

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "another function prepares it": """
import ray
import torch
from serving import prepare

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt")
        prepare(self.model)

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "a weights file": """
import ray
import torch
from torchvision.models import resnet50

class Predict:
    def __init__(self):
        weights = torch.load("weights.pt")
        self.model = resnet50()
        self.model.load_state_dict(weights)
        self.model.eval()

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

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
