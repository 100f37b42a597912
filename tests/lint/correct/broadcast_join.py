"""Looks like: ray.get in a UDF. Is: a table that ray.put stored once, read by every batch; large tables use join()."""

from functools import partial

import pandas as pd
import ray


def add_country(batch: pd.DataFrame, table: ray.ObjectRef) -> pd.DataFrame:
    """ray.get of what lies in the object store: nobody is waited for."""
    return batch.merge(ray.get(table), on="user_id", how="left")


class AddPrice:
    """The same, unpacked once a worker."""

    def __init__(self, table):
        self.prices = ray.get(table).set_index("item_id")["price"]

    def __call__(self, batch):
        return batch.assign(price=batch["item_id"].map(self.prices))


def main():
    users = ray.put(pd.read_parquet("users.parquet", columns=["user_id", "country"]))
    items = ray.put(pd.read_parquet("items.parquet", columns=["item_id", "price"]))
    events = ray.data.read_parquet("events/", columns=["event_id", "user_id", "item_id"])
    events = events.map_batches(partial(add_country, table=users), batch_format="pandas", batch_size=50_000)
    events = events.map_batches(AddPrice, fn_constructor_args=(items,), batch_format="pandas", batch_size=50_000)
    sessions = ray.data.read_parquet("sessions/", columns=["event_id", "session_id"])
    events.join(sessions, join_type="inner", num_partitions=64, on=("event_id",)).write_parquet("joined/")


if __name__ == "__main__":
    main()
