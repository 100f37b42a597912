"""Looks like: map_batches that is given a function which returns a list or Series. Is: polars' method of that name."""

import joblib
import polars as pl

forest = joblib.load("forest.joblib")


def predict(columns: pl.Series) -> pl.Series:
    """All rows at once: polars calls it with the whole column."""
    return pl.Series(forest.predict(columns.struct.unnest().to_numpy()))


def clip(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("amount").clip(0, 1_000))


def clipped(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.map_batches(clip)


frame = (
    clipped(pl.scan_parquet("orders/*.parquet"))
    .map_batches(clip)
    .with_columns(
        pl.struct("amount", "items").map_batches(predict, return_dtype=pl.Int64).alias("label"),
        pl.col("name").map_elements(lambda name: name.strip().lower(), return_dtype=pl.String),
    )
    .with_row_index("id")
    .collect()
)
by_shop = frame.group_by("shop").map_groups(lambda group: group.sort("amount").head(3))
frame.write_csv("orders.csv")
frame.write_parquet("orders.parquet")
print(frame.head(), by_shop.to_dicts()[:5])
