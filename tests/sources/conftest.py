"""Servers that fail as they are told to, and a patience that never sleeps."""

import collections
import http.client
import http.server
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import boto3
import pytest
from fsspec.asyn import sync
from fsspec.implementations.http import HTTPFileSystem
from moto.server import ThreadedMotoServer
from pyarrow import fs

from headrace.sources import retrying


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that reads would have waited before they were tried again."""
    seconds: list[float] = []
    monkeypatch.setattr(retrying, "PATIENCE", replace(retrying.PATIENCE, sleep=seconds.append))
    return seconds


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: "Faulty"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, path))
        fault = next(self.server.faults.get((self.command, path), iter(())), None)
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif fault == "cut":
            self._answer(200, {"Content-Length": "5000"}, b"the first bytes")
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault == "hang":
            self.server.ending.wait()
            self.close_connection = True
        elif isinstance(fault, tuple):
            status, headers, body = fault
            self._answer(status, {"Content-Length": str(len(body))} | headers, body)
        else:
            self._answer(*self.server.answer(self))

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


def _in_full(fault: Any) -> Any:
    return (fault, {}, b"no") if isinstance(fault, int) else fault


class Faulty(http.server.ThreadingHTTPServer):
    """A server of `files`, or in front of `upstream`; `requests` are those that reached it."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1", upstream: tuple[str, int] | None = None) -> None:
        super().__init__((host, 0), _Handler)
        self.upstream = upstream
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.faults: dict[tuple[str, str], Iterator[Any]] = collections.defaultdict(lambda: iter(()))
        self.ending = threading.Event()

    @property
    def address(self) -> str:
        return f"{self.server_address[0]!s}:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def fail(self, path: str, faults: Iterable[Any], *, method: str = "GET") -> None:
        """Answers the next requests for `path` with `faults`: a status, (status, headers, body), reset, cut or hang;
        None is no fault."""
        self.faults[method, path] = map(_in_full, faults)  # no generator: two requests at once may ask for the next

    def count(self, path: str, method: str = "GET") -> int:
        return self.requests.count((method, path))

    def answer(self, request: _Handler) -> tuple[int, dict[str, str], bytes]:
        if self.upstream is not None:
            return self._forwarded(request, self.upstream)
        body = self.files.get(request.path.partition("?")[0])
        if body is None:
            return 404, {"Content-Length": "0"}, b""
        kind = "text/html" if request.path.endswith("/") else "image/jpeg"
        status, headers = 200, {"Content-Type": kind}
        if wanted := request.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            total = len(body)
            body = body[int(first) : int(last) + 1]
            status, headers["Content-Range"] = 206, f"bytes {first}-{int(first) + len(body) - 1}/{total}"
        return status, headers | {"Content-Length": str(len(body)), "Accept-Ranges": "bytes"}, body

    def _forwarded(self, request: _Handler, upstream: tuple[str, int]) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(*upstream)
        sent = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        connection.request(request.command, request.path, sent, dict(request.headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        dropped = ("connection", "transfer-encoding", "content-length", "date", "server")
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
        return answer.status, headers | {"Content-Length": answer.getheader("Content-Length") or str(len(body))}, body


@pytest.fixture
def start() -> Iterator[Callable[..., Faulty]]:
    """Starts a server; all are stopped at the end."""
    with ExitStack() as stack:

        def started(**options: Any) -> Faulty:
            server = stack.enter_context(Faulty(**options))
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            stack.callback(server.ending.set)
            return server

        yield started


@pytest.fixture
def new_sessions() -> Iterator[None]:
    """Web sessions of the test's own, closed at its end."""
    _close_sessions()
    yield
    _close_sessions()


def _close_sessions() -> None:
    for filesystem in HTTPFileSystem._cache.values():
        if filesystem._session is not None:
            sync(filesystem.loop, filesystem._session.close)
    HTTPFileSystem.clear_instance_cache()


@pytest.fixture
def web(start: Callable[..., Faulty], new_sessions: None) -> Faulty:
    """A web server with the files /a.jpg, /b.jpg and an index page."""
    server = start()
    server.files = {
        "/": b'<a href="a.jpg">a</a> <a href="b.jpg">b</a>',
        "/a.jpg": b"bytes of a",
        "/b.jpg": b"bytes of b",
    }
    return server


@pytest.fixture(scope="session")
def endpoint() -> Iterator[tuple[str, int]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def bucket(endpoint: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket that the environment leads to."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    settings = {
        "ENDPOINT_URL": "http://{}:{}".format(*endpoint),
        "ACCESS_KEY_ID": "id",
        "SECRET_ACCESS_KEY": "no",
        "DEFAULT_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    resource = boto3.resource("s3")
    bucket = resource.Bucket("photos")
    bucket.create()
    bucket.objects.delete()  # all of moto's servers in a process hold the same buckets
    yield bucket
    if bucket.creation_date is not None:
        bucket.objects.delete()
        bucket.delete()


@pytest.fixture
def store(start: Callable[..., Faulty], endpoint: tuple[str, int], bucket: Any) -> Faulty:
    """A server in front of the bucket, which holds in/a.jpg and in/b.jpg."""
    for name in ("a", "b"):  # longer than an error: pyarrow reads answers into a buffer of the object's size
        bucket.put_object(Key=f"in/{name}.jpg", Body=f"bytes of {name}".encode() * 100)
    return start(upstream=endpoint)


@pytest.fixture
def impatient(store: Faulty) -> fs.S3FileSystem:
    """The bucket by way of that server, without the retries of pyarrow's own."""
    return fs.S3FileSystem(
        endpoint_override=store.address,
        scheme="http",
        region="us-east-1",
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    )
