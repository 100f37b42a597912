"""Looks like: count, take and write of one pipeline. Is: a small result, kept with materialize() before."""

import ray
from ray.data.aggregate import AbsMax, Count, Mean


def speed(batch):
    batch["speed"] = batch["metres"] / batch["seconds"]
    return {k: batch[k] for k in ("trip", "city", "speed")}


trips = ray.data.read_csv("trips/").map_batches(speed)
by_city = trips.groupby("city").aggregate(Count(), Mean("speed"), AbsMax("speed")).materialize()

print(by_city.count())
print(by_city.take(10))
print(by_city.sort("mean(speed)", descending=True).take_all())
by_city.write_csv("cities/")
