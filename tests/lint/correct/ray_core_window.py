"""Looks like: ray.get in the loop that submits. Is: a window of 64 tasks, refilled as ray.wait gives finished ones."""

from pathlib import Path

import ray

WINDOW = 64


@ray.remote(max_retries=3)
def shrink(path: str) -> tuple[str, int]:
    from PIL import Image

    target = Path("small") / Path(path).name
    with Image.open(path) as image:
        image.thumbnail((512, 512))
        image.save(target)
    return path, target.stat().st_size


def main() -> None:
    ray.init()
    Path("small").mkdir(exist_ok=True)
    running: list[ray.ObjectRef] = []
    total = 0
    for path in sorted(Path("photos").glob("*.jpg")):
        if len(running) >= WINDOW:
            done, running = ray.wait(running, num_returns=1)
            total += sum(size for _, size in ray.get(done))
        running.append(shrink.remote(str(path)))
    total += sum(size for _, size in ray.get(running))
    print(f"{total} bytes")


if __name__ == "__main__":
    main()
