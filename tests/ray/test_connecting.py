"""Connecting to Ray: what is used, what is started and stopped, and what is said where there is none."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.core import optional
from headrace.core.errors import BadCluster, MissingExtra
from headrace.engine.ray_data.answering import host_and_port, same_place, wrong_at
from headrace.engine.ray_data.connecting import Connection, connected, refusal

ray = pytest.importorskip("ray")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where something takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def web_port() -> Iterator[int]:
    """A port where something answers every connection as a web server of HTTP/1 does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(64)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.fixture
def free_port() -> int:
    """A port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.usefixtures("no_ray")
def test_without_an_address_a_local_ray_is_started_and_stopped_and_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    before = logging.getLogger("ray").level, signal.getsignal(signal.SIGTERM)
    with connected(num_cpus=1, include_dashboard=False) as connection:
        assert connection.started_here
        assert not connection.is_client
        assert connection.dashboard_url is None
        assert connection.version == ray.__version__
        assert host_and_port(connection.address) is not None
        assert ray.cluster_resources()["CPU"] == 1
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert logging.getLogger("ray").level == logging.ERROR
    assert not ray.is_initialized()
    assert (logging.getLogger("ray").level, signal.getsignal(signal.SIGTERM)) == before
    assert not {"RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED", "RAY_gcs_server_port_wait_time_s"} & set(os.environ)
    assert list(tmp_path.iterdir()) == []


_OWN = """
import os, ray_less
from headrace.engine.ray_data.connecting import connected
with connected("local", num_cpus=1, include_dashboard=False):
    import ray
    print(os.environ["RAY_AUTH_MODE"], len(os.environ["RAY_AUTH_TOKEN"]), ray.get(ray.remote(lambda: 7).remote()))
