"""Looks like: PIL work and a GPU. Is: decoding and resizing on the CPUs, the model alone on the GPU, uint8 between."""

import io

import numpy as np
import ray
import torch
from PIL import Image, UnidentifiedImageError
from torchvision.models import ResNet50_Weights, resnet50


def decode(row):
    """One photo as uint8 [224, 224, 3]; a file that is no image gives no row, and is missed in the output."""
    try:
        with Image.open(io.BytesIO(row["bytes"])) as image:
            pixels = np.asarray(image.convert("RGB").resize((224, 224)))
    except UnidentifiedImageError:
        return []
    return [{"path": row["path"], "image": pixels}]


class Classify:
    def __init__(self):
        weights = ResNet50_Weights.DEFAULT
        self.names = np.array(weights.meta["categories"])
        self.model = resnet50(weights=weights).eval().to("cuda", memory_format=torch.channels_last)
        self.mean = torch.tensor([0.485, 0.456, 0.406], device="cuda").view(1, 3, 1, 1)
        self.std = torch.tensor([0.229, 0.224, 0.225], device="cuda").view(1, 3, 1, 1)

    @torch.inference_mode()
    def __call__(self, batch):
        images = torch.as_tensor(batch["image"]).to("cuda").permute(0, 3, 1, 2).float().div_(255)
        scores = self.model((images - self.mean) / self.std).softmax(1)
        best = scores.max(1)
        return {
            "path": batch["path"],
            "label": self.names[best.indices.cpu().numpy()],
            "score": best.values.cpu().numpy(),
        }


if __name__ == "__main__":
    photos = ray.data.read_binary_files("s3://bucket/photos/", include_paths=True).flat_map(decode)
    labels = photos.map_batches(
        Classify, batch_size=128, num_gpus=1, num_cpus=1, compute=ray.data.ActorPoolStrategy(min_size=1, max_size=8)
    )
    labels.write_parquet("s3://bucket/labels/")
    print(ray.data.read_parquet("s3://bucket/labels/").groupby("label").count().take(20))
