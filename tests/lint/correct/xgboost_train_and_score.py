"""Looks like: a dataset used by several runs. Is: XGBoost on Ray Train, its split materialized, then scored once."""

import ray
import ray.train
import xgboost
from ray.train import RunConfig, ScalingConfig
from ray.train.xgboost import RayTrainReportCallback, XGBoostTrainer


def train(config):
    def matrix(name):
        frame = ray.train.get_dataset_shard(name).materialize().to_pandas()
        return xgboost.DMatrix(frame.drop(columns=["id", "target"]), label=frame["target"])

    xgboost.train(
        config,
        matrix("train"),
        num_boost_round=200,
        evals=[(matrix("valid"), "valid")],
        callbacks=[RayTrainReportCallback()],
    )


class Score:
    def __init__(self, checkpoint):
        self.model = RayTrainReportCallback.get_model(checkpoint)

    def __call__(self, frame):
        scores = self.model.predict(xgboost.DMatrix(frame.drop(columns=["id", "target"])))
        return frame[["id"]].assign(score=scores)


def main():
    rows = ray.data.read_parquet("rows/")
    train_ds, valid_ds = rows.train_test_split(test_size=0.1, shuffle=True, seed=1)
    trainer = XGBoostTrainer(
        train,
        train_loop_config={"objective": "binary:logistic", "tree_method": "hist"},
        scaling_config=ScalingConfig(num_workers=4),
        run_config=RunConfig(storage_path="s3://bucket/runs"),
        datasets={"train": train_ds, "valid": valid_ds},
    )
    result = trainer.fit()
    print(result.metrics)
    scored = rows.map_batches(Score, fn_constructor_args=(result.checkpoint,), batch_format="pandas", batch_size=10_000)
    scored.write_parquet("s3://bucket/scores")


if __name__ == "__main__":
    main()
