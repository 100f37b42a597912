"""Looks like: PIL to tensor image by image, a model in the loop, no Ray at all. Is: a torch Dataset and DataLoader."""

import csv
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.models import ResNet50_Weights, resnet50


class Photos(Dataset[tuple[str, torch.Tensor]]):
    """Decodes and resizes in the loader's worker processes."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.jpg"))
        self.prepare = ResNet50_Weights.DEFAULT.transforms()

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[str, torch.Tensor]:
        with Image.open(self.paths[index]) as image:
            return str(self.paths[index]), self.prepare(image.convert("RGB"))


@torch.inference_mode()
def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = resnet50(weights=ResNet50_Weights.DEFAULT).eval().to(device)
    loader = DataLoader(Photos(Path("photos")), batch_size=1, num_workers=8, pin_memory=True)
    with Path("labels.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        for paths, images in loader:
            labels = model(images.to(device)).argmax(1).tolist()
            print(paths[0], labels[0])
            writer.writerows(zip(paths, labels, strict=True))


if __name__ == "__main__":
    main()
