"""A tokenizer or transform built per batch."""

BAD = {
    "in __call__, a Compose of several lines is found once": """
import ray
from torchvision import transforms

class Prepare:
    def __call__(self, batch):
        transform = transforms.Compose([  # HR002
            transforms.ToTensor(),
            transforms.Normalize([0.5], [0.5]),
        ])
        return {"x": [transform(i).numpy() for i in batch["image"]]}

ray.data.read_images("in").map_batches(Prepare)
""",
    "in a function": """
import ray.data
import transformers

def tokenize(batch):
    processor = transformers.AutoProcessor.from_pretrained("x")  # HR002
    return {"x": processor(batch["image"])}

ray.data.read_images("in").map_batches(tokenize)
""",
    "in a loop, through a helper": """
from ray.data import read_parquet
from transformers import BertTokenizerFast as T

def tokens(text):
    return T.from_pretrained("bert")(text)  # HR002

def tokenize(batch):
    return {"n": [len(tokens(t)) for t in batch["text"]]}

read_parquet("in").map_batches(tokenize)
""",
    "for every row of a map": """
import ray
import torchvision.transforms.v2 as T

ray.data.read_images("in").map(lambda row: {"image": T.Resize(224)(row["image"])})  # HR002
""",
    "a vocabulary from a file, the transforms of weights": """
import ray
import torch
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer
from torchvision.models import ResNet18_Weights

def tokens(row):
    row["ids"] = Tokenizer.from_file("tokenizer.json").encode(row["text"]).ids  # HR002
    row["pieces"] = SentencePieceProcessor(model_file="m.model").encode(row["text"])  # HR002
    return row

def pixels(row):
    prepare = ResNet18_Weights.DEFAULT.transforms()  # HR002
    return {"path": row["path"], "x": prepare(torch.as_tensor(row["image"]).permute(2, 0, 1)).numpy()}

ray.data.read_text("in/").map(tokens).write_parquet("a/")
ray.data.read_images("in/", include_paths=True).map(pixels).write_parquet("b/")
""",
}

GOOD = {
    "in __init__": """
import ray
from torchvision import transforms

class Prepare:
    def __init__(self):
        self.transform = transforms.Compose([transforms.ToTensor()])

    def __call__(self, batch):
        return {"x": [self.transform(i).numpy() for i in batch["image"]]}

ray.data.read_images("in").map_batches(Prepare)
""",
    "once in the module": """
import ray
from torchvision import transforms

resize = transforms.Resize(224)

def prepare(batch):
    return {"x": [resize(i) for i in batch["image"]]}

ray.data.read_images("in").map_batches(prepare)
""",
    "a cached helper": """
import functools
import ray
from transformers import AutoTokenizer

@functools.cache
def tokenizer():
    return AutoTokenizer.from_pretrained("bert")

ray.data.read_parquet("in").map_batches(lambda batch: {"x": tokenizer()(list(batch["text"]))["input_ids"]})
""",
    "functional transforms, which are not built": """
import ray
import torch
from torchvision.transforms import functional as F

ray.data.read_images("in").map_batches(lambda b: {"x": F.resize(torch.as_tensor(b["image"]), [224, 224]).numpy()})
""",
    "a torch DataLoader's collate function": """
import ray
from torch.utils.data import DataLoader
from transformers import AutoTokenizer

def collate(rows):
    return AutoTokenizer.from_pretrained("bert")(rows)

DataLoader(["a"], collate_fn=collate)
""",
    "a size that the row says": """
import albumentations as A
import ray

def shrink(row):
    side = int(row["image"].shape[0] * row["scale"])
    transform = A.Compose([A.ToFloat(), A.LongestMaxSize(max_size=side)])
    return {"path": row["path"], "image": transform(image=row["image"])["image"]}

ray.data.read_images("in", include_paths=True).map(shrink).write_parquet("out")
""",
}
