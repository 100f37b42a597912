"""Looks like: a Keras model that a batch waits for. Is: loaded in __init__, memory growth set before, whole batches."""

import numpy as np
import ray


class Predict:
    """TensorFlow is imported in the worker, where its GPU is."""

    def __init__(self, path):
        import tensorflow as tf

        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, enable=True)
        self.model = tf.keras.models.load_model(path, compile=False)

    def __call__(self, batch):
        scores = self.model.predict_on_batch(batch["pixels"].astype(np.float32) / 127.5 - 1)
        return {"id": batch["id"], "score": np.asarray(scores)[:, 0]}


def shrink(batch):
    """Every second pixel, still uint8."""
    return {"id": batch["id"], "pixels": batch["pixels"][:, ::2, ::2]}


ds = ray.data.read_parquet("pictures/", columns=["id", "pixels"]).map_batches(shrink, batch_size=256)
ds = ds.map_batches(Predict, fn_constructor_args=["model.keras"], batch_size=256, num_gpus=0.5)
ds.write_parquet("scores/")
