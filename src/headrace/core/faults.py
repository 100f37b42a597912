"""What kind of failure an exception is; that decides what becomes of the rows it met."""

from __future__ import annotations

from headrace.core.errors import HeadraceError


class WrongAnswer(ValueError):
    """A stage broke its promise (columns, lengths, types): its code is at fault and no row, so the run stops."""


class WorkerDied(RuntimeError):
    """A worker ended in the middle of a batch."""


class WorkerStalled(WorkerDied):
    """A worker gave no answer within the stall timeout and was given up."""


class WorkerOutOfMemory(WorkerDied, MemoryError):
    """A worker process was killed, as the kernel does when memory runs out."""


class TooManyAtOnce(MemoryError):
    """More rows than the step now has memory for: split, and nothing else, helps."""


_SIGNS = ("out of memory", "failed to allocate memory", "bad_alloc", "cannot allocate memory")
"""As torch, CUDA, ONNX Runtime, the C++ library and the C library say it."""


def out_of_memory(error: BaseException) -> bool:
    """Whether memory, on host or device, did not suffice: fewer rows at once may pass."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, without importing it
        return True
    return isinstance(error, RuntimeError | OSError) and any(sign in str(error).lower() for sign in _SIGNS)


def stops_the_run(error: BaseException) -> bool:
    """Whether no row is at fault, so that neither splitting nor rejecting helps."""
    return isinstance(error, HeadraceError | WrongAnswer)
