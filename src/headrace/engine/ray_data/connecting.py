"""A Ray to run on: the one that this process has, one at an address, or a local one that is started and stopped here.

What is decided for a Ray that is started here, and how to decide otherwise (a variable that is set is left alone):

- **A token of its own**, for as long as the process lives: Ray's ports listen on every interface, and who reaches them
  can run code. RAY_AUTH_MODE=token and a random RAY_AUTH_TOKEN, so that no ~/.ray/auth_token is written. Ray reads
  the mode when it is imported: where that has happened before, it is left as Ray has it.
- **No telemetry**: RAY_USAGE_STATS_ENABLED=0.
- **The dashboard as Ray has it**: where `ray[default]` is installed. It costs 0.7-1.6 s at the start and nine processes
  (2 cores); `connected(include_dashboard=False)` leaves it out.
- **Quiet**, as for any Ray that is connected to here: no workers' output, and of Ray's own log the errors only.
  RAY_LOG_TO_DRIVER=1 shows both.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core import optional
from headrace.core.errors import BadCluster
from headrace.engine.ray_data.answering import CLIENT, host_and_port, same_place, wrong_at

_OF_OUR_OWN_RAY = {"RAY_USAGE_STATS_ENABLED": "0"}
_AUTH = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
# Attempts of about 1 s each. Ray makes 20, and is 20 s over a cluster that refuses (and 120 s where nothing listens).
_OF_CONNECTING = {"RAY_gcs_server_port_wait_time_s": "5"}
_LOGGERS = ("ray", "ray.data")
_ADDRESSES = "give auto or HOST:6379 on a machine of the cluster, ray://HOST:10001 elsewhere, or none for a local Ray"


@dataclass(frozen=True, slots=True)
class Connection:
    """The Ray that this process is connected to.

    address: HOST:PORT, or ray://HOST:PORT. dashboard_url: http://..., None without one. version: Ray's.
    is_client: by Ray Client, so that this process is not a part of the cluster. started_here: a local Ray of our own.
    """

    address: str
    dashboard_url: str | None
    version: str
    is_client: bool
    started_here: bool


@contextlib.contextmanager
def connected(address: str | None = None, **of_own_ray: Any) -> Iterator[Connection]:
    """Connects to Ray, and afterwards undoes what it did; a Ray that this process has is used and left as it is.

    address: None follows RAY_ADDRESS, or starts a local Ray; "local" starts one in any case; "auto" follows
    RAY_ADDRESS, or takes the cluster on this machine; HOST:PORT; ray://HOST:PORT. The Ray that this process has must
    be the one at HOST:PORT. of_own_ray: more that `ray.init` takes, for one that is started here.
    Raises BadCluster, within about 10 s (Ray Client: 40 s), and MissingExtra.
    """
    own_token(address)
    ray = optional.load("ray", extra="ray", needed_for="the Ray engine")
    optional.load("ray.data", extra="ray", needed_for="the Ray engine")  # importing it sets its logger's level
    if ray.is_initialized():
        yield _found(ray, address)
        return
    target = _target(address)
    if target != "local":
        of_own_ray = {}
        _probe(target)
    with contextlib.ExitStack() as undoing:
        undoing.enter_context(_log_levels())
        undoing.enter_context(_environment(_OF_OUR_OWN_RAY if target == "local" else {}))
        undoing.enter_context(_signals())
        undoing.callback(ray.shutdown)
        yield _made(ray, target, of_own_ray)


def own_token(address: str | None) -> None:
    """Gives a local Ray that will be started here a token; to be called before Ray is imported. See above."""
    if _target(address) == "local" and "ray" not in sys.modules and not any(name in os.environ for name in _AUTH):
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def refusal(target: str, error: BaseException) -> BadCluster:
    """What to tell of Ray's refusal; its errors are told apart by their text, as their types are general."""
    told = _whole_text(error)
    if "Version mismatch" in told:
        versions = told.split("Version mismatch:", 1)[1].split("Traceback", 1)[0]
        what = f"another version of Ray or Python: {' '.join(versions.split())}"
        return BadCluster(target, what, "install the cluster's versions of Ray and Python here")
    if any(sign in told for sign in ("InvalidAuthToken", "Unauthenticated", "UNAUTHENTICATED", "uthentication token")):
        fix = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) to the cluster's"
        return BadCluster(target, "the cluster asks for an authentication token, and it was missing or wrong", fix)
    if "ray client connection timeout" in told:
        fix = "check that the port is Ray Client's (10001), and RAY_AUTH_TOKEN where the cluster asks for a token"
        return BadCluster(target, "Ray Client got no answer", fix)
    what = f"Ray could not be started: {_first_line(error)}" if target == "local" else _first_line(error)
    return BadCluster(target, what, "RAY_LOG_TO_DRIVER=1 shows more" if target == "local" else _ADDRESSES)


