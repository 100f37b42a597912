"""Commits and what is left to do are sets of numbers, kept in arrays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.core.partition import Account, Commits, Round, Todo

numbers = st.sets(st.integers(0, 60))
accounts = st.builds(Account, *[st.integers(0, 2**40)] * 5)


@given(st.dictionaries(st.integers(0, 2**40), accounts))
def test_commits_hold_what_they_were_made_of(made_of: dict[int, Account]) -> None:
    commits = Commits.of(made_of)
    assert len(commits) == len(made_of)
    assert all(number in commits for number in made_of)
    assert all((number + 1 in commits) == (number + 1 in made_of) for number in made_of)
    assert commits.total() == sum(made_of.values(), Account())


@given(numbers, st.integers(0, 70), st.integers(0, 70))
def test_what_is_missing_is_the_rest(done: set[int], first: int, stop: int) -> None:
    commits = Commits.of(dict.fromkeys(done, Account()))
    assert list(commits.missing(first, stop)) == [n for n in range(first, stop) if n not in done]


@given(numbers, st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9)), min_size=1, max_size=4))
def test_todo_is_every_row_that_is_not_done_once(done: set[int], sizes: list[tuple[int, int]]) -> None:
    rounds: list[Round] = []
    for rows, partition_rows in sizes:
        start = rounds[-1].start + rounds[-1].rows if rounds else 0
        rounds.append(Round("input", start, rows, rounds[-1].stop if rounds else 0, partition_rows))
    everything = list(Todo(tuple(rounds), Commits.of({})))
    assert [p.number for p in everything] == list(range(rounds[-1].stop))
    assert [row for p in everything for row in range(p.start, p.stop)] == list(range(sum(rows for rows, _ in sizes)))
    todo = Todo(tuple(rounds), Commits.of(dict.fromkeys(done, Account())))
    left = [p for p in everything if p.number not in done]
    assert list(todo) == left
    assert todo.rows == sum(p.rows for p in left)
    assert bool(todo) == bool(left)
    assert not left or todo.first == left[0]
