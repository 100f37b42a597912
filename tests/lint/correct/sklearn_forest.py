"""Looks like: no batch_size with a model, pandas batches. Is: a forest, at ease with a block of any size, on tables."""

import joblib
import pandas as pd
import ray

COLUMNS = ["age", "income", "visits"]


class Score:
    def __init__(self, path):
        self.forest = joblib.load(path)

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame["score"] = self.forest.predict_proba(frame[COLUMNS])[:, 1]
        return frame[["customer_id", "score"]]


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.dropna(subset=COLUMNS)
    return frame[frame["age"].between(18, 100)]


customers = ray.data.read_parquet("customers/", columns=["customer_id", *COLUMNS])
scores = customers.map_batches(clean, batch_format="pandas").map_batches(
    Score, fn_constructor_args=("forest.joblib",), batch_format="pandas", compute=ray.data.ActorPoolStrategy(size=4)
)
scores.write_parquet("scores/")
