"""Looks like: images carried on after a model, counters as ids. Is: frames named by read_videos, chosen on CPUs."""

import numpy as np
import ray
import torch


class Sharp:
    """Keeps the frames that are no blur; frame_index comes from read_videos."""

    def __init__(self, least):
        self.least = least

    def __call__(self, batch):
        grey = batch["frame"].mean(axis=3)
        sharp = np.array([np.abs(np.diff(g, axis=0)).mean() for g in grey]) > self.least
        return {name: column[sharp] for name, column in batch.items()}


class Detect:
    def __init__(self):
        self.model = torch.jit.load("detector.pt").eval().to("cuda").half()

    @torch.inference_mode()
    def __call__(self, batch):
        frames = torch.as_tensor(batch["frame"]).to("cuda").permute(0, 3, 1, 2).half().div_(255)
        boxes = self.model(frames)
        return {"path": batch["path"], "frame_index": batch["frame_index"], "boxes": boxes.float().cpu().numpy()}


frames = ray.data.read_videos("clips/", include_paths=True, resize=(360, 640))
sharp = frames.map_batches(Sharp, fn_constructor_args=(2.0,), batch_size=32, compute=ray.data.ActorPoolStrategy(size=4))
boxes = sharp.map_batches(Detect, batch_size=32, num_gpus=1, compute=ray.data.ActorPoolStrategy(size=1))
boxes.write_parquet("boxes/")
