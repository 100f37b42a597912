"""Looks like: a session built in a function. Is: cached for each process, so that tasks (no class) share it."""

from functools import lru_cache

import numpy as np
import onnxruntime
import ray


@lru_cache(maxsize=1)
def session(path):
    """One session a process, with one thread: Ray runs as many tasks as there are CPUs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def predict(batch, path):
    model = session(path)
    images = batch["image"].transpose(0, 3, 1, 2).astype(np.float32) / 255
    (scores,) = model.run(None, {model.get_inputs()[0].name: images})
    return {"path": batch["path"], "label": scores.argmax(1), "score": scores.max(1)}


images = ray.data.read_images("photos/", size=(224, 224), mode="RGB", include_paths=True)
images.map_batches(predict, fn_kwargs={"path": "/models/net.onnx"}, batch_size=32).write_parquet("labels/")
