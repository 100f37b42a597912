"""Peer: the "Right Way" script of the Ray tutorial that headrace answers (seed 001, phase 3), torch fp32 on the CPU.

Adapted only as far as Ray 2.60 and this environment force:
- torchvision does not import beside this torch, so its transforms stand in _torch.to_input, on Pillow and torch,
  and the network in headrace.bench.networks;
- num_gpus=1 is dropped, and concurrency=2 beside compute=ActorPoolStrategy(size=2), which Ray ignores there;
- max_concurrency=2 is dropped, deprecated for actors;
- an actor takes half a CPU: with one each, on two cores, 48 photos had no output after 140 s (with half: 11 s);
- num_blocks(), which raises, and count() and size_bytes() beside it, printed figures only; limit(10000) is --rows;
- take(100), which infers anew for a printout.
The last three are in its favour. startup_s and warm_rows_per_s are as in ray_textbook.
Writes predicted_class, confidence, batch_size.
"""

from pathlib import Path
from typing import Any

import torch
from PIL import Image

from headrace.bench.peers._common import measure, parse_args, process_age_s
from headrace.bench.peers._ray import Batch, start_ray
from headrace.bench.peers._torch import network, to_input

_ACTOR_CPUS = 0.5


class OptimizedInferenceClass:
    """The tutorial's actor: transforms row by row, then one forward pass for the batch."""

    def __init__(self, model: str) -> None:
        self.model = network(model)

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        """Classify batch["image"], RGB photos of any size."""
        batch_size = len(batch["image"])
        batch_tensor = torch.stack([to_input(Image.fromarray(image)) for image in batch["image"]])
        with torch.no_grad():
            probabilities = torch.nn.functional.softmax(self.model(batch_tensor), dim=1)
            confidences, predicted_classes = torch.max(probabilities, 1)
        return {
            "predicted_class": predicted_classes.numpy().tolist(),
            "confidence": confidences.numpy().tolist(),
            "batch_size": [batch_size] * batch_size,
        }


def main() -> None:
    """Run the peer and print its JSON line."""
    args = parse_args(precisions=("fp32",))
    start_ray()
    import ray

    def run(out: Path) -> None:
        target_blocks = int(ray.cluster_resources()["CPU"]) * 2
        files = list(args.files[: args.rows])
        photos = ray.data.read_images(files, mode="RGB", override_num_blocks=target_blocks)  # noqa: HR029 - as it stands
        results = photos.map_batches(
            OptimizedInferenceClass,
            fn_constructor_args=(args.model,),
            batch_size=64,
            compute=ray.data.ActorPoolStrategy(size=2),
            num_cpus=_ACTOR_CPUS,
        )
        results.write_parquet(str(out))

    measure(run, out=args.out, startup_s=process_age_s(), warm=True)


if __name__ == "__main__":
    main()
