"""The queue between stages: in order whatever the timing, bounded in bytes, and never left waiting."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.engine.flow.queues import Closed, Ended, OrderedQueue

sizes = st.lists(st.integers(0, 50), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(sizes=sizes, budget=st.integers(1, 60), workers=st.integers(1, 5))
def test_items_come_in_the_order_of_reserving(sizes: list[int], budget: int, workers: int) -> None:
    queue: OrderedQueue[int] = OrderedQueue(budget)
    todo = iter(range(len(sizes)))
    taking = threading.Lock()

    def work() -> None:
        while True:
            with taking:
                number = next(todo, None)
                if number is None:
                    return
                ticket = queue.reserve(sizes[number])
            queue.fill(ticket, number)

    def drain() -> list[int]:
        got = []
        while True:
            try:
                got.append(queue.get())
            except Ended:
                return got

    with ThreadPoolExecutor(workers + 1) as pool:
        result = pool.submit(drain)
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result(20)
        queue.end()
        assert result.result(20) == list(range(len(sizes)))


@settings(max_examples=60, deadline=None)
@given(sizes=sizes, budget=st.integers(1, 60))
def test_what_is_held_never_passes_the_budget_but_for_a_single_item(sizes: list[int], budget: int) -> None:
    queue: OrderedQueue[int] = OrderedQueue(budget)
    held: list[int] = []
    for number, size in enumerate(sizes):
        while held and sum(held) > 0 and sum(held) + size > budget:
            assert queue.get() == number - len(held)
            held.pop(0)
        queue.fill(queue.reserve(size), number)  # would block for ever, were the queue of another opinion
        held.append(size)
        assert sum(held) <= budget or len([s for s in held if s]) == 1


def test_item_that_turned_out_larger_makes_the_next_wait() -> None:
    queue: OrderedQueue[str] = OrderedQueue(100)
    queue.fill(queue.reserve(1), "large", 1000)
    reserved = threading.Event()

    def reserve() -> None:
        queue.fill(queue.reserve(1), "small")
        reserved.set()

    thread = threading.Thread(target=reserve)
    thread.start()
    assert not reserved.wait(0.05)
    assert queue.get() == "large"
    assert reserved.wait(10)
    assert queue.get() == "small"
    thread.join(10)


@pytest.mark.parametrize("act", ["get", "reserve"])
def test_closing_wakes_whoever_waits(act: str) -> None:
    queue: OrderedQueue[int] = OrderedQueue(10)
    if act == "reserve":
        queue.reserve(10)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(queue.get) if act == "get" else pool.submit(queue.reserve, 1)
        queue.close()
        with pytest.raises(Closed):
            waiting.result(10)
    with pytest.raises(Closed):
        queue.reserve(1)


def test_end_is_told_after_the_last_item_to_everyone() -> None:
    queue: OrderedQueue[int] = OrderedQueue(10)
    ticket = queue.reserve(1)
    queue.end()
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(queue.get) for _ in range(3)]
        queue.fill(ticket, 7)
        results = [w.exception(10) or w.result() for w in waiting]
    assert sorted(map(str, map(type, results))) == sorted([str(int), str(Ended), str(Ended)])
