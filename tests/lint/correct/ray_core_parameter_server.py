"""Looks like: one actor fed serially, ray.get in a loop. Is: training, where each step needs the last one's weights."""

import numpy as np
import ray


@ray.remote
class Server:
    """Holds the weights and adds up gradients."""

    def __init__(self, size: int) -> None:
        self.weights = np.zeros(size)

    def apply(self, *gradients: np.ndarray) -> np.ndarray:
        self.weights -= 0.1 * np.mean(gradients, axis=0)
        return self.weights


@ray.remote
class Worker:
    def __init__(self, shard: int) -> None:
        random = np.random.default_rng(shard)
        self.x, self.y = random.normal(size=(1_000, 8)), random.normal(size=1_000)

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        return self.x.T @ (self.x @ weights - self.y) / len(self.y)


def main() -> None:
    ray.init()
    server = Server.remote(8)
    workers = [Worker.remote(n) for n in range(4)]
    weights = np.zeros(8)
    for _ in range(100):
        gradients = [worker.gradient.remote(weights) for worker in workers]
        weights = ray.get(server.apply.remote(*gradients))
    print(weights)


if __name__ == "__main__":
    main()
