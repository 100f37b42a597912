"""Looks like: fromarray in a class with a GPU. Is: what the pipeline takes; built once, called with the batch."""

import ray
from PIL import Image
from transformers import pipeline


class Classify:
    """The pipeline takes PIL images, and batches them itself."""

    def __init__(self, model: str, top_k: int = 1):
        self.top_k = top_k
        self.classify = pipeline("image-classification", model=model, device=0)

    def __call__(self, batch):
        images = [Image.fromarray(image) for image in batch["image"]]
        answers = self.classify(images, batch_size=len(images), top_k=self.top_k)
        return {
            "path": batch["path"],
            "label": [best[0]["label"] for best in answers],
            "score": [best[0]["score"] for best in answers],
        }


ds = ray.data.read_images("s3://bucket/photos/", size=(224, 224), mode="RGB", include_paths=True)
ds.map_batches(
    Classify,
    fn_constructor_args=("google/vit-base-patch16-224",),
    fn_constructor_kwargs={"top_k": 1},
    batch_size=64,
    num_gpus=1,
    compute=ray.data.ActorPoolStrategy(size=4),
).write_parquet("s3://bucket/labels/")
