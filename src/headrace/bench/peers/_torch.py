"""What the torch peers share: the fp32 network, torchvision's tensor transform, and the answer."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from headrace.bench import networks
from headrace.bench.peers._common import MEAN, STD, resize_and_crop

_NETWORKS: dict[str, Callable[[], nn.Module]] = {"resnet50": networks.resnet50, "mobilenet_v2": networks.mobilenet_v2}


def network(name: str) -> nn.Module:
    """Return the fp32 network `name` in eval mode; refuses a name it does not know."""
    if name not in _NETWORKS:
        raise SystemExit(f"--model must be one of {', '.join(sorted(_NETWORKS))}, got {name}")
    return _NETWORKS[name]()


def to_input(image: Image.Image) -> Tensor:
    """Return Resize(256), CenterCrop(224), ToTensor, Normalize of an RGB image: float32 [3, 224, 224]."""
    pixels = torch.from_numpy(np.array(resize_and_crop(image))).permute(2, 0, 1).contiguous()
    return (pixels.float() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
