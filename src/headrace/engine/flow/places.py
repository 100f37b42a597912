"""Where in the input something failed: an error that names partition and rows, with its cause."""

from __future__ import annotations

from headrace.core.batch import Batch
from headrace.core.errors import HeadraceError, StageFailed, StageNotBuilt


def failure(step_name: str, batch: Batch, error: BaseException) -> HeadraceError:
    """The error that stops the run, naming partition and rows."""
    if isinstance(error, HeadraceError):
        return error
    return located(step_name, batch.partition, batch.first_row, batch.rows_in, batch.keys, error)


def not_built(name: str, error: Exception) -> StageNotBuilt:
    """That a stage or the model could not be built; to be raised from its cause."""
    return StageNotBuilt(name, f"{type(error).__name__}: {error}")


def located(
    name: str, partition: int, first_row: int, rows: int, keys: list[str], error: BaseException
) -> HeadraceError:
    """A StageFailed at a place, with its cause chained."""
    key = str(keys[0]) if keys else "?"
    failed = StageFailed(name, partition, first_row, rows, key, f"{type(error).__name__}: {error}")
    failed.__cause__ = error
    return failed
