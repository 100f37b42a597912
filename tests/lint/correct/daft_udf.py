"""Looks like: a class with a model, with_column, show after write_parquet. Is: Daft, on its Ray runner."""

import daft
import numpy as np
import torch
from daft import DataType, col
from torchvision.models import ResNet18_Weights, resnet18

daft.set_runner_ray()


@daft.udf(return_dtype=DataType.int64(), batch_size=64, num_gpus=1)
class Classify:
    def __init__(self) -> None:
        self.model = resnet18(weights=ResNet18_Weights.DEFAULT).eval().cuda()
        self.prepare = ResNet18_Weights.DEFAULT.transforms()

    def __call__(self, images: daft.Series) -> list[int]:
        arrays = [np.asarray(image) for image in images.to_pylist()]
        batch = torch.stack([self.prepare(torch.as_tensor(a).permute(2, 0, 1)) for a in arrays]).cuda()
        with torch.inference_mode():
            return self.model(batch).argmax(1).tolist()


@daft.udf(return_dtype=DataType.string())
def folder(paths: daft.Series) -> list[str]:
    return [p.rsplit("/", 2)[-2] for p in paths.to_pylist()]


df = daft.from_glob_path("photos/**/*.jpg")
df = df.with_column("image", col("path").url.download().image.decode(mode="RGB").image.resize(256, 256))
df = df.with_column("folder", folder(col("path"))).with_column("label", Classify(col("image")))
df = df.exclude("image").collect()
df.write_parquet("labels/")
df.show(8)
print(df.count_rows())
