"""What the first batch settles: pure functions from its measurements to choices."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.core.contracts import Stage
from headrace.plan import sizing
from headrace.plan.machine import Machine
from headrace.plan.plan import Choice, Plan
from headrace.plan.shape import PHOTO_BYTES


def stage_choice(
    stage: Stage, machine: Machine, *, gil_held_ratio: float, seconds_per_row: float, rows_left: int
) -> Choice:
    """Threads or processes for a user's stage, and how many: "threads:N" or "processes:N"."""
    kind, count = sizing.stage_workers(
        gil_held_ratio=gil_held_ratio, seconds_per_row=seconds_per_row, cores=machine.cores, rows_left=rows_left
    )
    measured = f"{1000 * seconds_per_row:.2f} ms a row, holding the GIL {gil_held_ratio:.0%} of the time"
    if stage.is_class and kind == "threads" and stage.workers is None:
        return Choice("threads:1", f"one copy of what the class loads ({measured})", measured)
    why = f"{measured}: processes pay when that is over half and over 10 s are left"
    return Choice(f"{kind}:{stage.workers or count}", why, measured)


def queue_choice(plan: Plan, batch_bytes: int, steps: int) -> Choice:
    """Room for at least 4 of the batches that there really are, as far as the memory goes."""
    wanted = sizing.at_least_4_batches(batch_bytes, int(plan.value("memory_bytes")), steps)
    if plan.queue_bytes.given or int(plan.queue_bytes.value) >= wanted:
        return plan.queue_bytes
    measured = f"{batch_bytes} bytes a batch"
    return Choice(wanted, f"each queue: 4 batches, all queues at most half of the memory ({measured})", measured)


def partition_choice(
    rows: int, plan: Plan, machine: Machine, *, seconds_per_row: float, bytes_per_row: float
) -> Choice:
    """Rows a partition, by what the first batch took (one thread, all stages) over the cores, and what it holds now."""
    rate = machine.cores / max(1e-6, seconds_per_row)
    measured = f"about {rate:.0f} rows/s by the first batch"
    most = sizing.partition_bytes(int(plan.value("memory_bytes")))
    why = f"about 30 s of work, at most {most // sizing.MIB} MiB, one part when that is nearly all ({measured})"
    batch_size = int(plan.value("batch_size"))
    return Choice(sizing.partition_rows(rows, rate, batch_size, bytes_per_row, most), why, measured)


def shared_partition_choice(
    rows: int, plan: Plan, *, slots: int, seconds_per_row: float, bytes_per_row: float, sent_bytes_per_row: float
) -> Choice:
    """Rows a partition on a cluster of so many slots, by what the first batch took on one worker, and what it held.

    seconds_per_row: 0 where the first batch took its worker with it.
    """
    if not seconds_per_row:
        return _shared_by_default(rows, plan, slots)
    rate = 1 / max(1e-6, seconds_per_row)
    measured = f"about {rate:.0f} rows/s a worker by the first batch, {sent_bytes_per_row / 1000:.0f} kB a row to send"
    most = sizing.partition_bytes(int(plan.value("memory_bytes")))
    size = sizing.shared_partition_rows(
        rows, rate, int(plan.value("batch_size")), bytes_per_row, sent_bytes_per_row, most, slots
    )
    why = f"a second of work or more, about {sizing.SENT_BYTES // sizing.MIB} MiB on the way, four a slot"
    return Choice(size, f"{why} ({measured})", measured)


def _shared_by_default(rows: int, plan: Plan, slots: int) -> Choice:
    most = sizing.partition_bytes(int(plan.value("memory_bytes")))
    batch_size = int(plan.value("batch_size"))
    size = sizing.shared_partition_rows(rows, 1.0, batch_size, 0.0, PHOTO_BYTES, most, slots)
    return Choice(size, "four a slot, of at most 32 MiB of photos: the first batch said nothing of what a row costs")


def cap_choices(caps: Mapping[str, int]) -> dict[str, Choice]:
    """What steps that ran out of memory are given at most, by name."""
    return {name: Choice(rows, "it ran out of memory with more") for name, rows in caps.items()}
