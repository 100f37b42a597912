"""A worker process: builds a stage, then maps the batches it is sent, until its pipe closes.

Started as a module (`python -m headrace.engine.local.child`), so that the user's script is not run again, as spawn and
forkserver would where it has no main guard.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback

import cloudpickle

from headrace.engine.local.channel import Channel


def main() -> None:
    """argv: file descriptors of requests and replies, of their two memfds and the one for stacks, then the parent's
    sys.path."""
    requests_fd, replies_fd, requests_memory, replies_memory, stacks = map(int, sys.argv[1:6])
    sys.path[:] = sys.argv[6:]
    faulthandler.enable(stacks)  # where it was when it crashed,
    faulthandler.register(signal.SIGUSR1, stacks)  # or when it is asked, because it gives no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    threading.Thread(target=end_with, args=(os.getppid(),), name="headrace-parent", daemon=True).start()
    with os.fdopen(requests_fd, "rb") as requests, os.fdopen(replies_fd, "wb") as replies:
        serve(Channel(requests, requests_memory), Channel(replies, replies_memory))


def end_with(parent: int) -> None:
    """Ends this process when its parent is gone: in the middle of a batch it would not see its pipe close."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def serve(requests: Channel, replies: Channel) -> None:
    """First message: the stage, cloudpickled. Replies are ("ok", result, cpu seconds) or ("error", error,
    traceback)."""
    try:
        call = cloudpickle.loads(requests.receive(copy=True)).open()
        replies.send(("ok", None, 0.0))  # building it is start-up, and counts as nobody's CPU
        while True:
            columns = requests.receive(copy=False)
            began = time.process_time()
            try:
                reply: tuple[object, ...] = ("ok", call(columns), time.process_time() - began)
            except Exception as error:  # noqa: BLE001 - a worker's boundary; it is sent to the parent, which raises it
                reply = ("error", portable(error), traceback.format_exc())
            replies.send(reply)
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 - building the stage failed; the parent raises it
        replies.send(("error", portable(error), traceback.format_exc()))


def portable(error: Exception) -> Exception:
    """The error, or a RuntimeError with its text where it cannot be pickled and rebuilt."""
    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever pickling raises, the text must get through
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    main()
