"""Looks like: everything through the driver. Is: from_spark, from_huggingface, to_dask, which pass blocks."""

import datasets
import ray
from pyspark.sql import SparkSession


def trim(batch):
    batch["text"] = [text.strip() for text in batch["text"]]
    return batch


def from_hub():
    reviews = datasets.load_dataset("imdb", split="train", streaming=True)
    ray.data.from_huggingface(reviews).map_batches(trim, batch_size=1_000).write_parquet("reviews/")


def from_spark(spark):
    orders = spark.read.parquet("orders/").where("total > 100")
    kept = ray.data.from_spark(orders).map_batches(lambda frame: frame.dropna(), batch_format="pandas")
    return kept.to_dask().groupby("shop")["total"].sum().compute()


def from_torch_dataset():
    from torchvision.datasets import CIFAR10

    pairs = ray.data.from_torch(CIFAR10("cifar/", download=True))
    pairs.map(lambda row: {"label": row["item"][1]}).groupby("label").count().show()


if __name__ == "__main__":
    from_hub()
    print(from_spark(SparkSession.builder.getOrCreate()))
    from_torch_dataset()
