"""What a model file says about itself, and how it wants its photos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from headrace.core.errors import BadModel
from headrace.core.preprocess import Preprocess

_LARGEST_SIDE = 16_384  # a row of that is 0.8 GB; a file of 100 bytes can ask for 2^60 pixels a side
PREPROCESS_KEY, LABELS_KEY, TASK_KEY = "headrace.preprocess", "headrace.labels", "headrace.task"


@dataclass(frozen=True)
class Header:
    """A model's image input and metadata.

    shape: the input's dimensions, None where they may vary. metadata: the file's own key-value pairs.
    outputs: the first output's dimensions, () where they are not known.
    """

    where: str
    input_name: str
    shape: tuple[int | None, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[int | None, ...] = ()

    @property
    def classes(self) -> int | None:
        """How many classes the first output has, where it is [rows, classes] and the file says so."""
        return self.outputs[1] if len(self.outputs) == 2 else None

    @property
    def layout(self) -> str:
        """ "NCHW" or "NHWC", by where the 3 channels are. Raises BadModel when the input is no batch of photos."""
        if len(self.shape) != 4:
            fix = "headrace infers on photos here; wrap other models in a class and give it as file.py:Name"
            raise BadModel(self.where, f"input {self.input_name!r} has rank {len(self.shape)}, photos need rank 4", fix)
        if self.shape[1] == 3:
            return "NCHW"
        if self.shape[3] == 3:
            return "NHWC"
        shown = ["?" if d is None else d for d in self.shape]
        raise BadModel(
            self.where, f"input {self.input_name!r} is {shown}, with 3 channels nowhere", "export it with [N, 3, H, W]"
        )

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width, where the model fixes them."""
        height, width = self.shape[2:4] if self.layout == "NCHW" else self.shape[1:3]
        return None if height is None or width is None else (height, width)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Class names from the metadata."""
        text = self.metadata.get(LABELS_KEY)
        if text is None:
            return None
        try:
            labels = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadModel(self.where, f"its {LABELS_KEY} is no JSON list ({error})", "mend its metadata") from error
        if not isinstance(labels, list):
            raise BadModel(self.where, f"its {LABELS_KEY} is no JSON list", "mend its metadata")
        return tuple(str(label) for label in labels)

    @property
    def task(self) -> str | None:
        """The task from the metadata."""
        return self.metadata.get(TASK_KEY)

    def preprocess(self, given: Preprocess | None) -> tuple[Preprocess, str]:
        """How photos are prepared, and where that is from: given, the metadata, or ImageNet's scaled to the input."""
        if given is not None:
            chosen, source = given, "given"
        elif PREPROCESS_KEY in self.metadata:
            chosen, source = (
                Preprocess.from_toml(self.metadata[PREPROCESS_KEY], where=self.where),
                "the model's metadata",
            )
        else:
            chosen, source = self._imagenet(), "ImageNet's: the model says nothing; --preprocess overrides"
        if chosen.layout != self.layout:
            chosen = replace(chosen, layout=self.layout)
        if self.size is not None and self.size != chosen.size:
            fix = f"set crop = [{self.size[0]}, {self.size[1]}]"
            raise BadModel(self.where, f"takes {self.size} pixels, its preprocessing gives {chosen.size}", fix)
        self._check(chosen.size)
        return chosen, source

    def _check(self, size: tuple[int, int]) -> None:
        if not all(0 < side <= _LARGEST_SIDE for side in size):
            fix = f"take a model for photos of 1 to {_LARGEST_SIDE} pixels a side"
            raise BadModel(self.where, f"asks for photos of {size} pixels", fix)

    def _imagenet(self) -> Preprocess:
        height, width = self.size or (224, 224)
        self._check((height, width))
        crop = height if height == width else (height, width)
        return Preprocess(resize_short=round(max(height, width) * 256 / 224), crop=crop)


def digest_files(paths: Sequence[Path]) -> str:
    """sha256, in hex, over the files' bytes in order."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
