"""Looks like: take and write of one pipeline, a tiny trial. Is: a trial of 20 batches, kept apart from the run."""

import sys
import time

import ray
import torch

BATCH = 64


class Score:
    def __init__(self, path):
        self.model = torch.jit.load(path).eval().to("cuda")

    @torch.inference_mode()
    def __call__(self, batch):
        x = torch.as_tensor(batch["x"]).to("cuda", non_blocking=True)
        return {"id": batch["id"], "score": self.model(x).squeeze(1).float().cpu().numpy()}


def scored(rows):
    pool = ray.data.ActorPoolStrategy(size=2)
    return rows.map_batches(Score, fn_constructor_args=("model.pt",), batch_size=BATCH, num_gpus=1, compute=pool)


def main():
    rows = ray.data.read_parquet("rows/", columns=["id", "x"])
    if "--trial" in sys.argv:
        few = rows.limit(20 * BATCH).materialize()
        start = time.perf_counter()
        done = scored(few).materialize()
        elapsed = time.perf_counter() - start
        print(f"{done.count() / elapsed:.0f} rows/s, workers' start included")
        print(done.stats())
    else:
        scored(rows).write_parquet("scores/")


if __name__ == "__main__":
    main()
