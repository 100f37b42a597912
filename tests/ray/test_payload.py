"""A partition travels as one row, whatever its batches hold."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("ray")

from headrace.core.batch import Batch, Reject, objects
from headrace.engine.ray_data.payload import SCHEMA, Parcel, parcels
from headrace.engine.ray_data.work import Told


def batch(rows: int, *, photos: bool, cells: bool, rejects: int) -> Batch:
    columns: dict[str, Any] = {
        "n": np.arange(rows, dtype=np.int64),
        "text": objects([f"row {i}" for i in range(rows)]),
        "ragged": objects([np.arange(i % 3) for i in range(rows)]),
    }
    return Batch(
        partition=7,
        first_row=0,
        rows_in=rows + rejects,
        last=True,
        keys=[str(i) for i in range(rows)],
        columns=columns,
        rows=np.arange(rows, dtype=np.int64),
        cells=[bytes([i % 256]) for i in range(rows)] if cells else None,
        tensor=np.full((8, 2, 3, 3), 5, np.uint8) if photos else None,
        rejects=[Reject("k", i, "decode", "E", "why", b"original") for i in range(rejects)],
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            batch,
            st.integers(0, 8),
            photos=st.booleans(),
            cells=st.booleans(),
            rejects=st.integers(0, 2),
        ),
        max_size=4,
    )
)
def test_batches_come_out_as_they_went_in(sent: list[Batch]) -> None:
    table = Parcel(7, sent, Told()).row()
    assert table.schema == SCHEMA
    assert len(table) == 1
    (arrived,) = parcels(table)
    assert arrived.number == 7
    assert arrived.batches is not None
    for one, other in zip(sent, arrived.batches, strict=True):
        assert (one.keys, one.rejects, one.cells, one.last) == (other.keys, other.rejects, other.cells, other.last)
        assert one.columns["n"].tolist() == other.columns["n"].tolist()
        assert [v.tolist() for v in one.columns["ragged"]] == [v.tolist() for v in other.columns["ragged"]]
        if one.tensor is not None:
            assert other.tensor is not None
            assert other.tensor.shape == (len(one.keys), 2, 3, 3)
            assert (other.tensor == 5).all()


def test_partition_that_is_not_sent_is_a_row_all_the_same() -> None:
    (arrived,) = parcels(Parcel(3, None, Told(peak_rss_bytes=5)).row())
    assert (arrived.number, arrived.batches, arrived.told.peak_rss_bytes) == (3, None, 5)


def test_tensors_can_be_used_again_once_they_are_packed() -> None:
    given_back: list[Batch] = []
    one = batch(2, photos=True, cells=False, rejects=0)
    table = Parcel(1, [one], Told(), sent=given_back.append).row()
    assert given_back == [one]
    assert one.tensor is not None
    one.tensor[:] = 9
    (arrived,) = parcels(table)
    assert arrived.batches is not None
    assert arrived.batches[0].tensor is not None
    assert (arrived.batches[0].tensor == 5).all()
