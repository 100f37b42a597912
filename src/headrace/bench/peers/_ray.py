"""What the Ray peers share: a quiet local cluster, and the steps from photos to Parquet with an OpenVINO actor."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from headrace.bench.peers._common import OpenVinoClassifier, PeerArgs, resize_and_crop

if TYPE_CHECKING:
    from ray.data import Dataset

# A batch of Ray Data's "numpy" format; a column of photos of different sizes is an object array.
Batch = dict[str, np.ndarray[Any, Any]]

# One actor, as OpenVINO uses all cores by itself. ray_textbook, 640 photos, ResNet-50 bf16, 2 cores of an AMD EPYC,
# cold and warm images/s by (actor CPUs, batch), one run each: (1, 32) 44, 52; (1, 64) 47, 57; (0.5, 32) 41, 54;
# (0.5, 64) 50, 63; (0.5, 128) 43, 51; (0.25, 64) 51, 60. Three later runs of (0.5, 64) gave 48-62, 53-66, so settings
# differ by no more than runs do. With 1 CPU Ray fuses the preprocessing into the actor.
_ACTOR_CPUS = 0.5
_BATCH_SIZE = 64


def start_ray() -> None:
    """Start a cluster of this machine's cores, without dashboard, token file, usage report, log echo, progress bar."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    import ray.data

    ray.init(
        address="local",
        num_cpus=os.cpu_count(),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def classify(photos: "Dataset", args: PeerArgs, out: Path) -> None:
    """Preprocess and classify `photos`, uint8 RGB in column `image`, into Parquet files in `out`.

    Columns: those of `photos` but `image`, then class_id and score.
    """
    import ray

    results = photos.map_batches(preprocess, batch_size=_BATCH_SIZE).map_batches(
        OpenVinoActor,
        fn_constructor_args=(args.model, args.precision),
        compute=ray.data.ActorPoolStrategy(size=1),
        batch_size=_BATCH_SIZE,
        num_cpus=_ACTOR_CPUS,
    )
    results.write_parquet(str(out))


def preprocess(batch: Batch) -> Batch:
    """Resize and crop batch["image"] with Pillow; it stays uint8, a quarter of float32 in the object store."""
    images = [resize_and_crop(Image.fromarray(image)) for image in batch["image"]]
    return {**batch, "image": np.stack(images)}


class OpenVinoActor:
    """Ray Data's class UDF: the model is loaded once an actor, and `image` gives way to class_id and score."""

    def __init__(self, model: str, precision: str) -> None:
        self._classify = OpenVinoClassifier(model, precision)

    def __call__(self, batch: Batch) -> Batch:
        """Classify batch["image"], uint8 [N, 224, 224, 3]; the other columns are passed on."""
        class_ids, scores = self._classify(batch.pop("image"))
        return {**batch, "class_id": class_ids, "score": scores}
