"""A live pool's worker process: does what it is asked with a `Holder`, until its pipe closes.

Started as a module (`python -m headrace.engine.local.pool_child`), so that the user's script is not run again.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from headrace.engine.local.channel import Channel
from headrace.engine.local.child import end_with
from headrace.engine.pooling.holder import Holder
from headrace.engine.pooling.replies import Reply, raised, reply_of


def main() -> None:
    """argv: the parent's process id, file descriptors of requests, replies and states, of the memfds of requests and
    replies and the one for stacks, then the parent's sys.path."""
    parent, requests_fd, replies_fd, states_fd, requests_memory, replies_memory, stacks = map(int, sys.argv[1:8])
    sys.path[:] = sys.argv[8:]
    faulthandler.enable(stacks)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    threading.Thread(target=end_with, args=(parent,), name="headrace-parent", daemon=True).start()
    with os.fdopen(requests_fd, "rb") as requests, os.fdopen(replies_fd, "wb") as replies:
        states = socket.socket(fileno=states_fd)
        states.settimeout(0)
        serve(Channel(requests, requests_memory), Channel(replies, replies_memory), states)


def serve(requests: Channel, replies: Channel, states: socket.socket) -> None:
    """Requests are (operation, args); the file descriptors of the states that one needs come before it."""
    holder = Holder()
    while True:
        reply: Reply
        try:
            operation, args = requests.receive(copy=True)  # a method may keep what it is given
        except EOFError:
            return
        except Exception as error:  # noqa: BLE001 - the arguments could not be unpickled here; the parent raises it
            reply = raised(error)
        else:
            reply = reply_of(_done, holder, operation, args, _received(states))
        try:
            replies.send(reply)
        except BrokenPipeError:
            os._exit(1)  # nobody reads the answer; closing the pipe would try to write it once more
        except Exception as error:  # noqa: BLE001 - the answer could not be pickled; the parent raises it
            error.add_note("the answer cannot be sent back")
            replies.send(raised(error))


def _received(states: socket.socket) -> list[int]:
    """The file descriptors that came with the request."""
    try:
        return socket.recv_fds(states, 1, 2)[1]
    except BlockingIOError:
        return []


def _done(holder: Holder, operation: str, args: tuple[Any, ...], fds: list[int]) -> Any:
    act: Callable[..., Any] = getattr(holder, operation)
    if operation != "update":
        return act(*args, *map(_mapped, fds))
    new, base = fds[0], _mapped(fds[1]) if len(fds) > 1 else None
    with os.fdopen(new, "wb") as into:
        return act(*args, base, into)


def _mapped(fd: int) -> mmap.mmap:
    """The bytes of a state, which the mapping keeps."""
    try:
        return mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    finally:
        os.close(fd)


if __name__ == "__main__":
    main()
