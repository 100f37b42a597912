"""Looks like: an actor called in a loop, and prints. Is: an actor that counts; its calls are not waited for."""

import time

import ray


@ray.remote(num_cpus=0)
class Progress:
    def __init__(self, total: int) -> None:
        self.done, self.total = 0, total

    def add(self, rows: int) -> None:
        self.done += rows

    def share(self) -> float:
        return self.done / self.total


@ray.remote
def work(part: int, progress: "ray.actor.ActorHandle") -> int:
    found = 0
    for step in range(100):
        found += (part * step) % 7 == 0
        progress.add.remote(1)
    return found


def main() -> None:
    ray.init()
    progress = Progress.remote(total=1_000)
    refs = [work.remote(part, progress) for part in range(10)]
    while True:
        share = ray.get(progress.share.remote())
        print(f"{share:.0%}")
        if share >= 1:
            break
        time.sleep(1)
    print(sum(ray.get(refs)))


if __name__ == "__main__":
    main()