"""


def test_a_local_ray_takes_nobody_without_its_token_and_writes_none(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    (tmp_path / "ray_less.py").write_text("import sys\nassert 'ray' not in sys.modules\n")
    environment = kept | {"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", _OWN], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split()[-3:] == ["token", "64", "7"]
    assert not (tmp_path / ".ray").exists()


def test_a_ray_that_this_process_has_is_used_and_left_running(local_ray: Connection) -> None:
    host, _, port = local_ray.address.rpartition(":")
    for address in (None, "auto", local_ray.address, f"localhost:{port}", f"127.0.0.1:{port}"):
        with connected(address) as connection:
            assert connection.address == f"{host}:{port}"
            assert not connection.started_here
        assert ray.is_initialized()


def test_another_address_than_that_of_the_ray_that_this_process_has_is_refused(local_ray: Connection) -> None:
    for address in ("127.0.0.1:1", "ray://127.0.0.1:10001", f"192.0.2.77:{local_ray.address.rpartition(':')[2]}"):
        with pytest.raises(BadCluster, match=r"connected to another Ray.*ray\.shutdown\(\)"), connected(address):
            pass
    assert ray.is_initialized()


@pytest.mark.slow
def test_a_cluster_is_found_by_its_address_by_auto_and_by_the_environment(
    cluster: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = cluster({"num_cpus": 1}).address
    ray.shutdown()
    with connected(address) as connection:
        assert connection == Connection(address, None, ray.__version__, is_client=False, started_here=False)
    monkeypatch.setenv("RAY_ADDRESS", address)
    for asked in (None, "auto"):
        with connected(asked) as connection:
            assert connection.address == address
    monkeypatch.delenv("RAY_ADDRESS")
    with connected("auto") as connection:
        assert ray.cluster_resources()["CPU"] == 1


@pytest.mark.usefixtures("no_ray")
def test_a_program_keeps_its_own_handler_of_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(number: int, frame: object) -> None:
        pass

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with connected("local", num_cpus=1, include_dashboard=False):
            assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("no_ray")
def test_auto_without_a_cluster_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray._private.services.canonicalize_bootstrap_address", lambda address: None)
    with pytest.raises(BadCluster, match="auto: no Ray runs on this machine; start one with ray start --head"):
        connected("auto").__enter__()


@pytest.mark.usefixtures("no_ray")
@pytest.mark.timeout(60)
def test_where_nothing_listens_is_told_at_once(free_port: int) -> None:
    with pytest.raises(BadCluster, match=f"127.0.0.1:{free_port}: nothing listens there; give auto"):
        connected(f"127.0.0.1:{free_port}").__enter__()


@pytest.mark.usefixtures("no_ray")
@pytest.mark.timeout(60)
def test_a_server_that_is_no_ray_is_told(web_port: int) -> None:
    with pytest.raises(BadCluster, match=f"127.0.0.1:{web_port}: what listens there is no Ray cluster"):
        connected(f"127.0.0.1:{web_port}").__enter__()


@pytest.mark.timeout(60)
def test_a_server_that_says_nothing_is_told(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.engine.ray_data.answering._ANSWER_S", 0.1)
    assert wrong_at("127.0.0.1", silent_port) == "nothing answers there within 0.1 s"
    monkeypatch.setenv("RAY_USE_TLS", "1")
    assert wrong_at("127.0.0.1", silent_port) is None


def test_a_name_that_is_none_is_told() -> None:
    assert "the name no-such-host.invalid cannot be resolved" in str(wrong_at("no-such-host.invalid", 6379))


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize("address", ["nonsense", "host", "http://x:8265", "host:99999", "host:", ":6379", "ray://"])
def test_what_is_no_address_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional, "installed", lambda module: True)
    with pytest.raises(BadCluster, match=f"{address}: is not an address of Ray; give auto or HOST:6379"):
        connected(address).__enter__()


@pytest.mark.usefixtures("no_ray")
def test_ray_client_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional, "installed", lambda module: module != "grpc")
    with pytest.raises(BadCluster, match=r"Ray Client is not installed; pip install 'ray\[client\]'"):
        connected("ray://127.0.0.1:10001").__enter__()


def test_ray_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"the Ray engine needs ray: pip install 'headrace\[ray\]'"):
        connected().__enter__()


def test_another_version_is_told_with_both_versions() -> None:
    from ray._private.utils import check_version_info

    with pytest.raises(RuntimeError) as raised:
        check_version_info({"ray_version": "2.9.0", "python_version": "3.8.1"}, "Ray Client")
    told = str(refusal("ray://head:10001", raised.value))
    assert "ray://head:10001: another version of Ray or Python: The cluster was started with: Ray: 2.9.0" in told
    assert f"Ray: {ray.__version__}" in told
    assert told.endswith("install the cluster's versions of Ray and Python here")


def _wrapped(cause: str) -> ConnectionError:
    error = ConnectionError("Failed to connect to Ray cluster at 192.0.2.2:6390")
    error.__cause__ = RuntimeError(cause)
    return error


@pytest.mark.parametrize(
    "error",
    [
        _wrapped("RPC error: InvalidAuthToken: Authentication token is missing or incorrect"),
        ray.exceptions.AuthenticationError("Token authentication is enabled but no authentication token was found"),
    ],
)
def test_a_token_that_is_missing_or_wrong_is_told(error: Exception) -> None:
    assert str(refusal("head:6379", error)).startswith("head:6379: the cluster asks for an authentication token")


def test_any_other_refusal_is_told_in_its_own_words() -> None:
    assert str(refusal("head:6379", _wrapped("what it was"))).startswith(
        "head:6379: ConnectionError: Failed to connect to Ray cluster at 192.0.2.2:6390; give auto"
    )
    assert "Ray could not be started: ValueError; RAY_LOG_TO_DRIVER=1 shows more" in str(refusal("local", ValueError()))


@pytest.mark.parametrize(
    ("asked", "here", "same"),
    [
        ("localhost:6379", "192.0.2.9:6379", True),
        ("192.0.2.9:6379", "192.0.2.9:6379", True),
        ("192.0.2.9:6380", "192.0.2.9:6379", False),
        ("192.0.2.8:6379", "192.0.2.9:6379", False),
        ("ray://localhost:10001", "ray://192.0.2.9:10001", True),
        ("ray://localhost:6379", "192.0.2.9:6379", False),
        ("[2001:db8::1]:6379", "[2001:db8::1]:6379", True),
    ],
)
def test_one_place_may_be_named_in_several_ways(asked: str, here: str, same: bool) -> None:
    assert same_place(asked, here, "192.0.2.9") is same
