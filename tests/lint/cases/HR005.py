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
    "apply, map and a row of map": """
import ray
from sentence_transformers import SentenceTransformer

class Embed:
    def __init__(self):
        self.model = SentenceTransformer("all-MiniLM-L6-v2")

    def __call__(self, batch):
        frame = batch["frame"].apply(lambda text: self.model.encode(text))  # HR005
        return {"e": list(map(self.model.encode, batch["text"])), "f": frame}  # HR005

class EmbedRow(Embed):
    def __call__(self, row):
        return {"text": row["text"], "e": self.model.encode(row["text"])}  # HR005

ds = ray.data.read_parquet("in/")
ds.map_batches(Embed, batch_size=64).write_parquet("a/")
ds.map(EmbedRow).write_parquet("b/")
""",
    "counted up by hand": """
import ray
from transformers import pipeline

class Classify:
    def __init__(self):
        self.classify = pipeline("text-classification")

    def __call__(self, batch):
        labels, i = [], 0
        while i < len(batch["text"]):
            labels.append(self.classify(batch["text"][i])[0]["label"])  # HR005
            i += 1
        return {"id": batch["id"], "label": labels}

ray.data.read_parquet("in/").map_batches(Classify, batch_size=64).write_parquet("out/")
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
    "a column after the other": """
import ray
from sentence_transformers import SentenceTransformer

class Embed:
    def __init__(self):
        self.model = SentenceTransformer("all-MiniLM-L6-v2")

    def __call__(self, batch, columns):
        vectors = {f"{c}_vector": self.model.encode(list(batch[c]), batch_size=64) for c in columns}
        for column in batch:
            vectors[column + "_length"] = self.model.encode(list(batch[column])).shape[:1] * len(batch[column])
        return {"id": batch["id"], **vectors}

ds = ray.data.read_parquet("in").map_batches(Embed, fn_kwargs={"columns": ["title", "text"]}, batch_size=64)
ds.write_parquet("out")
""",
    "transforms of torchvision's weights, image by image": """
import ray
import torch
from torchvision.models import ResNet18_Weights

weights = ResNet18_Weights.DEFAULT

class Prepare:
    def __init__(self):
        self.prepare = ResNet18_Weights.DEFAULT.transforms()

    def __call__(self, batch):
        return {"image": [self.prepare(torch.as_tensor(image)).numpy() for image in batch["image"]]}

ray.data.read_images("in").map_batches(Prepare, batch_size=32).write_parquet("out")
""",
    "a row that holds many: the frames of a video": """
import ray
import torch

class P:
    def __init__(self):
        self.m = torch.jit.load("m.pt").eval()

    @torch.inference_mode()
    def __call__(self, row):
        return {"path": row["path"], "y": self.m(torch.as_tensor(row["frames"])).numpy()}

ray.data.read_parquet("in/").map(P).write_parquet("out/")
""",
}
