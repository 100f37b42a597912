"""Looks like: images carried past a model, batches of 4. Is: diffusion, where the images are the answer."""

import numpy as np
import ray
import torch
from diffusers import AutoPipelineForText2Image


class Paint:
    def __init__(self, model):
        self.paint = AutoPipelineForText2Image.from_pretrained(model, torch_dtype=torch.float16).to("cuda")
        self.paint.set_progress_bar_config(disable=True)

    def __call__(self, batch):
        seeds = [torch.Generator("cuda").manual_seed(int(seed)) for seed in batch["seed"]]
        images = self.paint(list(batch["prompt"]), num_inference_steps=1, guidance_scale=0.0, generator=seeds).images
        batch["image"] = np.stack([np.asarray(image) for image in images])
        return batch


prompts = ray.data.read_csv("prompts.csv")
images = prompts.map_batches(
    Paint,
    fn_constructor_args=("stabilityai/sdxl-turbo",),
    batch_size=4,
    num_gpus=1,
    compute=ray.data.ActorPoolStrategy(size=4),
)
images.write_parquet("painted/")
ray.data.read_parquet("painted/", columns=["image"]).write_images("png/", column="image", file_format="png")
