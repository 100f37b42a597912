"""Looks like: a pipeline run in each epoch. Is: that on purpose (random crops); what is fixed is materialized."""

import numpy as np
import ray
import torch


def crop(batch):
    """Another crop of 64 x 64 each time that it runs."""
    random = np.random.default_rng()
    x, y = random.integers(0, 32, 2)
    return {"image": batch["image"][:, y : y + 64, x : x + 64], "label": batch["label"]}


def main():
    images = ray.data.read_parquet("labelled/", columns=["image", "label"]).materialize()
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 * 64 * 3, 10)).cuda()
    optimizer = torch.optim.AdamW(model.parameters())
    crops = images.random_shuffle().map_batches(crop, batch_size=128)
    for epoch in range(20):
        seen = 0
        for batch in crops.iter_torch_batches(batch_size=128, prefetch_batches=2, device="cuda"):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(batch["image"].float() / 255), batch["label"])
            loss.backward()
            optimizer.step()
            seen += len(batch["label"])
        print(epoch, seen, loss.item())
    torch.save(model.state_dict(), "model.pt")


if __name__ == "__main__":
    main()
