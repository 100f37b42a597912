"""Images converted one by one."""

BAD = {
    "a transform with ToPILImage": """
import ray
from torchvision import transforms

class Prepare:
    def __init__(self):
        self.transform = transforms.Compose([transforms.ToPILImage(), transforms.ToTensor()])

    def __call__(self, batch):
        images = []
        for image in batch["image"]:
            images.append(self.transform(image))  # HR006
        return {"image": images}

ray.data.read_images("in").map_batches(Prepare)
""",
    "Image.fromarray, resized, given to a transform": """
import ray
from PIL import Image
import torchvision.transforms as T

prepare = T.Compose([T.Resize(224), T.ToTensor()])

def prepared(batch):
    return {"x": [prepare(Image.fromarray(i).convert("RGB")).numpy() for i in batch["image"]]}  # HR006

ray.data.read_images("in").map_batches(prepared)
""",
    "in a helper": """
import numpy as np
import PIL.Image
import ray
import torch

def tensor(image):
    small = PIL.Image.fromarray(image).resize((224, 224))
    return torch.from_numpy(np.asarray(small))  # HR006

ray.data.read_images("in").map_batches(lambda b: {"x": [tensor(i).numpy() for i in b["image"]]})
""",
}

GOOD = {
    "the batch at once": """
import ray
import torch
from torchvision.transforms import v2

class Prepare:
    def __init__(self):
        self.transform = v2.Compose([v2.Resize(224), v2.ToDtype(torch.float32, scale=True)])

    def __call__(self, batch):
        return {"x": self.transform(torch.from_numpy(batch["image"]).permute(0, 3, 1, 2)).numpy()}

ray.data.read_images("in").map_batches(Prepare)
""",
    "decoding files is row by row": """
import io
import numpy as np
from PIL import Image
import ray

def decode(batch):
    return {"image": [np.asarray(Image.open(io.BytesIO(b))) for b in batch["bytes"]]}

ray.data.read_binary_files("in").map_batches(decode)
""",
    "PIL for its resize, back to NumPy": """
import numpy as np
from PIL import Image
import ray

def small(batch):
    return {"image": np.stack([np.asarray(Image.fromarray(i).resize((9, 9))) for i in batch["image"]])}

ray.data.read_images("in").map_batches(small)
""",
}
