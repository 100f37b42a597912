"""Made-up rows."""

BAD = {
    "a page's -1": """
import ray
from torchvision import models

class Bad:
    def __call__(self, batch):
        model = models.resnet50(pretrained=True)
        results = []
        for i, image in enumerate(batch["image"]):
            try:
                outputs = model(transform(image))
                results.append({"image_id": i, "label": int(outputs[0])})
            except Exception as e:  # HR036
                print(f"Error processing image {i}: {e}")
                results.append({"image_id": i, "label": -1, "confidence": 0.0, "error": str(e)})
        return results

ray.data.read_images("in").map_batches(Bad, batch_size=2).write_parquet("out")
""",
    "zeros for the batch": """
import numpy as np
import ray
from sentence_transformers import SentenceTransformer

class Embed:
    def __init__(self):
        self.model = SentenceTransformer("m")

    def __call__(self, batch):
        try:
            return {"v": self.model.encode(list(batch["text"]))}
        except:  # HR036
            return {"v": np.zeros((len(batch["text"]), 384))}

ray.data.read_parquet("in").map_batches(Embed, batch_size=64).write_parquet("out")
""",
    "a label in a helper": """
import ray
from transformers import pipeline

class Label:
    def __init__(self):
        self.classify = pipeline("text-classification")

    def one(self, text):
        try:
            label = self.classify(text)[0]["label"]
        except Exception:  # HR036
            label = "unknown"
        return label

    def __call__(self, row):
        return {"label": self.one(row["text"])}

ray.data.read_parquet("in").map(Label).write_parquet("out")
""",
    "of a model from elsewhere, a list that is made longer": """
import ray
from models import load

class Predict:
    def __init__(self):
        self.model = load()

    def __call__(self, batch):
        scores = []
        for start in range(0, len(batch["x"]), 8):
            try:
                scores += self.model.predict(batch["x"][start : start + 8])
            except Exception:  # HR036
                scores.extend([0.0] * 8)
        return {"id": batch["id"], "score": scores}

ray.data.read_parquet("in/").map_batches(Predict, batch_size=64).write_parquet("out/")
""",
}

GOOD = {
    "None, with the error beside it": """
import ray
from transformers import pipeline

class Label:
    def __init__(self):
        self.classify = pipeline("text-classification")

    def __call__(self, row):
        try:
            return {"label": self.classify(row["text"])[0]["label"], "error": None}
        except Exception as error:
            return {"label": None, "error": str(error)}

ray.data.read_parquet("in").map(Label).write_parquet("out")
""",
    "only what a bad image raises": """
import ray
from PIL import Image, UnidentifiedImageError
from transformers import pipeline

class Label:
    def __init__(self):
        self.classify = pipeline("image-classification")

    def __call__(self, row):
        try:
            label = self.classify(Image.open(row["path"]))[0]["label"]
        except UnidentifiedImageError:
            label = ""
        return {"label": label}

ray.data.read_parquet("in").map(Label).write_parquet("out")
""",
    "raised again": """
import ray
from transformers import pipeline

class Label:
    def __init__(self):
        self.classify = pipeline("text-classification")

    def __call__(self, row):
        try:
            return {"label": self.classify(row["text"])[0]["label"]}
        except Exception:
            state = "failed"
            report(state)
            raise

ray.data.read_parquet("in").map(Label).write_parquet("out")
""",
    "no model inside": """
import ray

def clean(row):
    try:
        row["age"] = int(row["age"])
    except Exception:
        row["age"] = 0
    return row

ray.data.read_parquet("in").map(clean).write_parquet("out")
""",
}
