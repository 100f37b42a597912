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
    "joined to the batch": """
import onnxruntime
import ray

class Predict:
    def __init__(self):
        self.session = onnxruntime.InferenceSession("m.onnx")

    def __call__(self, batch):
        return batch | {"y": self.session.run(None, {"x": batch["image"]})[0]}  # HR038

class Copied(Predict):
    def __call__(self, batch):
        return dict(batch, y=self.session.run(None, {"x": batch["image"]})[0])  # HR038

ds = ray.data.read_images("in/", include_paths=True)
ds.map_batches(Predict, batch_size=64).write_parquet("a/")
ds.map_batches(Copied, batch_size=64).write_parquet("b/")
""",
    "a copy of the batch": """
import onnxruntime
import ray

class Predict:
    def __init__(self):
        self.session = onnxruntime.InferenceSession("m.onnx")

    def __call__(self, batch):
        result = batch.copy()
        result["y"] = self.session.run(None, {"x": batch["image"]})[0]
        return result  # HR038

ray.data.read_images("in/", include_paths=True).map_batches(Predict, batch_size=64).write_parquet("out/")
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
    "images that the model made": """
import numpy as np
import ray
from diffusers import AutoPipelineForText2Image

class Paint:
    def __init__(self):
        self.paint = AutoPipelineForText2Image.from_pretrained("sdxl").to("cuda")

    def __call__(self, batch):
        batch["image"] = np.stack([np.asarray(i) for i in self.paint(list(batch["prompt"])).images])
        return batch

ray.data.read_parquet("in").map_batches(Paint, batch_size=8, num_gpus=1).write_parquet("out")
""",
    "a copy without them": """
import onnxruntime
import ray

class Predict:
    def __init__(self):
        self.session = onnxruntime.InferenceSession("m.onnx")

    def __call__(self, batch):
        result = batch.copy()
        result["y"] = self.session.run(None, {"x": result.pop("image")})[0]
        return result

ray.data.read_images("in/", include_paths=True).map_batches(Predict, batch_size=64).write_parquet("out/")
""",
}