def _target(address: str | None) -> str:
    """What `ray.init` is to be told."""
    if address is None or address == "auto":
        return os.environ.get("RAY_ADDRESS") or address or "local"
    return address


def _found(ray: Any, address: str | None) -> Connection:
    """The Ray that this process has; raises BadCluster when another one is asked for."""
    client = ray.util.client.ray
    is_client = bool(client.is_connected())
    context = ray.get_runtime_context()
    here = CLIENT + client.get_context().client_worker._conn_str if is_client else str(context.gcs_address)
    if address not in (None, "auto", "local") and not same_place(address, here, ray.util.get_node_ip_address()):
        what = f"this process is connected to another Ray, at {here}"
        raise BadCluster(address, what, "call ray.shutdown() first, or leave the address out to use that one")
    node = None if is_client else ray._private.worker._global_node
    url = os.environ.get("RAY_OVERRIDE_DASHBOARD_URL") or (node.webui_url if node else None)
    return Connection(here, _url(url), ray.__version__, is_client, started_here=False)


def _probe(target: str) -> None:
    """Raises BadCluster where no Ray can be: `ray.init` would try for two minutes where nothing listens."""
    if target == "auto":
        from ray._private.services import canonicalize_bootstrap_address

        place = canonicalize_bootstrap_address("auto")
        if place is None:
            raise BadCluster("auto", "no Ray runs on this machine", "start one with ray start --head, or " + _ADDRESSES)
    else:
        place = target
    if target.startswith(CLIENT) and not optional.installed("grpc"):
        what = "Ray Client is not installed"
        raise BadCluster(target, what, "pip install 'ray[client]', or run on a machine of the cluster with auto")
    host_port = host_and_port(place)
    if host_port is None:
        raise BadCluster(target, "is not an address of Ray", _ADDRESSES)
    wrong = wrong_at(*host_port)
    if wrong is not None:
        raise BadCluster(target if target == place else f"{target} ({place})", wrong, _ADDRESSES)


def _made(ray: Any, target: str, of_own_ray: Mapping[str, Any]) -> Connection:
    shown = _logs_are_shown()
    level = logging.INFO if shown else logging.ERROR
    before = signal.getsignal(signal.SIGTERM)
    try:
        # Ray Client warns before it raises.
        with warnings.catch_warnings(), _environment(_OF_CONNECTING):
            warnings.simplefilter("ignore")
            context = ray.init(address=target, log_to_driver=shown, logging_level=level, **of_own_ray)
            is_client = target.startswith(CLIENT)
            here = target if is_client else str(ray.get_runtime_context().gcs_address)
    except Exception as error:
        raise refusal(target, error) from error
    if callable(before) and _in_main_thread():
        signal.signal(signal.SIGTERM, before)  # ray.init puts its own in the place of the program's
    return Connection(here, _url(context.dashboard_url), ray.__version__, is_client, started_here=target == "local")


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Sets what is not set, for as long as this lasts."""
    ours = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _log_levels() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    if not _logs_are_shown():
        for logger in loggers:
            logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Gives back the handler of SIGTERM that `ray.init` replaces."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and _in_main_thread():
            signal.signal(signal.SIGTERM, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _logs_are_shown() -> bool:
    return os.environ.get("RAY_LOG_TO_DRIVER", "0").lower() in ("1", "true")


def _url(address: str | None) -> str | None:
    if not address:
        return None
    return address if "://" in address else f"http://{address}"


def _whole_text(error: BaseException) -> str:
    """The texts of an error and of all that caused it."""
    texts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        texts.append(str(seen))
        seen = seen.__cause__ or seen.__context__
    return "\n".join(texts)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}".rstrip(": ")
