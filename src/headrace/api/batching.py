"""Columns of any lengths as batches of one length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headrace.core.batch import Columns, end_to_end


def rebatched(parts: Iterable[Columns], batch_size: int) -> Iterator[Columns]:
    """Batches of `batch_size` rows, the last one shorter; all parts have the same names."""
    held: list[Columns] = []
    rows = 0
    for columns in parts:
        held.append(columns)
        rows += rows_of(columns)
        while rows >= batch_size:
            whole = {name: end_to_end([h[name] for h in held]) for name in columns}
            yield {name: array[:batch_size] for name, array in whole.items()}
            held = [{name: array[batch_size:] for name, array in whole.items()}]
            rows -= batch_size
    if rows:
        yield {name: end_to_end([h[name] for h in held]) for name in held[0]}


def rows_of(columns: Columns) -> int:
    """How many rows there are."""
    return len(next(iter(columns.values()))) if columns else 0
