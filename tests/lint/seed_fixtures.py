"""Mistakes that the pages name and do not make, in code of our own. Each line that is found says by which rule."""

FIXTURES = {
    # The model goes to the GPU after all, and the stage still asks for none.
    "gpu_not_asked_for": """
import ray
import torchvision

class Classify:
    def __init__(self):
        self.model = torchvision.models.resnet50(weights="IMAGENET1K_V2").eval().cuda()  # HR024

    def __call__(self, batch):
        return {"path": batch["path"], "label": ["cat"] * len(batch["path"])}

photos = ray.data.read_images("photos/", include_paths=True)
photos.map_batches(Classify, batch_size=64).write_parquet("out/")
""",
    # The stage asks for a share of a GPU after all, and the model still goes to the CPU.
    "gpu_and_cpu_forced": """
import ray
import torch
import torchvision

class Classify:
    def __init__(self):
        self.device = torch.device("cpu")
        model = torchvision.models.resnet50(weights="IMAGENET1K_V2").eval()
        self.model = model.to(self.device)  # HR023

    @torch.inference_mode()
    def __call__(self, batch):
        images = torch.as_tensor(batch["image"]).permute(0, 3, 1, 2) / 255
        return {"path": batch["path"], "label": self.model(images).argmax(1).numpy()}

photos = ray.data.read_images("photos/", size=(224, 224), include_paths=True)
photos.map_batches(Classify, batch_size=64, num_gpus=0.1).write_parquet("out/")
""",
    # All answers are taken into the driver, and dumped as JSON by it.
    "all_rows_as_json": """
import json

import ray
from models import Classify

answers = ray.data.read_parquet("in/").map_batches(Classify, batch_size=64)
rows = answers.take_all()  # HR031
with open("answers.json", "w") as file:
    json.dump(rows, file)  # HR037
""",
    # CSV and pickle as a pipeline's output.
    "other_slow_formats": """
import pickle

import ray
from models import Classify

photos = ray.data.read_parquet("in/")
photos.map_batches(Classify, batch_size=64).write_csv("out/")  # HR037

with open("answers.pkl", "wb") as file:
    answers = photos.map_batches(Classify, batch_size=32).take_all()  # HR031
    pickle.dump(answers, file)  # HR037
""",
    # Images go from worker to worker as float32: four times the bytes that they were.
    "floats_between_stages": """
import ray
from models import Classify

def normalized(batch):
    return {"path": batch["path"], "image": batch["image"].astype("float32") / 255}  # HR039

photos = ray.data.read_images("photos/", size=(224, 224), include_paths=True)
photos.map_batches(normalized, batch_size=64).map_batches(
    Classify, batch_size=64, num_gpus=1
).write_parquet("out/")
""",
    # Eight GPUs, of which the pipeline uses one, two or four.
    "fewer_workers_than_gpus": """
import ray
from models import Classify

ray.init(num_gpus=8)
photos = ray.data.read_parquet("in/")
one = ray.data.ActorPoolStrategy(size=1)
photos.map_batches(Classify, batch_size=64, num_gpus=1, compute=one).write_parquet("a/")  # HR047
two = ray.data.ActorPoolStrategy(size=2)
photos.map_batches(Classify, batch_size=64, num_gpus=1, compute=two).write_parquet("b/")  # HR047
four = ray.data.ActorPoolStrategy(size=4)
photos.map_batches(Classify, batch_size=128, num_gpus=1, compute=four).write_parquet("c/")  # HR047
""",
    # A function that goes through a DataFrame, mapped.
    "frame_function_mapped": """
import pandas as pd
import ray

def prepared(batch):
    frame = pd.DataFrame(batch)
    frame["batch_id"] = range(len(frame))  # HR026
    return frame.to_dict("records")  # HR020

photos = ray.data.read_images("photos/", include_paths=True)
photos.map_batches(prepared, batch_size=64, batch_format="pandas").write_parquet("out/")  # HR050
""",
    # What beginners write: the model built in the function, four photos at a time.
    "first_model_script": """
import ray
from transformers import pipeline

def classify(batch):
    model = pipeline("image-classification")  # HR001
    answers = model(list(batch["image"]), top_k=1)
    return {"path": batch["path"], "label": [a[0]["label"] for a in answers]}

photos = ray.data.read_images("photos/", include_paths=True)
photos.map_batches(classify, batch_size=4).write_parquet("out/")  # HR043
""",
}
