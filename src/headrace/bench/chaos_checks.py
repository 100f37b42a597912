"""What a run that was killed has left, held against what an undisturbed run of the same job leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from headrace.bench.chaos_kills import Session
from headrace.bench.chaos_output import Output, Part

# What makes two rejects the same; a message may hold an address in memory.
_REJECT = ("key", "row", "stage", "error_type", "original")
_ACCOUNT = ("rows_in", "rows_out", "rows_rejected", "rows_dropped", "rows_added")


@dataclass(frozen=True, order=True)
class Fault:
    """Something that is not as an undisturbed run leaves it. rows: how many rows it concerns."""

    kind: str
    where: str
    rows: int = 1

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}"


def by_kind(faults: Iterable[Fault]) -> Counter[str]:
    """How many rows there are of each kind."""
    kinds = Counter[str]()
    for fault in faults:
        kinds[fault.kind] += fault.rows
    return kinds


def output_faults(found: Output, asked: Output) -> list[Fault]:
    """How `found` differs from `asked`, the output of an undisturbed run; sorted."""
    faults = [
        *_row_faults(found, asked),
        *_reject_faults(found, asked),
        *(f for name, part in found.parts.items() for f in _account_faults(name, part, asked)),
        *_report_faults(found),
        *(Fault("left over", name) for name in found.left_over),
    ]
    return sorted(faults)


def _row_faults(found: Output, asked: Output) -> list[Fault]:
    there, wanted = _keys(found), _keys(asked)
    faults = _counted("lost", wanted - there) + _counted("duplicated", there - wanted)
    for name in sorted(found.parts.keys() | asked.parts.keys()):
        if name not in found.parts or name not in asked.parts:
            faults.append(Fault("part missing" if name in asked.parts else "part too many", name))
            continue
        one, other = found.parts[name], asked.parts[name]
        if one.keys != other.keys:
            faults.append(Fault("other keys", name, max(1, abs(len(one.keys) - len(other.keys)))))
        elif not one.table.equals(other.table):
            faults.append(Fault("other values", name, _differing(one.table, other.table)))
    return faults


def _keys(output: Output) -> Counter[str]:
    return Counter(key for part in output.parts.values() for key in part.keys)


def _counted(kind: str, keys: Counter[str]) -> list[Fault]:
    return [Fault(kind, key, rows) for key, rows in keys.items()]


def _differing(one: pa.Table, other: pa.Table) -> int:
    """How many rows differ, bit by bit; all where the types do."""
    if one.schema != other.schema:
        return len(one)
    return sum(a != b for a, b in zip(one.to_pylist(), other.to_pylist(), strict=True))


def _reject_faults(found: Output, asked: Output) -> list[Fault]:
    there, wanted = _rejects(found), _rejects(asked)
    lost, doubled = wanted - there, there - wanted
    return [
        *(Fault("reject lost", reject[0], rows) for reject, rows in lost.items()),
        *(Fault("reject too many", reject[0], rows) for reject, rows in doubled.items()),
    ]


def _rejects(output: Output) -> Counter[tuple[str, ...]]:
    rows = [row for part in output.parts.values() for row in part.rejects]
    return Counter(tuple(str(row.get(name)) for name in _REJECT) for row in rows)


def _account_faults(name: str, part: Part, asked: Output) -> list[Fault]:
    """A part's account must balance, agree with the part and its rejects, and be the undisturbed run's."""
    account = part.footer["account"]
    rows_in, rows_out, rejected, dropped, added = (account[n] for n in _ACCOUNT)
    bounds = part.footer["partition"]
    wrong = {
        "does not balance": rows_in + added != rows_out + rejected + dropped,
        "counts other rows than the part has": rows_out != len(part.table),
        "counts other rejects than it names": rejected != len(part.rejects),
        "counts other rows than the partition has": rows_in != bounds["stop"] - bounds["start"],
        "has other bounds": name in asked.parts and bounds != asked.parts[name].footer["partition"],
        "is another than the undisturbed run's": name in asked.parts and account != asked.parts[name].footer["account"],
    }
    return [Fault("account", f"{name} {what}") for what, is_wrong in wrong.items() if is_wrong]


def _report_faults(found: Output) -> list[Fault]:
    """The report's counts must be the sums of the footers'; rows that were run again count as they ended."""
    sums = {n: sum(_counts(part)[n] for part in found.parts.values()) for n in _ACCOUNT}
    told = {n: found.report[n] for n in _ACCOUNT}
    return [Fault("report", f"{n} is {told[n]}, the footers say {sums[n]}") for n in _ACCOUNT if told[n] != sums[n]]


def _counts(part: Part) -> dict[str, int]:
    account: dict[str, int] = part.footer["account"]
    if not part.footer["partition"]["retried"]:
        return account
    return account | {"rows_in": 0, "rows_rejected": account["rows_rejected"] - account["rows_in"]}


def session_faults(sessions: Sequence[Session], asked: Output) -> list[Fault]:
    """What sessions did wrong: ended otherwise than killed or done, or read rows that were done before they began.

    Those are the rows of parts that were there, but for rejects that a later part has too. Raises KeyError for a part
    that `asked` lacks.
    """
    faults = []
    for number, session in enumerate(sessions):
        if session.kill is None and session.exit_code != 0:
            faults.append(Fault("session", f"{number} exited with {session.exit_code}: {session.errors}"))
        done = {key for name in session.before for key in _read_for(asked.parts[name])}
        done -= {key for name in asked.parts.keys() - session.before for key in _read_for(asked.parts[name])}
        faults += [Fault("re-read", f"{key} in session {number}") for key in session.reads if key in done]
    read = {key for session in sessions for key in session.reads}
    wanted = {key for part in asked.parts.values() for key in _read_for(part)}
    return faults + [Fault("never read", key) for key in sorted(wanted - read)]


def _read_for(part: Part) -> list[str]:
    """The keys of all rows that are read for a part: those that are written, and those that are rejected."""
    return part.keys + [row["key"] for row in part.rejects]


def told_faults(found: Output, sessions: Sequence[Session]) -> list[Fault]:
    """The sessions in the report must be some of those there were, in order, each with the rows that it wrote."""
    faults = []
    left = list(sessions)
    for told in found.report["sessions"]:
        while left and not _is_told(told, left[0], found):
            left.pop(0)
        if not left:
            faults.append(Fault("report", f"no session is as told: {told}"))
            break
        left.pop(0)
    return faults


def _is_told(told: dict[str, object], session: Session, found: Output) -> bool:
    started = datetime.fromisoformat(str(told["started"]))  # whole seconds
    rows = sum(len(found.parts[name].table) for name in session.after - session.before)
    return session.began - timedelta(seconds=1.5) <= started <= session.ended and told["rows"] == rows
