"""Looks like: a loop over rows beside a model. Is: one forward pass a batch; its answers are looped over."""

import ray
import torch
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights as Weights
from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2


class Detect:
    def __init__(self, least):
        self.least = least
        self.names = Weights.DEFAULT.meta["categories"]
        self.model = fasterrcnn_resnet50_fpn_v2(weights=Weights.DEFAULT).eval().cuda()

    @torch.inference_mode()
    def __call__(self, batch):
        images = torch.as_tensor(batch["image"]).cuda().permute(0, 3, 1, 2).float() / 255
        found = self.model(list(images))
        rows = {"path": [], "label": [], "score": [], "box": []}
        for path, answer in zip(batch["path"], found, strict=True):
            keep = answer["scores"] > self.least
            boxes = answer["boxes"][keep].cpu().numpy()
            labels, scores = answer["labels"][keep].tolist(), answer["scores"][keep].tolist()
            for box, label, score in zip(boxes, labels, scores, strict=True):
                rows["path"].append(path)
                rows["label"].append(self.names[label])
                rows["score"].append(score)
                rows["box"].append(box)
        return rows


photos = ray.data.read_images("photos/", size=(640, 640), mode="RGB", include_paths=True)
photos.map_batches(
    Detect, fn_constructor_args=(0.5,), batch_size=16, num_gpus=1, compute=ray.data.ActorPoolStrategy(size=2)
).write_parquet("boxes/")
