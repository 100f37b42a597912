"""Looks like: actors with a model, fed by hand. Is: an ActorPool, which gives each its next batch as it is free."""

import numpy as np
import ray
import torch
from ray.util import ActorPool


@ray.remote(num_gpus=1)
class Scorer:
    def __init__(self, path: str) -> None:
        self.model = torch.jit.load(path).eval().cuda()

    @torch.inference_mode()
    def score(self, batch: np.ndarray) -> np.ndarray:
        return self.model(torch.as_tensor(batch).cuda()).cpu().numpy()


def main() -> None:
    ray.init()
    workers = int(ray.cluster_resources()["GPU"])
    pool = ActorPool([Scorer.remote("scorer.pt") for _ in range(workers)])
    samples = np.load("samples.npy", mmap_mode="r")
    batches = [np.array(samples[i : i + 256]) for i in range(0, len(samples), 256)]
    scores = list(pool.map(lambda actor, batch: actor.score.remote(batch), batches))
    np.save("scores.npy", np.concatenate(scores))


if __name__ == "__main__":
    main()
