"""The limit of a job: decode alone and inference alone, in CPU-seconds, in a process of their own.

`python -m headrace.bench.limit --data DIR --model FILE --precision P` prints one JSON line:
limit_rows_per_s = cores / (decode_s + infer_s), CPU-seconds an image, each measured alone.

The reference decoder is pinned here and shares no code with headrace's: libjpeg-turbo, then Pillow's antialiased resize
of the crop in one step (within 1 level of torchvision's exact preprocessing), with Pillow's default allocator. The
reference inference is OpenVINO's throughput mode with uint8 input, the best of batch 4, 8 and 16.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

Photos = npt.NDArray[np.uint8]

_CROP, _SHORT = 224, 256
_BATCHES = (4, 8, 16)
_DECODED = 200
_SECONDS = 2.0  # of inference a batch size
_MEAN = [255 * v for v in (0.485, 0.456, 0.406)]
_STD = [255 * v for v in (0.229, 0.224, 0.225)]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--precision", choices=("fp32", "bf16"), required=True)
    given = parser.parse_args()
    files = [p.read_bytes() for p in sorted(given.data.rglob("*.jpg"))[:_DECODED]]
    cores = len(os.sched_getaffinity(0))
    photos, decode_s = decode_alone(files)
    infer = {size: infer_alone(given.model, given.precision, photos, size, cores) for size in _BATCHES}
    best = min(infer, key=lambda size: infer[size])
    line = {
        "decode_s": decode_s,
        "infer_s": infer[best],
        "batch": best,
        "infer_s_by_batch": infer,
        "cores": cores,
        "limit_rows_per_s": cores / (decode_s + infer[best]),
    }
    print(json.dumps(line))


def decode_alone(files: list[bytes]) -> tuple[Photos, float]:
    """The decoded photos, uint8 [N, 224, 224, 3], and the CPU-seconds each took, on one thread."""
    photos = np.empty((len(files), _CROP, _CROP, 3), np.uint8)
    for i, data in enumerate(files[:20]):  # warm-up
        decode(data, photos[i])
    began = time.thread_time()
    for i, data in enumerate(files):
        decode(data, photos[i])
    return photos, (time.thread_time() - began) / len(files)


def decode(data: bytes, slot: Photos) -> None:
    """The pinned reference: short side 256, centre crop 224, bilinear."""
    image = Image.fromarray(simplejpeg.decode_jpeg(data))
    width, height = image.size
    scale = _SHORT / min(width, height)
    new_w = _SHORT if width <= height else int(width * scale)
    new_h = _SHORT if height < width else int(height * scale)
    left, top = round((new_w - _CROP) / 2), round((new_h - _CROP) / 2)
    x, y = width / new_w, height / new_h
    box = (left * x, top * y, (left + _CROP) * x, (top + _CROP) * y)
    slot[:] = np.asarray(image.resize((_CROP, _CROP), Image.Resampling.BILINEAR, box=box))


def infer_alone(model: Path, precision: str, photos: Photos, size: int, cores: int) -> float:
    """CPU-seconds an image, with one stream a core always busy."""
    import openvino

    compiled = _compiled(openvino, model, precision, size, cores)
    queue = openvino.AsyncInferQueue(compiled, 2 * cores)
    batches = [np.ascontiguousarray(photos[i : i + size]) for i in range(0, len(photos) - size + 1, size)]
    for batch in batches[: 2 * cores]:
        queue.start_async({0: batch}, share_inputs=True)
    queue.wait_all()
    rows, began, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < _SECONDS:
        queue.start_async({0: batches[rows // size % len(batches)]}, share_inputs=True)
        rows += size
    queue.wait_all()
    return (time.process_time() - cpu) / rows


def _compiled(openvino: Any, model: Path, precision: str, size: int, cores: int) -> Any:
    graph = openvino.Core().read_model(model)
    graph.reshape([size, 3, _CROP, _CROP])
    steps = openvino.preprocess.PrePostProcessor(graph)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).mean(_MEAN).scale(_STD)
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    hint = {"fp32": "f32", "bf16": "bf16"}[precision]
    config = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(cores), "INFERENCE_PRECISION_HINT": hint}
    return openvino.Core().compile_model(steps.build(), "CPU", config)


if __name__ == "__main__":
    main()
