"""`headrace bench bad-input`: thousands of damaged photos through the decoder, in a process that may die of them."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from headrace.bench.bad.mutations import mutated, originals
from headrace.bench.results import write_results
from headrace.core.errors import RunError
from headrace.core.preprocess import Preprocess
from headrace.stages.bare import NotAnImage
from headrace.stages.formats import bare
from headrace.stages.photo import PhotoDecoder

COUNT = 20_000
DECODED, CRASH, HANG = "decoded", "crash", "hang"
_REFUSALS = ("NotAnImage", "TooManyPixels")
_SEED = 0
_PATIENCE_S = 10.0
_SETTLED = 1000  # files after which memory that is kept for reuse has been taken
# What a pixel takes at most: a progressive CMYK JPEG's coefficients (8), its pixels (4), and those as RGB (4).
_BYTES_A_PIXEL = 16
_BESIDES = 32 << 20  # bytes: files, tables, what the allocator keeps


class DecoderFailed(RunError):
    """Damaged photos have ended the decoder's process, or kept it busy for too long, or it raised something else."""

    def __init__(self, files: int, first: str) -> None:
        super().__init__(files, first)
        self.files, self.first = files, first

    def __str__(self) -> str:
        return f"{self.files} damaged photos were neither decoded nor refused (first: {self.first})"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file: "decoded", "crash", "hang", or the type of the error; CPU seconds; the process's memory in
    bytes, now and at most so far (0 where it is gone)."""

    kind: str
    seconds: float
    rss_bytes: int = 0
    peak_bytes: int = 0


class Victim:
    """A process that decodes what it is given; when it has died, or is killed for being late, the next file gets a new
    one."""

    def __init__(self, decode: Callable[[bytes], object], patience_s: float = _PATIENCE_S) -> None:
        self._decode, self._patience_s = decode, patience_s
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._decode), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()  # imported, so that the first file is not charged for it

    def __call__(self, data: bytes) -> Outcome:
        """What comes of `data`."""
        self._pipe.send(data)
        try:
            if self._pipe.poll(self._patience_s):
                found: Outcome = self._pipe.recv()
                return found
            outcome = Outcome(HANG, self._patience_s)
        except EOFError:
            outcome = Outcome(CRASH, 0.0)
        self.close()
        self._start()
        return outcome

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection, decode: Callable[[bytes], object]) -> None:
    pipe.send(None)
    while True:
        data = pipe.recv()
        began = time.process_time()
        try:
            decode(data)
            kind = DECODED
        except Exception as error:  # noqa: BLE001 - a worker's boundary; what it is, is counted
            kind = type(error).__name__
        pipe.send(Outcome(kind, time.process_time() - began, *_memory()))


def _memory() -> tuple[int, int]:
    """This process's memory in bytes: now, and at most so far."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now, most = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def decode(data: bytes) -> None:
    """As a run decodes it."""
    PhotoDecoder().decode_into(data, np.empty((224, 224, 3), np.uint8))


def run_bad_inputs(*, out: Path, count: int = COUNT) -> None:
    """Decodes `count` damaged photos, always the same ones, and writes what came of them to `out`/bad-input.json.

    Raises DecoderFailed, after writing, when one was neither decoded nor refused.
    """
    victim = Victim(decode)
    try:
        sound = [victim(data) for data in originals()]
        outcomes = [victim(mutated(_SEED, index)) for index in range(count)]
    finally:
        victim.close()
    body = _report(sound, outcomes, max(_pixels(mutated(_SEED, index)) for index in range(count)))
    write_results(out, "bad-input", body)
    for row in body["targets"]:
        print(f"{'ok  ' if row['met'] else 'MISS'} {row['name']}: {row['value']} (at most {row['at_most']})")
    if failed := body["failed"]:
        raise DecoderFailed(len(failed), f"file {failed[0]['file']} of seed {_SEED}: {failed[0]['kind']}")


def _pixels(data: bytes) -> int:
    """Pixels that a file announces and that may be allocated for it."""
    try:
        found = bare(data, Preprocess().max_pixels)
    except NotAnImage:
        return 0
    return found.height * found.width


def _report(sound: list[Outcome], outcomes: list[Outcome], pixels: int) -> dict[str, Any]:
    """pixels: of the file that announces the most, of those that are not refused for it."""
    failed = [{"file": i, "kind": o.kind} for i, o in enumerate(outcomes) if o.kind not in (DECODED, *_REFUSALS)]
    slowest = max(range(len(outcomes)), key=lambda i: outcomes[i].seconds)
    before = sound[-1]
    growth = max(o.peak_bytes for o in outcomes) - before.peak_bytes
    kept = outcomes[-1].rss_bytes - outcomes[min(_SETTLED, len(outcomes)) - 1].rss_bytes
    kinds = Counter(o.kind for o in outcomes)
    targets = (
        ("crashes", kinds[CRASH], 0),
        ("hangs of 10 s", kinds[HANG], 0),
        ("errors of another kind", len(failed) - kinds[CRASH] - kinds[HANG], 0),
        ("sound photos refused", sum(o.kind != DECODED for o in sound), 0),
        ("peak RSS growth, bytes", growth, _BYTES_A_PIXEL * pixels + _BESIDES),
        (f"RSS growth after the first {_SETTLED} files, bytes", kept, _BESIDES),
    )
    return {
        "versions": {name: version(name) for name in ("numpy", "pillow", "simplejpeg")},
        "files": len(outcomes),
        "seed": _SEED,
        "originals": len(sound),
        "targets": [{"name": n, "value": v, "at_most": m, "met": v <= m} for n, v, m in targets],
        "outcomes": dict(kinds.most_common()),
        "failed": failed[:20],
        "cpu_s": sum(o.seconds for o in outcomes),
        "slowest": {"file": slowest} | asdict(outcomes[slowest]),
        "rss_bytes": before.rss_bytes,
        "largest_announced_pixels": pixels,
    }
