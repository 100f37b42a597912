"""Floats between stages."""

BAD = {
    "astype": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        return {"score": scores}

def prepare(batch):
    return {"image": batch["image"].astype("float32")}  # HR039

ray.data.read_images("in").map_batches(prepare, batch_size=8).map_batches(Predict, batch_size=8).write_parquet("out")
""",
    "divided": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        return {"score": scores}

def prepare(batch):
    images = np.stack([resize(image) for image in batch["image"]]) / 255.0
    return {"image": images, "path": batch["path"]}  # HR039

ray.data.read_images("in").map_batches(prepare, batch_size=8).map_batches(Predict, batch_size=8).write_parquet("out")
""",
    "ToTensor": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        return {"score": scores}

to_tensor = transforms.Compose([transforms.Resize(224), transforms.ToTensor()])

def prepare(batch):
    return {"image": np.stack([to_tensor(image) for image in batch["image"]])}  # HR039

ray.data.read_images("in").map_batches(prepare, batch_size=8).map_batches(Predict, batch_size=8).write_parquet("out")
""",
    "before a class of another module, with a GPU": """
import ray
from models import Classify

def normalized(batch):
    return {"path": batch["path"], "image": batch["image"].astype("float32") / 255}  # HR039

photos = ray.data.read_images("photos/", size=(224, 224), include_paths=True)
photos.map_batches(normalized, batch_size=64).map_batches(Classify, batch_size=64, num_gpus=1).write_parquet("out/")
""",
    "put into the batch": """
import ray

class Predict:
    def __init__(self):
        self.model = load()

    def __call__(self, batch):
        return {"path": batch["path"], "y": self.model(batch["image"])}

def scale(batch):
    batch["image"] = batch["image"].astype("float32") / 255  # HR039
    return batch

ds = ray.data.read_images("in/", include_paths=True)
ds.map_batches(scale, batch_size=64).map_batches(Predict, batch_size=64).write_parquet("out/")
""",
}

GOOD = {
    "uint8": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        return {"score": scores}

def prepare(batch):
    return {"image": np.stack([resize(image) for image in batch["image"]])}

ray.data.read_images("in").map_batches(prepare, batch_size=8).map_batches(Predict, batch_size=8).write_parquet("out")
""",
    "uint8 again": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        return {"score": scores}

def prepare(batch):
    scaled = batch["image"].astype(np.float32) * 0.5
    return {"image": scaled.astype(np.uint8)}

ray.data.read_images("in").map_batches(prepare, batch_size=8).map_batches(Predict, batch_size=8).write_parquet("out")
""",
    "the last stage": """
import numpy as np
import ray
import torch
from torchvision import transforms

def prepare(batch):
    return {"image": batch["image"].astype("float32")}

ray.data.read_images("in").map_batches(prepare, batch_size=8).write_parquet("out")
""",
    "no images": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["x"])).numpy()
        return {"score": scores}

def prepare(batch):
    return {"x": batch["x"].astype("float32")}

ray.data.read_parquet("in").map_batches(prepare, batch_size=8).map_batches(Predict, batch_size=8).write_parquet("out")
""",
}
