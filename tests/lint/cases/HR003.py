"""A model taken along from the driver."""

BAD = {
    "a global": """
import ray
from transformers import pipeline

classify = pipeline("text-classification")

def predict(batch):
    return {"y": classify(list(batch["text"]))}  # HR003

ray.data.read_parquet("in").map_batches(predict)
""",
    "a closure, through a helper": """
import ray
import torch

def main():
    model = torch.jit.load("m.pt").to("cpu")

    def score(x):
        return model(x)  # HR003

    def predict(batch):
        return {"y": score(batch["x"])}

    ray.data.read_parquet("in").map_batches(predict).write_parquet("out")

main()
""",
    "functools.partial": """
from functools import partial
import onnxruntime
import ray

def predict(batch, session):
    return {"y": session.run(None, {"x": batch["x"]})[0]}

session = onnxruntime.InferenceSession("m.onnx")
ray.data.read_parquet("in").map_batches(partial(predict, session=session))  # HR003
""",
    "a constructor's argument": """
import ray
import torch

class Predict:
    def __init__(self, model):
        self.model = model

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(
    Predict,
    fn_constructor_kwargs={"model": torch.load("m.pt")},  # HR003
)
""",
    "the object whose method is given, an object of the class": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("model.pt").eval()

    @torch.no_grad()
    def __call__(self, batch):
        return {"y": self.model(torch.as_tensor(batch["x"])).numpy()}

    def run(self, ds: ray.data.Dataset):
        ds.map_batches(self.__call__, batch_size=64).write_parquet("a/")  # HR003

ds = ray.data.read_parquet("in/")
Predict().run(ds)
ds.map_batches(Predict(), batch_size=64).write_parquet("b/")  # HR003
""",
    "of the object around it, out of a dict": """
import ray
import torch

MODELS = {"small": torch.jit.load("small.pt").eval()}

class Job:
    def __init__(self):
        self.model = torch.jit.load("model.pt").eval()

    def run(self):
        def predict(batch):
            x = torch.as_tensor(batch["x"])
            y = self.model(x)  # HR003
            return {"y": y.numpy(), "z": MODELS["small"](x).numpy()}  # HR003

        ray.data.read_parquet("in/").map_batches(predict, batch_size=64).write_parquet("out/")

Job().run()
""",
}

GOOD = {
    "built in the worker": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt")

    def __call__(self, batch):
        model = self.model
        return {"y": model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "a global that each worker sets for itself": """
import ray
import torch

model = None

def predict(batch):
    global model
    if model is None:
        model = torch.load("m.pt")
    return {"y": model(batch["x"])}

ray.data.read_parquet("in").map_batches(predict)
""",
    "a reference to the object store": """
import ray
import torch

ref = ray.put(torch.load("m.pt"))

class Predict:
    def __init__(self, ref):
        self.model = ray.get(ref)

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict, fn_constructor_args=(ref,))
""",
    "the model is the driver's only": """
import ray
import torch

model = torch.load("m.pt")

def clean(batch):
    return {"x": batch["x"] + 1}

for batch in ray.data.read_parquet("in").map_batches(clean).iter_torch_batches():
    model(batch["x"])
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
    "what a model says of itself, an object without one": """
import ray
from transformers import AutoConfig, pipeline

labels = pipeline("text-classification").model.config.id2label
size = AutoConfig.from_pretrained("bert").hidden_size

class Job:
    def __init__(self, path):
        self.path = path

    def name(self, batch):
        return {"label": [labels[i] for i in batch["y"]], "size": [size] * len(batch["y"])}

    def run(self):
        ray.data.read_parquet(self.path).map_batches(self.name).write_parquet("out/")

Job("in/").run()
""",
    "caches that workers fill": """
import ray
import torch

CACHE = {}

def cached(name):
    if name not in CACHE:
        CACHE["only"] = torch.jit.load(name).eval()
    return CACHE["only"]

class Job:
    def __init__(self):
        self.model = None

    def predict(self, batch):
        if self.model is None:
            self.model = torch.jit.load("model.pt").eval()
        return {"y": self.model(cached("x")(torch.as_tensor(batch["x"]))).numpy()}

ray.data.read_parquet("in/").map_batches(Job().predict, batch_size=64).write_parquet("out/")
""",
}
