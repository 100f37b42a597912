"""Looks like: ray.get in a loop, actors beside a dataset. Is: streaming_split, one part for each consuming actor."""

import ray
import torch


@ray.remote(num_gpus=1)
class Consumer:
    def __init__(self, rank: int):
        self.rank = rank
        self.model = torch.nn.Linear(16, 1).cuda()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)

    def epoch(self, part: ray.data.DataIterator) -> float:
        loss = torch.zeros(())
        for batch in part.iter_torch_batches(batch_size=512, device="cuda"):
            self.optimizer.zero_grad()
            loss = (self.model(batch["x"]).squeeze(1) - batch["y"]).square().mean()
            loss.backward()
            self.optimizer.step()
        return loss.item()


def scale(batch):
    return {"x": (batch["x"] - 0.5) * 2, "y": batch["y"]}


def main():
    workers = [Consumer.remote(rank) for rank in range(4)]
    rows = ray.data.read_parquet("rows/", columns=["x", "y"]).map_batches(scale)
    parts = rows.streaming_split(len(workers), equal=True)
    for epoch in range(3):
        losses = ray.get([worker.epoch.remote(part) for worker, part in zip(workers, parts, strict=True)])
        print(epoch, sum(losses) / len(losses))


if __name__ == "__main__":
    main()
