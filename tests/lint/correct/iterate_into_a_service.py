"""Looks like: a loop over all rows in the driver. Is: iter_batches, which holds a few batches, sent on as they come."""

import json
import time
from urllib.request import Request, urlopen

import numpy as np
import ray
import torch


class Embed:
    """Runs where a GPU is, and on CPUs elsewhere: the cluster is asked, not the driver's machine."""

    def __init__(self, path):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = torch.jit.load(path, map_location=self.device).eval()

    def __call__(self, batch):
        with torch.inference_mode():
            vectors = self.model(torch.from_numpy(batch["x"]).to(self.device))
        return {"id": batch["id"], "vector": vectors.to("cpu", torch.float32).numpy().astype(np.float16)}


def send(batch):
    body = json.dumps({"ids": batch["id"].tolist(), "vectors": batch["vector"].tolist()}).encode()
    with urlopen(Request("http://index:8080/add", body, {"Content-Type": "application/json"})) as answer:
        answer.read()


def main():
    ray.init()
    gpus = int(ray.cluster_resources().get("GPU", 0))
    rows = ray.data.read_parquet("rows/", columns=["id", "x"])
    vectors = rows.map_batches(
        Embed,
        fn_constructor_args=("embed.pt",),
        batch_size=256,
        num_gpus=1 if gpus else 0,
        compute=ray.data.ActorPoolStrategy(size=gpus or 2),
    )
    start, sent = time.perf_counter(), 0
    for batch in vectors.iter_batches(batch_size=1_000, prefetch_batches=2):
        send(batch)
        sent += len(batch["id"])
    print(f"{sent / (time.perf_counter() - start):.0f} rows/s")


if __name__ == "__main__":
    main()
