"""Every error that headrace raises.

HeadraceError
├── UsageError          wrong input or refused: exit 2
│   ├── BadOption       an option's value
│   ├── BadInput        the data: missing, empty, unreadable
│   ├── BadModel        the model reference or what it asks for
│   ├── BadOutput       the output folder
│   ├── BadCluster      the Ray cluster: none there, too small, another version
│   ├── JobChanged      the folder holds another job
│   └── MissingExtra    an optional package is not installed
└── RunError            the run stopped: exit 1
    ├── StageFailed     a stage or the model raised
    ├── KeepsCrashing   the process died again and again
    ├── StageNotBuilt   a stage's class raised when it was built
    ├── RejectedRow     a row was rejected, and the run was to stop for that
    ├── TooManyRejects  more rows were rejected than allowed: exit 3
    ├── ReadFailed      the input could not be read, and no row is at fault
    └── WriteFailed     a part or a reject could not be written

An error's `args` equal its constructor's arguments, so that it survives pickling; text is built in `__str__`.
"""

from __future__ import annotations


class HeadraceError(Exception):
    """The base of every error that headrace raises; `exit_code` is what the command exits with."""

    exit_code = 1


class UsageError(HeadraceError):
    """What was asked cannot be done as asked; nothing was started."""

    exit_code = 2


class BadOption(UsageError):
    """An option has a value that it cannot have."""

    def __init__(self, option: str, expected: str, got: object) -> None:
        super().__init__(option, expected, got)
        self.option, self.expected, self.got = option, expected, got

    def __str__(self) -> str:
        return f"{self.option} must be {self.expected}, got {self.got!r}"


class _Located(UsageError):
    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(where, what, fix)
        self.where, self.what, self.fix = where, what, fix

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.fix}"


class BadInput(_Located):
    """The input data cannot be read: `where` it is, `what` is wrong, the `fix`."""


class BadModel(_Located):
    """The model cannot be used: `where` it is, `what` is wrong, the `fix`."""


class BadOutput(_Located):
    """The output folder cannot be used: `where` it is, `what` is wrong, the `fix`."""


class BadCluster(_Located):
    """The Ray cluster cannot be used: `where` it is, `what` is wrong, the `fix`."""


class JobChanged(UsageError):
    """The output folder holds another job; `changed` names what differs, `detail` says more of the input."""

    def __init__(self, out: str, changed: tuple[str, ...], detail: str = "") -> None:
        super().__init__(out, changed, detail)
        self.out, self.changed, self.detail = out, changed, detail

    def __str__(self) -> str:
        what = f"{', '.join(self.changed)} changed" + (f": {self.detail}" if self.detail else "")
        return f"{self.out}: holds another job ({what}); write to another folder, or --overwrite to start anew"


class MissingExtra(UsageError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str, needed_for: str) -> None:
        super().__init__(package, extra, needed_for)
        self.package, self.extra, self.needed_for = package, extra, needed_for

    def __str__(self) -> str:
        return f"{self.needed_for} needs {self.package}: pip install 'headrace[{self.extra}]'"


class RunError(HeadraceError):
    """The run stopped; what was committed stays, and the same command goes on from there."""


class StageFailed(RunError):
    """A stage or the model raised on a batch; the cause is chained."""

    def __init__(self, stage: str, partition: int, first_row: int, rows: int, first_key: str, cause: str) -> None:
        super().__init__(stage, partition, first_row, rows, first_key, cause)
        self.stage, self.partition, self.first_row = stage, partition, first_row
        self.rows, self.first_key, self.cause = rows, first_key, cause

    def __str__(self) -> str:
        last = self.first_row + self.rows - 1
        return (
            f"{self.stage}: failed on partition {self.partition}, rows {self.first_row}-{last} "
            f"(from {self.first_key}): {self.cause}; "
            "fix it and run the same command again: finished partitions are kept"
        )


class KeepsCrashing(RunError):
    """The process died again and again without finishing a partition, most often while `step` was at work."""

    def __init__(self, step: str, deaths: int) -> None:
        super().__init__(step, deaths)
        self.step, self.deaths = step, deaths

    def __str__(self) -> str:
        return (
            f"{self.step}: the process has died {self.deaths} times without finishing a partition; "
            "mend what crashes there, and run the same command again"
        )


class StageNotBuilt(RunError):
    """A stage's class raised in its constructor; the cause is chained."""

    def __init__(self, stage: str, cause: str) -> None:
        super().__init__(stage, cause)
        self.stage, self.cause = stage, cause

    def __str__(self) -> str:
        return f"{self.stage}: could not be built: {self.cause}; nothing was run"


class TooManyRejects(RunError):
    """A run's rejects passed `max_rejected`, the ratio that is taken as a sign of a wrong job: exit 3.

    finished: the output, where all its partitions are done.
    """

    exit_code = 3

    def __init__(self, rejected: int, rows: int, max_rejected: float, first: str, finished: str = "") -> None:
        super().__init__(rejected, rows, max_rejected, first, finished)
        self.rejected, self.rows, self.max_rejected, self.first = rejected, rows, max_rejected, first
        self.finished = finished

    def __str__(self) -> str:
        again = f"headrace retry {self.finished}" if self.finished else "the same command again"
        return (
            f"{self.rejected} of {self.rows} rows rejected, more than --max-rejected {self.max_rejected:g} allows "
            f"(first: {self.first}); fix the cause, or raise --max-rejected, and run {again}"
        )


class RejectedRow(RunError):
    """A row was rejected and `on_error="fail"` asks to stop for that."""

    def __init__(self, stage: str, key: str, message: str) -> None:
        super().__init__(stage, key, message)
        self.stage, self.key, self.message = stage, key, message

    def __str__(self) -> str:
        return (
            f"{self.stage}: {self.key}: {self.message}; --on-error reject sets such rows aside in _headrace/rejects "
            "and goes on"
        )


class ReadFailed(RunError):
    """The input could not be read, and no row is at fault: `where` it lies, the `cause`, the `fix`."""

    def __init__(self, where: str, cause: str, fix: str) -> None:
        super().__init__(where, cause, fix)
        self.where, self.cause, self.fix = where, cause, fix

    def __str__(self) -> str:
        return f"{self.where}: {self.cause}; {self.fix}, then run the same command again: it goes on from here"


class WriteFailed(RunError):
    """A file of the output could not be written: its `path`, the `cause`, the `fix`."""

    def __init__(self, path: str, cause: str, fix: str = "make room or mend it") -> None:
        super().__init__(path, cause, fix)
        self.path, self.cause, self.fix = path, cause, fix

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}; {self.fix}, and run the same command again: it goes on from here"
