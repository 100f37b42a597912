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
}
