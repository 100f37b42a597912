"""The model on the CPU of a GPU stage."""

BAD = {
    "a device of its own": """
import ray
import torch

class Predict:
    def __init__(self):
        self.device = torch.device("cpu")
        self.model = torch.load("m.pt").eval()
        self.model = self.model.to(self.device)  # HR023

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "the pipeline's -1": """
import ray.data
import transformers

class Predict:
    def __init__(self):
        self.classify = transformers.pipeline("text-classification", device=-1)  # HR023

    def __call__(self, batch):
        return {"y": self.classify(list(batch["text"]))}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=0.5, batch_size=8)
""",
    "cpu(), in a helper": """
import ray
import torch

def load():
    return torch.jit.load("m.pt").cpu()  # HR023

class Predict:
    def __init__(self):
        self.model = load()

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "an actor of one's own": """
import ray
import torch

@ray.remote(num_gpus=1)
class Predictor:
    def __init__(self):
        self.model = torch.load("m.pt").eval().to("cpu")  # HR023

    def predict(self, x):
        return self.model(x)

Predictor.remote()
""",
    "after any failure": """
import ray
import torch
from transformers import pipeline

@ray.remote(num_gpus=1)
class Predictor:
    def __init__(self):
        try:
            device = 0 if torch.cuda.is_available() else -1
            self.classify = pipeline("text-classification", device=device)
        except Exception as error:
            print(error)
            self.classify = pipeline("text-classification", device=-1)  # HR023

class Predict:
    def __init__(self):
        try:
            self.model = torch.load("m.pt").eval().cuda()
        except RuntimeError:
            self.model = torch.load("m.pt").eval().cpu()  # HR023

    def __call__(self, batch):
        return {"y": self.model(batch["x"])}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=64)
Predictor.remote()
""",
    "loaded for the CPU and left there, a session with the CPU's provider": """
import onnxruntime
import ray
import torch

class Torch:
    def __init__(self):
        self.m = torch.load("m.pt", map_location="cpu").eval()  # HR023

    @torch.inference_mode()
    def __call__(self, batch):
        return {"y": self.m(torch.as_tensor(batch["x"])).numpy()}

class Onnx:
    def __init__(self):
        self.m = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])  # HR023

    def __call__(self, batch):
        return {"y": self.m.run(None, {"x": batch["x"]})[0]}

options = {"num_gpus": 1, "batch_size": 64}
ray.data.read_parquet("in/").map_batches(Torch, **options).write_parquet("a/")
ray.data.read_parquet("in/").map_batches(Onnx, **options).write_parquet("b/")
""",
}

GOOD = {
    "no GPU is kept, or the failure is told": """
import ray
import torch

@ray.remote(num_cpus=2)
class OnCpu:
    def __init__(self):
        try:
            self.model = torch.load("m.pt").cuda()
        except Exception:
            self.model = torch.load("m.pt").cpu()

@ray.remote(num_gpus=1)
class Told:
    def __init__(self):
        try:
            self.model = torch.load("m.pt").cuda()
        except RuntimeError as error:
            self.model = torch.load("m.pt").cpu()
            raise ValueError("no GPU") from error

OnCpu.remote()
Told.remote()
""",
    "results come back to the CPU": """
import ray
import torch

class Predict:
    def __init__(self):
        self.model = torch.load("m.pt", map_location="cpu").to("cuda")

    def __call__(self, batch):
        return {"y": self.model(torch.as_tensor(batch["x"]).to("cuda")).cpu().numpy()}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "the CPU where there is no GPU": """
import ray
import torch
from transformers import pipeline

class Predict:
    def __init__(self):
        if torch.cuda.is_available():
            self.classify = pipeline("x", device=0)
        else:
            self.classify = pipeline("x", device=-1)
        try:
            self.other = pipeline("y", device=0 if torch.cuda.is_available() else -1)
        except ImportError:
            self.other = pipeline("y", device=-1)

    def __call__(self, batch):
        return {"y": self.classify(list(batch["text"]))}

ray.data.read_parquet("in").map_batches(Predict, num_gpus=1, batch_size=8)
""",
    "a stage of the CPU": """
import ray
from transformers import pipeline

class Predict:
    def __init__(self):
        self.classify = pipeline("x", device="cpu")

    def __call__(self, batch):
        return {"y": self.classify(list(batch["text"]))}

ray.data.read_parquet("in").map_batches(Predict, num_cpus=4)
""",
    "only the answers go to the CPU": """
import ray
import torch
from torchvision.models import ResNet18_Weights, resnet18

class Predict:
    def __init__(self):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = resnet18(weights=ResNet18_Weights.DEFAULT).to(self.device).eval()

    @torch.inference_mode()
    def __call__(self, batch):
        logits = self.model(torch.as_tensor(batch["image"]).to(self.device))
        return {"path": batch["path"], "label": logits.argmax(dim=1).detach().cpu().numpy()}

ds = ray.data.read_parquet("in", columns=["path", "image"])
ds.map_batches(Predict, batch_size=64, num_gpus=1).write_parquet("out")
""",
    "a trial on the CPU before": """
import ray
import torch
from diffusers import AutoencoderKL

class Encoder:
    def __init__(self, device):
        self.vae = AutoencoderKL.from_pretrained("sd", subfolder="vae").to(device)

class Encode:
    def __init__(self, device="cuda"):
        self.encoder = Encoder(torch.device(device))

    def __call__(self, batch):
        return {"id": batch["id"], "latent": self.encoder.vae.encode(batch["x"]).cpu().numpy()}

print(Encoder("cpu").vae)
ray.data.read_parquet("in").map_batches(Encode, batch_size=64, num_gpus=1).write_parquet("out")
""",
    "loaded for the CPU, then moved by somebody": """
import ray
import torch
from accelerate import Accelerator

class To:
    def __init__(self, device):
        self.m = torch.load("m.pt", map_location="cpu").eval()
        self.m.to(device)

    def __call__(self, batch):
        return {"y": self.m(torch.as_tensor(batch["x"])).cpu().numpy()}

class Prepared(To):
    def __init__(self):
        self.m = Accelerator().prepare(torch.load("m.pt", map_location="cpu").eval())

ds = ray.data.read_parquet("in/")
ds.map_batches(To, fn_constructor_args=("cuda",), batch_size=64, num_gpus=1).write_parquet("a/")
ds.map_batches(Prepared, batch_size=64, num_gpus=1).write_parquet("b/")
""",
}
