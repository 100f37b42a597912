"""The budget of memory: who would exceed it waits; what is larger than all of it passes alone."""

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.engine.flow.memory import MemoryBudget


@settings(max_examples=25, deadline=None)
@given(needs=st.lists(st.integers(1, 150), min_size=2, max_size=24))
def test_holders_never_exceed_the_budget_unless_alone(needs: list[int]) -> None:
    budget, lock, held, seen = MemoryBudget(100), threading.Lock(), [0, 0], []

    def hold(need: int) -> None:
        with budget.hold(need):
            with lock:
                held[0], held[1] = held[0] + need, held[1] + 1
                seen.append(tuple(held))
            with lock:
                held[0], held[1] = held[0] - need, held[1] - 1

    threads = [threading.Thread(target=hold, args=(need,)) for need in needs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == len(needs)
    assert all(bytes_ <= 100 or count == 1 for bytes_, count in seen)
