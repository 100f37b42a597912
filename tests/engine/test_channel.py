"""Messages between processes arrive as they were sent, whatever their size."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from headrace.engine.local.channel import Channel


class Pair:
    """Both ends of a channel, in this process."""

    def __init__(self) -> None:
        read, write = os.pipe()
        self.memory = os.memfd_create("test")
        self.files = [os.fdopen(read, "rb"), os.fdopen(write, "wb")]
        self.receiver = Channel(self.files[0], self.memory)  # type: ignore[arg-type]
        self.sender = Channel(self.files[1], self.memory)  # type: ignore[arg-type]
        self.pool = ThreadPoolExecutor(1)

    def sent(self, message: Any, *, copy: bool) -> Any:
        sending = self.pool.submit(self.sender.send, message)
        received = self.receiver.receive(copy=copy)
        sending.result(10)
        return received

    def close(self) -> None:
        self.pool.shutdown()
        for file in self.files:
            file.close()
        os.close(self.memory)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


arrays = hnp.arrays(
    dtype=st.sampled_from([np.uint8, np.float32, np.int64, np.bool_]),
    shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=12),
)


@settings(deadline=None)
@given(columns=st.dictionaries(st.text(max_size=5), arrays, max_size=4), copy=st.booleans())
def test_arrays_arrive_as_they_were_sent(pair: Pair, columns: dict[str, Any], *, copy: bool) -> None:
    received = pair.sent(columns, copy=copy)
    assert list(received) == list(columns)
    for name, array in columns.items():
        np.testing.assert_array_equal(received[name], array)
        assert received[name].dtype == array.dtype


def test_objects_and_growing_messages_arrive(pair: Pair) -> None:
    words = np.array(["a", None, b"b", np.zeros((2, 3))], dtype=object)
    received = pair.sent(words, copy=True)
    assert list(received[:3]) == ["a", None, b"b"]
    for size in (10, 10_000, 3_000_000, 20):
        array = np.arange(size)
        np.testing.assert_array_equal(pair.sent({"x": array}, copy=size % 3 == 0)["x"], array)


def test_copied_message_outlives_the_next(pair: Pair) -> None:
    first = pair.sent(np.arange(1000), copy=True)
    pair.sent(np.zeros(1000), copy=True)
    np.testing.assert_array_equal(first, np.arange(1000))


def test_closed_pipe_is_the_end() -> None:
    made = Pair()
    made.files[1].close()
    with pytest.raises(EOFError):
        made.receiver.receive(copy=True)
    made.close()
