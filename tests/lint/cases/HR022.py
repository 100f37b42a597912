"""Tensors on the GPU in a result."""

BAD = {
    "what the model gives": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval().to("cuda")

    def __call__(self, batch):
        x = torch.as_tensor(batch["x"]).to("cuda")
        return {"id": batch["id"], "y": self.model(x)}  # HR022

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "what was computed of it": """
import ray.data
import torch

class Predict:
    def __init__(self):
        self.model = torch.jit.load("m.pt").cuda()

    def __call__(self, batch):
        x = torch.as_tensor(batch["x"], device="cuda")
        scores = torch.softmax(self.model(x), dim=1)
        best = scores.argmax(1)
        return {
            "label": best,  # HR022
            "score": scores.cpu().numpy(),
        }

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "a function's own tensor": """
import ray
import torch

def double(batch):
    x = torch.from_numpy(batch["x"]).cuda()
    return {"x": x.float()}  # HR022

ray.data.read_parquet("in").map_batches(double, num_gpus=1, batch_size=8)
""",
    "put into the batch, parts of an answer, given by name": """
import ray
import torch

class P:
    def __init__(self):
        self.m = torch.jit.load("m.pt").to("cuda").eval()

    @torch.inference_mode()
    def __call__(self, batch):
        y = self.m(x=torch.as_tensor(batch["x"], device="cuda")).logits
        batch["y"] = y.argmax(-1)  # HR022
        return batch

class Top(P):
    @torch.inference_mode()
    def __call__(self, batch):
        score, index = self.m(torch.as_tensor(batch["x"]).cuda()).topk(5)
        result = {"id": batch["id"]}
        result["score"] = score  # HR022
        return result

ds = ray.data.read_parquet("in/")
ds.map_batches(P, batch_size=64, num_gpus=1).map_batches(Top, batch_size=64, num_gpus=1).write_parquet("out/")
""",
}

GOOD = {
    "brought to the CPU": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt").eval().to("cuda")

    def __call__(self, batch):
        y = self.model(torch.as_tensor(batch["x"]).to("cuda")).to("cpu")
        return {"y": y.numpy(), "z": y, "n": y.argmax(1).tolist()}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "a device that is not known": """
import ray
import torch

class Predict:
    def __init__(self):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    def __call__(self, batch):
        return {"y": torch.as_tensor(batch["x"]).to(self.device)}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "tensors of the CPU": """
import ray
import torch

ray.data.read_parquet("in").map_batches(lambda batch: {"x": torch.as_tensor(batch["x"]) * 2})
""",
    "names out of the model's config": """
import ray
import torch
from transformers import AutoModelForImageClassification

class Classify:
    def __init__(self):
        self.model = AutoModelForImageClassification.from_pretrained("vit").eval().to("cuda")

    @torch.inference_mode()
    def __call__(self, batch):
        best = self.model(torch.as_tensor(batch["x"]).cuda()).logits.argmax(-1)
        return {"id": batch["id"], "label": [self.model.config.id2label[i.item()] for i in best]}

ray.data.read_parquet("in").map_batches(Classify, batch_size=32, num_gpus=1).write_parquet("out")
""",
    "sentence_transformers, which gives NumPy": """
import ray
from sentence_transformers import SentenceTransformer

class Embed:
    def __init__(self):
        self.model = SentenceTransformer("all-MiniLM-L6-v2", device="cuda")

    def __call__(self, batch):
        return {"id": batch["id"], "vector": self.model.encode(list(batch["text"]), device="cuda:0")}

ray.data.read_parquet("in").map_batches(Embed, batch_size=64, num_gpus=1).write_parquet("out")
""",
    "the batch as a place to keep tensors in": """
import ray
import torch

class P:
    def __init__(self):
        self.m = torch.jit.load("m.pt").cuda().eval()

    @torch.inference_mode()
    def __call__(self, batch):
        batch["x"] = torch.as_tensor(batch["x"]).cuda()
        return {"id": batch["id"], "y": self.m(batch["x"]).cpu().numpy()}

ray.data.read_parquet("in/").map_batches(P, batch_size=64, num_gpus=1).write_parquet("out/")
""",
    "what is said about a tensor": """
import ray
import torch

class P:
    def __init__(self):
        self.m = torch.jit.load("m.pt").cuda().eval()

    @torch.inference_mode()
    def __call__(self, batch):
        y = self.m(torch.as_tensor(batch["x"]).cuda())
        return {"rows": [y.shape[0]] * len(batch["x"]), "type": [y.dtype] * len(batch["x"])}

ray.data.read_parquet("in/").map_batches(P, batch_size=64, num_gpus=1).write_parquet("out/")
""",
    "another encoder, which gives NumPy too": """
import ray
from InstructorEmbedding import INSTRUCTOR

class Embed:
    def __init__(self):
        self.model = INSTRUCTOR("hkunlp/instructor-large")

    def __call__(self, batch):
        return {"id": batch["id"], "vector": self.model.encode(list(batch["text"]), device="cuda:0")}

ray.data.read_parquet("in").map_batches(Embed, batch_size=64, num_gpus=1).write_parquet("out")
""",
}
