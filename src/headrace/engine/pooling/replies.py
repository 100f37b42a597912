"""How a worker's answer, or whatever its user's code raised, comes back to the caller as it is."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cloudpickle


@dataclass(frozen=True)
class Answered:
    """What the operation returned."""

    value: Any


@dataclass(frozen=True)
class Raised:
    """What the operation raised: `error` where pickling keeps it as it is, else the parts of it that can be sent."""

    error: BaseException | None
    kind: type[BaseException]
    args: tuple[Any, ...]
    attributes: dict[str, Any]
    trace: str

    def rebuilt(self) -> BaseException:
        """The error, with the worker's traceback as a note."""
        error = self.error
        if error is None:
            error = self.kind.__new__(self.kind, *self.args)  # its __init__ may ask for other arguments
            error.args = self.args
            vars(error).update(self.attributes)
        error.add_note(f"in the worker:\n{self.trace}")
        return error


Reply = Answered | Raised


def reply_of(operation: Callable[..., Any], *args: Any) -> Reply:
    """Runs it. Nothing that it raises ends the worker."""
    try:
        return Answered(operation(*args))
    except SystemExit as error:  # it would end the caller's program
        return raised(RuntimeError(f"it called sys.exit({error.code!r})"))
    except BaseException as error:  # noqa: BLE001 - a worker's boundary: it is raised in the caller
        return raised(error)


def raised(error: BaseException) -> Raised:
    """The error as something that can be pickled and rebuilt, whatever it carries."""
    trace = "".join(traceback.format_exception(error))
    args = tuple(a if _survives(a) else repr(a) for a in error.args)
    attributes = {n: v for n, v in vars(error).items() if _survives(v)}
    whole, parts = Raised(error, type(error), (), {}, trace), Raised(None, type(error), args, attributes, trace)
    for candidate in (whole, parts):
        with contextlib.suppress(Exception):
            if str(cloudpickle.loads(cloudpickle.dumps(candidate)).rebuilt()) == str(error):
                return candidate
    return Raised(None, RuntimeError, (f"{type(error).__name__}: {error}",), {}, trace)


def _survives(value: Any) -> bool:
    """Whether the value can be pickled and rebuilt."""
    with contextlib.suppress(Exception):
        cloudpickle.loads(cloudpickle.dumps(value))
        return True
    return False
