"""Looks like: map over batches, one model for all, results one by one. Is: multiprocessing and concurrent.futures."""

import json
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import Pool
from pathlib import Path
from urllib.request import urlopen

import onnxruntime

_session: onnxruntime.InferenceSession | None = None


def start(path: str) -> None:
    """Once a worker process."""
    global _session
    _session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def predict(values: list[float]) -> float:
    assert _session is not None
    return float(_session.run(None, {"x": [values]})[0][0])


def download(url: str) -> tuple[str, int]:
    with urlopen(url) as answer:
        return url, len(answer.read())


def main() -> None:
    rows = json.loads(Path("rows.json").read_text())
    with Pool(8, initializer=start, initargs=("model.onnx",)) as pool:
        scores = pool.map(predict, rows, chunksize=64)
        for score in pool.imap_unordered(predict, rows):
            print(score)
    with ThreadPoolExecutor(32) as threads:
        sizes = dict(threads.map(download, Path("urls.txt").read_text().split()))
    with ProcessPoolExecutor() as processes:
        for future in as_completed([processes.submit(sum, row) for row in rows]):
            print(future.result())
    Path("scores.json").write_text(json.dumps({"scores": scores, "sizes": sizes}))


if __name__ == "__main__":
    main()
