"""The precision trial: fp32 and a faster precision on the same real photos, before the first commit."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from headrace.core.contracts import Decoder, Inference, Listing, Pixels, Session
from headrace.core.probability import probabilities
from headrace.engine.flow.buffers import padded
from headrace.engine.telling.clock import RunClock
from headrace.plan import agreement
from headrace.plan.agreement import Agreement

_CHUNK = 32
_TIMED_BATCHES = 2  # for each stream


@dataclass(frozen=True, slots=True)
class Trial:
    """The session to go on with, why, and the comparison if one was made."""

    session: Session
    precision: str
    reason: str
    agreement: Agreement | None


def try_precision(
    inference: Inference,
    candidate: str,
    listing: Listing,
    *,
    batch_size: int,
    streams: int,
    threads: int,
    clock: RunClock,
) -> Trial:
    """Compares `candidate` with fp32 on up to 256 photos spread over the listing, when that costs less than it saves.

    It stops as soon as too many rows disagree.
    """
    reference = inference.model.load("fp32", batch_size, streams)
    faster = inference.model.load(candidate, batch_size, streams)
    began = time.perf_counter()
    try:
        return _trial(inference, candidate, listing, reference, faster, batch_size=batch_size, threads=threads)
    finally:
        clock.probed(began)


def _trial(
    inference: Inference,
    candidate: str,
    listing: Listing,
    reference: Session,
    faster: Session,
    *,
    batch_size: int,
    threads: int,
) -> Trial:
    first = sampled(listing, inference.decoder, inference.model.preprocess.size, batch_size, threads)
    if len(first) == 0:
        return Trial(reference, "fp32", "no photo could be decoded to compare precisions on", None)
    seconds = {
        name: _seconds_per_row(session, first, batch_size)
        for name, session in (("fp32", reference), (candidate, faster))
    }
    saves = listing.rows * (seconds["fp32"] - seconds[candidate])
    costs = min(agreement.ROWS, listing.rows) * (seconds["fp32"] + seconds[candidate])
    speeds = f"fp32 {1 / seconds['fp32']:.0f}, {candidate} {1 / seconds[candidate]:.0f} rows/s (model alone)"
    if saves <= 2 * costs:
        return Trial(reference, "fp32", f"{candidate} would save less than a comparison costs: {speeds}", None)
    photos = sampled(listing, inference.decoder, inference.model.preprocess.size, agreement.ROWS, threads)
    result = compare(inference, candidate, reference, faster, photos, batch_size)
    verdict = f"{result}; {speeds}"
    if result.kept:
        return Trial(faster, candidate, verdict, result)
    return Trial(reference, "fp32", f"{verdict}: below --min-agreement {inference.min_agreement:g}, so fp32", result)


def compare(
    inference: Inference, candidate: str, reference: Session, faster: Session, photos: Pixels, batch_size: int
) -> Agreement:
    """Both sessions' answers on `photos`, uint8 [N, H, W, 3]."""
    classes = inference.head.task == "classify"
    pairs: list[tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], ...]] = []
    disagreeing = 0
    for start in range(0, len(photos), _CHUNK):
        chunk = photos[start : start + _CHUNK]
        a, b = (first_outputs(s, chunk, batch_size) for s in (reference, faster))
        if classes:
            a, b = probabilities(a), probabilities(b)
            disagreeing += int(np.sum(a.argmax(axis=1) != b.argmax(axis=1)))
        pairs.append((a, b))
        if classes and agreement.hopeless(disagreeing, len(photos), inference.min_agreement):
            break
    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    if classes:
        return agreement.compare_classes(candidate, a, b, inference.min_agreement)
    return agreement.compare_vectors(candidate, a, b)


def sampled(listing: Listing, decoder: Decoder, size: tuple[int, int], count: int, threads: int) -> Pixels:
    """`count` photos spread over the listing, decoded: uint8 [<= count, H, W, 3]; those that cannot be are left out."""

    def decoded(row: int) -> Pixels | None:
        (read,) = listing.reads(row, row + 1, 1)
        slot = np.empty((*size, 3), np.uint8)
        try:
            cells = read.load().cells
            assert cells is not None
            decoder.decode_into(cells[0], slot)
        except Exception:  # noqa: BLE001 - the run itself will read the row again and record it
            return None
        return slot

    with ThreadPoolExecutor(threads) as pool:
        found = [p for p in pool.map(decoded, agreement.spread(listing.rows, count).tolist()) if p is not None]
    return np.stack(found) if found else np.empty((0, *size, 3), np.uint8)


def first_outputs(
    session: Session, photos: Pixels, batch_size: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The first output for every photo, with all streams busy."""
    with ThreadPoolExecutor(session.streams, initializer=None) as pool:
        requests = [session.request() for _ in range(session.streams)]
        starts = list(range(0, len(photos), batch_size))

        def run(lane: int) -> list[tuple[int, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]:
            done = []
            for start in starts[lane :: len(requests)]:
                batch = padded(photos[start : start + batch_size], batch_size)
                outputs = requests[lane](batch, min(batch_size, len(photos) - start))
                done.append((start, next(iter(outputs.values()))))
            return done

        parts = sorted((p for lane in pool.map(run, range(len(requests))) for p in lane), key=lambda p: p[0])
    return np.concatenate([value for _, value in parts])


def _seconds_per_row(session: Session, photos: Pixels, batch_size: int) -> float:
    """Seconds a row with all streams busy, after a first inference that is not counted."""
    repeated = np.concatenate([photos] * (session.streams * _TIMED_BATCHES * batch_size // len(photos) + 1))
    first_outputs(session, repeated[: session.streams * batch_size], batch_size)
    began = time.perf_counter()
    first_outputs(session, repeated, batch_size)
    return (time.perf_counter() - began) / len(repeated)
