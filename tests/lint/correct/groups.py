"""Looks like: map_groups with a model per group, rows made of one. Is: a fit for each group, and one row of results."""

import numpy as np
import pandas as pd
import ray


def trend(group: pd.DataFrame) -> pd.DataFrame:
    """Slope of sales over time, of one shop."""
    group = group.sort_values("day")
    slope, start = np.polyfit(group["day"], group["sales"], 1)
    return pd.DataFrame({"shop_id": [group["shop_id"].iloc[0]], "slope": [slope], "start": [start]})


class Normalize:
    """State that is computed once for a worker and used for every group."""

    def __init__(self, table):
        self.weight = pd.read_parquet(table).set_index("region")["weight"]

    def __call__(self, group):
        factor = self.weight.get(group["region"][0], 1.0)
        return {"shop_id": group["shop_id"], "sales": group["sales"] * factor, "day": group["day"]}


sales = ray.data.read_parquet("sales/", columns=["shop_id", "region", "day", "sales"])
weighted = sales.groupby("region").map_groups(
    Normalize, fn_constructor_args=("weights.parquet",), compute=ray.data.ActorPoolStrategy(size=2)
)
trends = weighted.groupby("shop_id").map_groups(trend, batch_format="pandas")
trends.sort("slope").write_parquet("trends/")
