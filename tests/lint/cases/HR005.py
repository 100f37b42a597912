"""The model called row by row."""

BAD = {
    "a loop with a counter": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        out = []
        for i, image in enumerate(batch["image"]):
            with torch.no_grad():
                out.append(self.model(torch.as_tensor(image)[None]))  # HR005
        return {"y": out}

ray.data.read_images("in").map_batches(Predict)
""",
    "row numbers, through a helper": """
import onnxruntime
import ray.data

class Predict:
    def __init__(self):
        self.session = onnxruntime.InferenceSession("m.onnx")

    def one(self, x):
        return self.session.run(None, {"x": x[None]})[0]  # HR005

    def __call__(self, batch):
        return {"y": [self.one(batch["x"][i]) for i in range(len(batch["x"]))]}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "an actor's method": """
import ray
from transformers import pipeline

@ray.remote
class Actor:
    def __init__(self):
        self.classify = pipeline("image-classification")

    def predict(self, images):
        found = []
        for image in images:
            found.append(self.classify(image))  # HR005
        return {"y": found}

actor = Actor.remote()

def predict(batch):
    return ray.get(actor.predict.remote(batch["image"]))

ray.data.read_images("in").map_batches(predict)
""",
}

GOOD = {
    "one call for the batch, a loop over its results": """
import ray
from transformers import pipeline

class Predict:
    def __init__(self):
        self.classify = pipeline("text-classification")

    def __call__(self, batch):
        texts = [t.strip() for t in batch["text"]]
        return {"y": [r["label"] for r in self.classify(texts)]}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "chunks of the batch": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        parts = [self.model(batch["x"][i:i + 32]) for i in range(0, len(batch["x"]), 32)]
        return {"y": torch.cat(parts).numpy()}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "several models": """
import ray
import torch

class Predict:
    def __init__(self):
        self.models = [torch.load("a.pt"), torch.load("b.pt")]

    def __call__(self, batch):
        return {"y": sum(m(batch["x"]) for m in self.models)}

ray.data.read_parquet("in").map_batches(Predict)
""",
    "a model that takes one row": """
import ray
import whisper

class Transcribe:
    def __init__(self):
        self.model = whisper.load_model("base")

    def __call__(self, batch):
        return {"text": [self.model.transcribe(a)["text"] for a in batch["audio"]]}

ray.data.read_audio("in").map_batches(Transcribe)
""",
}
