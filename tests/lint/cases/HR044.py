"""Models without a batch size."""

BAD = {
    "a class": """
import ray
from sentence_transformers import SentenceTransformer

class Embed:
    def __init__(self):
        self.model = SentenceTransformer("all-MiniLM-L6-v2")

    def __call__(self, batch):
        return {"vector": self.model.encode(list(batch["text"]))}

ray.data.read_text("in").map_batches(Embed).write_parquet("out")  # HR044
""",
    "None": """
import onnxruntime
import ray.data as rd

class Infer:
    def __init__(self):
        self.session = onnxruntime.InferenceSession("m.onnx")

    def __call__(self, batch):
        return {"y": self.session.run(None, {"x": batch["x"]})[0]}

rd.read_parquet("in").map_batches(
    Infer,
    batch_size=None,  # HR044
).show()
""",
    "a helper builds it": """
import ray
import torch

def load():
    return torch.load("model.pt").eval()

class Predict:
    def __init__(self):
        self.net = load()

    def __call__(self, batch):
        return {"y": self.net(torch.as_tensor(batch["x"])).numpy()}

ds = ray.data.read_parquet("in")
ds = ds.map_batches(Predict, num_cpus=2)  # HR044
ds.show()
""",
}

GOOD = {
    "no model": """
import ray

ray.data.range(8).map_batches(lambda batch: batch).show()
""",
    "a forest": """
import joblib
import ray

class Predict:
    def __init__(self):
        self.model = joblib.load("forest.joblib")

    def __call__(self, batch):
        return {"y": self.model.predict(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict).show()
""",
    "options that are not known": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("model.pt")

    def __call__(self, batch):
        return {"y": self.model(torch.as_tensor(batch["x"])).numpy()}

def run(ds: ray.data.Dataset, **options):
    return ds.map_batches(Predict, **options)
""",
    "a row at a time": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("model.pt")

    def __call__(self, row):
        return {"y": self.model(torch.as_tensor(row["x"])).numpy()}

ray.data.read_parquet("in").map(Predict).show()
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
