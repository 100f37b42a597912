"""What the peers share: arguments, the clock and the JSON line, torchvision's preprocessing, and the OpenVINO model."""

import argparse
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
from PIL import Image

# ImageNet's, in units of a 0..1 pixel (torchvision's documentation of its weights).
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
CROP = 224
SHORT_SIDE = 256

# Where the second run writes: readers of Parquet folders skip names that start with "_".
_WARM_FOLDER = "_warm"
_HINTS = {"fp32": "f32", "bf16": "bf16"}
# Ray stops its actors before a run returns, and their parent does not hand their CPU time on: it must be looked up
# while they live. A look takes some 5 ms.
_CPU_POLL_S = 0.5
# Batch 8: static shapes beat dynamic ones by 7-36 %, and batches of 4 to 16 are OpenVINO's fastest.
_REQUEST_ROWS = 8

Images = npt.NDArray[np.uint8]
ClassIds = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PeerArgs:
    """A peer's command line. `files` are absolute and sorted within each folder given; `rows` None means all."""

    files: tuple[str, ...]
    model: str
    precision: str
    out: Path
    rows: int | None


def parse_args(
    *, suffixes: Sequence[str] = (".jpg", ".jpeg", ".png"), precisions: Sequence[str] = ("fp32", "bf16")
) -> PeerArgs:
    """Read the command line every peer takes; `suffixes` choose the files of a folder given as --data."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--precision", choices=precisions, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int)
    given = parser.parse_args()
    files = tuple(str(file) for path in given.data for file in _files(path.absolute(), suffixes))
    if not files:
        parser.error(f"--data: no {'/'.join(suffixes)} file in {', '.join(map(str, given.data))}")
    return PeerArgs(files, given.model, given.precision, given.out.absolute(), given.rows)


def _files(path: Path, suffixes: Sequence[str]) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in suffixes)


def measure(run: Callable[[Path], None], *, out: Path, startup_s: float, warm: bool) -> None:
    """Run the pipeline into `out` and print the JSON line; with `warm`, run it again in this process.

    `startup_s` is the process's age when the peer was ready. Times are seconds, and all but warm_rows_per_s belong to
    the first run. cpu_s is of this process and its descendants; of one that ended, up to the last 0.5 s are missing.
    """
    meter = _CpuMeter()
    run(out)
    wall_s = process_age_s()
    cpu_s = meter.stop()
    rows = _written_rows(out)
    line = {
        "rows": rows,
        "wall_s": wall_s,
        "startup_s": startup_s,
        "cpu_s": cpu_s,
        "rows_per_s": rows / (wall_s - startup_s),
        "warm_rows_per_s": _rate(run, out / _WARM_FOLDER) if warm else None,
    }
    print(json.dumps(line), flush=True)


def process_age_s() -> float:
    """Return the seconds since the operating system started this process: before the interpreter and any import."""
    started: float = psutil.Process().create_time()
    return time.time() - started


def _rate(run: Callable[[Path], None], out: Path) -> float:
    begin = time.perf_counter()
    run(out)
    wall_s = time.perf_counter() - begin
    return _written_rows(out) / wall_s


class _CpuMeter:
    """Adds up the CPU-seconds of this process and its descendants, also of those that end before `stop`."""

    def __init__(self) -> None:
        self._seconds: dict[psutil.Process, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Return the CPU-seconds from each process's start until now."""
        self._stopping.set()
        self._thread.join()
        self._look()
        return sum(self._seconds.values())

    def _poll(self) -> None:
        while not self._stopping.wait(_CPU_POLL_S):
            self._look()

    def _look(self) -> None:
        this = psutil.Process()
        for process in (this, *this.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:  # it ended after the listing
                continue
            self._seconds[process] = times.user + times.system


def _written_rows(folder: Path) -> int:
    from pyarrow import parquet

    return sum(parquet.read_metadata(file).num_rows for file in folder.glob("*.parquet"))


def resize_and_crop(image: Image.Image) -> Images:
    """Return torchvision's Resize(256), CenterCrop(224) of an RGB image, exactly: uint8 [224, 224, 3], owned.

    Short side 256, the long side truncated, antialiased bilinear; offsets as torchvision.transforms.functional rounds.
    """
    scale = SHORT_SIDE / min(image.size)
    width, height = (SHORT_SIDE if side == min(image.size) else int(side * scale) for side in image.size)
    left, top = round((width - CROP) / 2), round((height - CROP) / 2)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + CROP, top + CROP)))


class OpenVinoClassifier:
    """An ImageNet classifier in OpenVINO's throughput mode; mean and deviation are folded into its graph."""

    def __init__(self, model: str, precision: str) -> None:
        """Read the ONNX file `model` and compile it for the CPU in `precision`, "fp32" or "bf16"."""
        from openvino import AsyncInferQueue, Core

        hints = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "THROUGHPUT"}
        compiled = Core().compile_model(_with_uint8_input(model), "CPU", hints)
        self._queue = AsyncInferQueue(compiled)
        self._queue.set_callback(_keep_logits)

    def __call__(self, images: Images) -> tuple[ClassIds, Scores]:
        """Return the best class (int32 [N]) and its softmax (float32 [N]) of uint8 [N, 224, 224, 3]."""
        parts: list[npt.NDArray[np.float32]] = [np.empty(0, np.float32)] * -(-len(images) // _REQUEST_ROWS)
        for index in range(len(parts)):
            rows = images[index * _REQUEST_ROWS : (index + 1) * _REQUEST_ROWS]
            padded = np.zeros((_REQUEST_ROWS, *rows.shape[1:]), np.uint8)
            padded[: len(rows)] = rows
            self._queue.start_async({0: padded}, (parts, index))
        self._queue.wait_all()
        return top_class(np.concatenate(parts)[: len(images)])


def _with_uint8_input(model: str) -> Any:
    """Return the ONNX file as an OpenVINO model of uint8 [_REQUEST_ROWS, 224, 224, 3]."""
    from openvino import Core, Layout, Type
    from openvino.preprocess import PrePostProcessor

    network = Core().read_model(model)
    network.reshape([_REQUEST_ROWS, 3, CROP, CROP])
    prepost = PrePostProcessor(network)
    prepost.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    prepost.input().model().set_layout(Layout("NCHW"))
    steps = prepost.input().preprocess().convert_element_type(Type.f32)
    steps.mean([255 * value for value in MEAN]).scale([255 * value for value in STD])
    return prepost.build()


def _keep_logits(request: Any, where: tuple[list[npt.NDArray[np.float32]], int]) -> None:
    parts, index = where
    parts[index] = request.get_output_tensor(0).data.copy()


def top_class(logits: npt.NDArray[np.float32]) -> tuple[ClassIds, Scores]:
    """Return each row's best class (int32 [N]) and its softmax (float32 [N]) from logits [N, classes]."""
    class_ids = logits.argmax(axis=1).astype(np.int32)
    # exp(0) / sum(exp(x - max)): the best class's own term is 1.
    scores = 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
    return class_ids, scores.astype(np.float32)
