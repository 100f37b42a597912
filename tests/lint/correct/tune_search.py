"""Looks like: a sweep whose trials load data and models. Is: Ray Tune; each trial is a training of its own."""

import numpy as np
import ray
from ray import tune
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import cross_val_score


def trial(config, table):
    """One set of parameters; what is reported is all that comes back."""
    model = GradientBoostingClassifier(max_depth=config["depth"], learning_rate=config["rate"], n_estimators=100)
    scores = cross_val_score(model, table["x"], table["y"], cv=5)
    tune.report({"accuracy": float(np.mean(scores))})


def main():
    rows = ray.data.read_parquet("samples/", columns=["a", "b", "y"]).random_sample(0.1, seed=1).to_pandas()
    table = {"x": rows[["a", "b"]].to_numpy(), "y": rows["y"].to_numpy()}
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trial, table=table), {"cpu": 2}),
        param_space={"depth": tune.choice([2, 3, 5]), "rate": tune.loguniform(0.01, 0.3)},
        tune_config=tune.TuneConfig(metric="accuracy", mode="max", num_samples=32),
    )
    results = tuner.fit()
    best = results.get_best_result()
    print(best.config, best.metrics["accuracy"])
    results.get_dataframe().to_csv("trials.csv")


if __name__ == "__main__":
    main()
