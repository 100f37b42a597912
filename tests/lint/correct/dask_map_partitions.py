"""Looks like: everything computed twice and gathered by the driver. Is: Dask, with a result that is kept (persist)."""

import dask.bag
import dask.dataframe as dd
import joblib
import pandas as pd
from dask.distributed import Client


def score(part: pd.DataFrame, path: str) -> pd.DataFrame:
    """One partition; the model is read once for all of its rows."""
    model = joblib.load(path)
    return part.assign(score=model.predict_proba(part[["x", "y"]])[:, 1])


def main() -> None:
    client = Client(n_workers=4)
    points = dd.read_parquet("points/")
    meta = points._meta.assign(score=0.0)
    scored = points.map_partitions(score, "model.joblib", meta=meta).persist()
    scored.to_parquet("scored/")
    print(scored["score"].mean().compute(), len(scored))
    top = scored.nlargest(100, "score").compute()
    top.to_csv("top.csv")
    words = dask.bag.read_text("logs/*.txt").map(str.split).flatten().frequencies()
    for word, count in words.topk(10, key=lambda pair: pair[1]).compute():
        print(word, count)
    futures = client.map(len, ["a", "bb", "ccc"])
    for future in futures:
        print(future.result())


if __name__ == "__main__":
    main()
