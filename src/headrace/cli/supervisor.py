"""A process that looks after the one that works: after a crash in native code it is started again, and goes on."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from headrace.engine.flow.recorder import DIED

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MEANT = (*_FORWARDED, signal.SIGKILL, signal.SIGPIPE)
_LIVES = 1000  # it stops long before: the recorder counts deaths without progress
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def supervised(work: Callable[[], int], told: Callable[[str], None]) -> int:
    """The exit code of `work`, run in a child process, and again where that crashed. `told` is given what happened.

    It returns in the child too, whose caller shall exit with the code. The child dies with this process, and death by a
    signal that someone meant is not mended: 128 + its number.
    """
    for _ in range(_LIVES):
        reading, writing = os.pipe()
        supervisor = os.getpid()
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _live_under(supervisor)
            code = work()
            os.write(writing, bytes([code]))
            return code
        os.close(writing)
        code = os.waitstatus_to_exitcode(_waited(child))
        if (said := _goodbye(reading)) is not None:
            return said
        if -code in _MEANT:
            told(f"ended by {_name(code)}; run the same command again to go on from here")
            return 128 - code
        os.environ[DIED] = str(child)
        told(f"the process died ({_name(code)}); a new one goes on from there")
    return 1


def _goodbye(reading: int) -> int | None:
    """The exit code that the child left; None when it did not come to that.

    Waits for nobody: processes that its code has forked hold the pipe too.
    """
    os.set_blocking(reading, False)
    try:
        said = os.read(reading, 1)
    except BlockingIOError:
        said = b""
    finally:
        os.close(reading)
    return said[0] if said else None


def _name(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    return signal.Signals(-code).name + (", as when memory runs out" if -code == signal.SIGKILL else "")


def _live_under(supervisor: int) -> None:
    """Ends with the supervisor; gets signals from it alone, also those that a terminal sends to a whole group."""
    os.setpgid(0, 0)
    with contextlib.suppress(OSError, AttributeError):  # where there is no prctl, an orphan lives on to its end
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)


def _waited(child: int) -> int:
    """The child's status at its end; meanwhile signals are passed on."""

    def forward(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    def pause(_number: int, _frame: FrameType | None) -> None:
        os.kill(child, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.kill(child, signal.SIGCONT)  # here it goes on once this process does

    kept = {number: signal.signal(number, forward) for number in _FORWARDED}
    kept[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, pause)
    try:
        return os.waitpid(child, 0)[1]
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
