"""Looks like: fit runs the pipeline, then transform. Is: ray.data.preprocessors, fitted on a kept sample."""

import lightgbm
import ray
from ray.data.preprocessors import Chain, OrdinalEncoder, StandardScaler

FEATURES = ["age", "amount", "city"]


class Score:
    def __init__(self, path):
        self.booster = lightgbm.Booster(model_file=path)

    def __call__(self, frame):
        return frame[["order_id"]].assign(score=self.booster.predict(frame[FEATURES]))


def known(frame):
    return frame[frame["city"].notna()]


def main():
    orders = ray.data.read_parquet("orders/", columns=["order_id", *FEATURES])
    prepare = Chain(StandardScaler(columns=["age", "amount"]), OrdinalEncoder(columns=["city"]))
    prepare = prepare.fit(orders.random_sample(0.01, seed=1).materialize())
    features = prepare.transform(orders.map_batches(known, batch_format="pandas"))
    scores = features.map_batches(
        Score, fn_constructor_args=("model.txt",), batch_format="pandas", compute=ray.data.ActorPoolStrategy(size=4)
    )
    scores.write_parquet("scores/")


if __name__ == "__main__":
    main()
