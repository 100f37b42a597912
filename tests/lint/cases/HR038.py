"""Images past the model."""

BAD = {
    "the batch": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        batch["score"] = scores
        return batch  # HR038

ray.data.read_images("in").map_batches(Predict, batch_size=8).write_parquet("out")
""",
    "spread": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        return {**batch, "score": scores}  # HR038

ray.data.read_images("in").map_batches(Predict, batch_size=8).write_parquet("out")
""",
    "by name": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        return {"path": batch["path"], "image": batch["image"], "score": scores}  # HR038

ray.data.read_images("in").map_batches(Predict, batch_size=8).write_parquet("out")
""",
}

GOOD = {
    "key and answers": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        return {"path": batch["path"], "score": scores}

ray.data.read_images("in").map_batches(Predict, batch_size=8).write_parquet("out")
""",
    "popped": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        batch.pop("image")
        batch["score"] = scores
        return batch

ray.data.read_images("in").map_batches(Predict, batch_size=8).write_parquet("out")
""",
    "dropped by the pipeline": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        batch["score"] = scores
        return batch

ray.data.read_images("in").map_batches(Predict, batch_size=8).drop_columns(["image"]).write_parquet("out")
""",
    "a second model wants it": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["image"])).numpy()
        return {**batch, "score": scores}

ray.data.read_images("in").map_batches(Predict, batch_size=8).map_batches(Second, batch_size=8).write_parquet("out")
""",
    "not images": """
import numpy as np
import ray
import torch
from torchvision import transforms

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval()

    def __call__(self, batch):
        scores = self.model(torch.as_tensor(batch["x"])).numpy()
        return {**batch, "score": scores}

ray.data.read_parquet("in").map_batches(Predict, batch_size=8).write_parquet("out")
""",
    "no model": """
import numpy as np
import ray
import torch
from torchvision import transforms

def rotate(batch):
    batch["image"] = np.rot90(batch["image"], axes=(1, 2))
    return batch

ray.data.read_images("in").map_batches(rotate, batch_size=8).write_parquet("out")
""",
}
