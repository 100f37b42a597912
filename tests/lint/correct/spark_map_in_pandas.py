"""Looks like: a model built in a mapped function, take after write. Is: PySpark; mapInPandas builds it once."""

from collections.abc import Iterator

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, pandas_udf
from transformers import pipeline


def classify(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """One model for a whole partition; Spark gives its batches one after the other."""
    model = pipeline("text-classification", device="cpu")
    for batch in batches:
        answers = model(batch["text"].tolist(), batch_size=32)
        yield pd.DataFrame({"id": batch["id"], "label": [a["label"] for a in answers]})


@pandas_udf("double")
def ratio(above: pd.Series, below: pd.Series) -> pd.Series:
    return above / below.clip(lower=1)


def run(reviews: DataFrame) -> DataFrame:
    labelled = reviews.mapInPandas(classify, schema="id long, label string")
    lengths = reviews.rdd.map(lambda row: (row["id"], len(row["text"]))).toDF(["id", "length"])
    words = reviews.rdd.flatMap(lambda row: [(w, 1) for w in row["text"].split()]).reduceByKey(lambda a, b: a + b)
    print(words.take(20))
    return labelled.join(lengths, "id").withColumn("share", ratio(col("length"), col("length")))


if __name__ == "__main__":
    spark = SparkSession.builder.appName("reviews").getOrCreate()
    result = run(spark.read.parquet("reviews/")).cache()
    result.write.parquet("labels/")
    print(result.count(), result.take(5))
