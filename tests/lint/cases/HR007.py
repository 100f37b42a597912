"""Preprocessing in a GPU stage."""

BAD = {
    "a transform": """
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval().cuda()
        self.transform = transforms.Compose([transforms.Resize(224), transforms.ToTensor()])

    def __call__(self, batch):
        x = torch.stack([self.transform(i) for i in batch["image"]]).cuda()  # HR007
        return {"y": self.model(x).cpu().numpy()}

ray.data.read_images("in").map_batches(Predict, num_gpus=1, batch_size=64)
""",
    "decoding, in a helper": """
import io
from PIL import Image
import ray
from transformers import pipeline

def decoded(data):
    return Image.open(io.BytesIO(data))  # HR007

class Predict:
    def __init__(self):
        self.classify = pipeline("image-classification", device=0)

    def __call__(self, batch):
        return {"y": self.classify([decoded(b) for b in batch["bytes"]])}

options = {"num_gpus": 0.5, "batch_size": 32}
ray.data.read_binary_files("in").map_batches(Predict, **options)
""",
    "OpenCV": """
import cv2
import onnxruntime
import ray.data

class Predict:
    def __init__(self):
        self.session = onnxruntime.InferenceSession("m.onnx")

    def __call__(self, batch):
        images = [cv2.cvtColor(i, cv2.COLOR_BGR2RGB) for i in batch["image"]]  # HR007
        return {"y": self.session.run(None, {"x": images})[0]}

ray.data.read_images("in").map_batches(Predict, num_gpus=1, batch_size=64)
""",
    "an image processor of transformers, files read": """
import cv2
import ray
import torch
from transformers import AutoModelForImageClassification, ViTImageProcessor

class Classify:
    def __init__(self):
        self.prepare = ViTImageProcessor.from_pretrained("vit")
        self.model = AutoModelForImageClassification.from_pretrained("vit").to("cuda").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        x = self.prepare(list(batch["image"]), return_tensors="pt")["pixel_values"]  # HR007
        return {"path": batch["path"], "y": self.model(x.to("cuda")).logits.argmax(-1).cpu().numpy()}

class Read(Classify):
    @torch.inference_mode()
    def __call__(self, batch):
        x = torch.as_tensor([cv2.imread(path) for path in batch["path"]])  # HR007
        return {"path": batch["path"], "y": self.model(x.to("cuda")).logits.argmax(-1).cpu().numpy()}

ds = ray.data.read_images("in/", include_paths=True)
ds.map_batches(Classify, batch_size=64, num_gpus=1).write_parquet("a/")
ds.map_batches(Read, batch_size=64, num_gpus=1).write_parquet("b/")
""",
}

GOOD = {
    "a stage on the CPU": """
import cv2
import onnxruntime
import ray

class Predict:
    def __init__(self):
        self.session = onnxruntime.InferenceSession("m.onnx")

    def __call__(self, batch):
        return {"y": self.session.run(None, {"x": [cv2.resize(i, (9, 9)) for i in batch["image"]]})[0]}

ray.data.read_images("in").map_batches(Predict, batch_size=64, num_gpus=0)
""",
    "the transform runs on the GPU": """
import ray
import torch
from torchvision.transforms import v2

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval().to("cuda")
        self.resize = v2.Resize(224)

    def __call__(self, batch):
        x = self.resize(torch.as_tensor(batch["image"]).to("cuda"))
        return {"y": self.model(x).cpu().numpy()}

ray.data.read_images("in").map_batches(Predict, num_gpus=1, batch_size=64)
""",
    "work on pixels is all that the stage does": """
import cv2
import ray

ray.data.read_images("in").map_batches(
    lambda b: {"x": [cv2.resize(i, (9, 9)) for i in b["image"]]}, num_gpus=0.1, batch_size=64
)
""",
    "arrays that a pipeline wants as PIL images": """
import ray
from PIL import Image
from transformers import pipeline

class Classify:
    def __init__(self):
        self.classify = pipeline("image-classification", device=0)

    def __call__(self, batch):
        answers = self.classify([Image.fromarray(image) for image in batch["image"]], batch_size=32, top_k=1)
        return {"path": batch["path"], "label": [a[0]["label"] for a in answers]}

ds = ray.data.read_images("in", size=(224, 224), include_paths=True)
ds.map_batches(Classify, batch_size=32, num_gpus=1).write_parquet("out")
""",
}
