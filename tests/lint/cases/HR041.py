"""pretrained=True of torchvision."""

BAD = {
    "a class": """
import ray
import torchvision.models as models

class Predict:
    def __init__(self):
        self.model = models.resnet50(pretrained=True)  # HR041
""",
    "an import of the model, with more": """
import ray
from torchvision.models import mobilenet_v2

def load():
    return mobilenet_v2(
        pretrained=True,  # HR041 (the old way)
        progress=False,
    )
""",
    "by position; a detector, whose weights have another name": """
import ray
import torchvision

net = torchvision.models.resnet18(True)  # HR041
found = torchvision.models.detection.fasterrcnn_resnet50_fpn(pretrained=True)  # HR041
""",
}

GOOD = {
    "weights": """
import ray
from torchvision.models import resnet50, ResNet50_Weights

model = resnet50(weights=ResNet50_Weights.DEFAULT)
""",
    "timm's is not deprecated": """
import ray
import timm

model = timm.create_model("resnet50", pretrained=True)
""",
    "without weights": """
import ray
from torchvision import models

model = models.resnet50(pretrained=False)
other = models.resnet50()
""",
}

FIXED = {
    "a class": """
import ray
import torchvision.models as models

class Predict:
    def __init__(self):
        self.model = models.resnet50(weights="IMAGENET1K_V1")  # HR041
""",
    "an import of the model, with more": """
import ray
from torchvision.models import mobilenet_v2

def load():
    return mobilenet_v2(
        weights="IMAGENET1K_V1",  # HR041 (the old way)
        progress=False,
    )
""",
}
