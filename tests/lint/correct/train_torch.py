"""Looks like: iterating a dataset again and again. Is: the epochs of a Ray Train worker over its shard."""

import ray
import ray.train
import torch
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer, prepare_model
from torchvision.models import resnet18


def train(config):
    model = prepare_model(resnet18(num_classes=10))
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"])
    shard = ray.train.get_dataset_shard("train")
    device = ray.train.torch.get_device()
    for epoch in range(config["epochs"]):
        model.train()
        total = 0.0
        for batch in shard.iter_torch_batches(batch_size=64, local_shuffle_buffer_size=1_000, device=device):
            loss = torch.nn.functional.cross_entropy(model(batch["image"].float() / 255), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        ray.train.report({"epoch": epoch, "loss": total})


def channels_first(batch):
    return {"image": batch["image"].transpose(0, 3, 1, 2).copy(), "label": batch["label"]}


if __name__ == "__main__":
    images = ray.data.read_parquet("cifar/").map_batches(channels_first).materialize()
    trainer = TorchTrainer(
        train,
        train_loop_config={"lr": 0.05, "epochs": 10},
        scaling_config=ScalingConfig(num_workers=4, use_gpu=True),
        datasets={"train": images},
    )
    print(trainer.fit().metrics)
