"""How big things are: pure functions from facts to numbers."""

from __future__ import annotations

MIB = 1 << 20
PARTITION_SECONDS = 30.0
MAX_PARTITION_ROWS = 65_536
MAX_PARTITION_BYTES = 128 * MIB
SENT_BYTES = 32 * MIB
MOST_SHARED_PARTITIONS = 10**6
CPU_BATCH = (
    4  # ms CPU a photo at 4, 8, 16 (2-core EPYC): ResNet-50 bf16 18.4, 18.9, 19.3; MobileNetV2 fp32 4.2, 4.8, 5.1
)
STAGE_BATCH = 64
READ_CHUNK_ROWS = 16
WORTH = 30.0  # a candidate is tried when the time left is over this many times its cost


def first_batch(device: str) -> int:
    """Rows of the batch that the climb begins with."""
    return CPU_BATCH if device == "cpu" else STAGE_BATCH


def largest_batch(device: str) -> int:
    """Rows of the largest batch that is tried."""
    return 16 if device == "cpu" else 1024


def memory_bytes(allowed_bytes: int) -> int:
    """The host budget: half of what machine and cgroup allow; the model, its runtime and the user's code need the
    rest."""
    return allowed_bytes // 2


def partition_bytes(memory_bytes: int) -> int:
    """The most output of a partition, which is collected and encoded whole: 128 MiB, an eighth of the memory."""
    return min(MAX_PARTITION_BYTES, memory_bytes // 8)


def decode_bytes(memory_bytes: int) -> int:
    """What all decodes under way may hold together: a quarter of the memory."""
    return memory_bytes // 4


def partition_rows(rows: int, rows_per_s: float, batch_size: int, bytes_per_row: float, most_bytes: int) -> int:
    """Rows a partition: about 30 s of work, whole batches, at most 65,536 and `most_bytes`; one partition when that
    would be nearly all."""
    most = min(MAX_PARTITION_ROWS, max(1, int(most_bytes / max(1.0, bytes_per_row))))
    wanted = min(most, max(batch_size, int(rows_per_s * PARTITION_SECONDS)))
    whole = max(1, min(-(-wanted // batch_size), most // batch_size)) * batch_size
    return -(-rows // batch_size) * batch_size if rows <= min(whole * 1.5, most) else whole


def shared_partition_rows(
    rows: int, rows_per_s: float, batch_size: int, out_bytes: float, sent_bytes: float, most_bytes: int, slots: int
) -> int:
    """Rows a partition on a cluster, where it travels whole from worker to worker: at least a second of one worker's
    work, so that what a partition costs by itself (about 10 ms) does not show; within that, what about 32 MiB hold on
    the way, and few enough rows that every slot gets four. At most `most_bytes` of output, 65,536 rows, and 10^6
    partitions: Ray Data keeps about 1 kB of each for every operator.

    rows_per_s: of one worker. out_bytes, sent_bytes: a row as it is written, and as it travels.
    """
    most = max(1, min(MAX_PARTITION_ROWS, int(most_bytes / max(1.0, out_bytes))))
    travelling = int(SENT_BYTES / max(1.0, sent_bytes))
    spread = -(-rows // (4 * max(1, slots)))
    wanted = max(batch_size, int(rows_per_s), min(travelling, spread))
    largest = max(batch_size, int(8 * SENT_BYTES / max(1.0, sent_bytes)))
    whole = max(min(wanted, largest), -(-rows // MOST_SHARED_PARTITIONS))
    whole = min(whole, most)
    return max(1, -(-whole // batch_size)) * batch_size


def queue_bytes(memory_bytes: int, batch_bytes: int, steps: int, *, remote: bool) -> int:
    """Bytes each queue may hold: 64 MiB for a remote source, whose answers come late and in bursts, 8 MiB for a local
    one, at most 1/32 of the memory, and at least 4 batches. On a local disk more buys nothing: with 8 and 64 MiB rows/s
    and CPU were the same within the noise (2-core EPYC, MobileNetV2, 3 interleaved runs each)."""
    wanted = min(memory_bytes // 32, (64 if remote else 8) * MIB)
    return max(wanted, at_least_4_batches(batch_bytes, memory_bytes, steps))


def at_least_4_batches(batch_bytes: int, memory_bytes: int, steps: int) -> int:
    """Room for 4 batches, the queues (behind reading, preparing and each step) holding half of the memory at most; a
    larger batch passes a queue alone."""
    return min(4 * batch_bytes, memory_bytes // (2 * (2 + steps)))


def read_ahead_bytes(queue_bytes: int, burst_bytes: int, memory_bytes: int) -> int:
    """Bytes that reading may be ahead: where rows come in bursts, one of them while the one before is worked on."""
    return max(queue_bytes, min(2 * burst_bytes, memory_bytes // 16))


def io_concurrency(*, remote: bool, in_bursts: bool, cores: int) -> int:
    """Reads at once: a local disk answers from the page cache, an object store after 20-100 ms. Rows in bursts
    are decoded as they are read: at least two threads, so that the next burst is under way."""
    return 32 if remote else max(2 if in_bursts else 1, min(4, cores // 2))


def read_chunk_rows(batch_size: int, *, prepared: bool) -> int:
    """Rows a read: a whole batch where a stage takes it as it is, an equal part, at most 16, where threads share it."""
    if not prepared:
        return batch_size
    largest = max(d for d in range(1, READ_CHUNK_ROWS + 1) if batch_size % d == 0)
    return largest if largest >= READ_CHUNK_ROWS // 4 else batch_size


def worth_trying(cost_s: float, time_left_s: float) -> bool:
    """Whether a candidate that costs `cost_s` to try can pay for itself."""
    return time_left_s > WORTH * cost_s


def stage_workers(*, gil_held_ratio: float, seconds_per_row: float, cores: int, rows_left: int) -> tuple[str, int]:
    """("threads" or "processes", how many) for a Python stage, from its first batch.

    gil_held_ratio: share (0..1) of its time in which other threads could not run. Processes cost about a second to
    start and a copy of the batch: they pay when the stage holds the GIL and has over 10 s of work left.
    """
    if cores < 2 or gil_held_ratio < 0.5 or seconds_per_row * rows_left < 10.0:
        return "threads", cores if gil_held_ratio < 0.5 else 1
    return "processes", cores
