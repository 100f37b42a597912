"""Looks like: map_batches, take_all and a model called row by row. Is: a class of the module, with no Ray in it."""

import queue
import threading
from collections.abc import Iterator

import numpy as np
import torch


class Predict:
    def __init__(self, path: str):
        self.model = torch.compile(torch.jit.load(path).eval())

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        print(len(batch["x"]))
        return {"y": np.stack([self.model(torch.as_tensor(x)[None]).detach().numpy()[0] for x in batch["x"]])}


class Pipeline:
    """Steps that run one after the other in threads: has map_batches of its own, and no Ray."""

    def __init__(self, source: Iterator[dict[str, np.ndarray]]):
        self.source = source

    def map_batches(self, function, batch_size: int = 1) -> "Pipeline":
        done: queue.Queue = queue.Queue(maxsize=4)

        def work():
            for batch in self.source:
                done.put(function(batch))
            done.put(None)

        threading.Thread(target=work, daemon=True).start()
        return Pipeline(iter(done.get, None))

    def take_all(self) -> list[dict[str, np.ndarray]]:
        return list(self.source)


samples = ({"x": np.random.default_rng(n).normal(size=(4, 8)).astype(np.float32)} for n in range(10))
print(len(Pipeline(samples).map_batches(Predict("model.pt"), batch_size=2).take_all()))
