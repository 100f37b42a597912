"""The stores that an output may lie on: a local folder, and moto's S3."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

from headrace.sinks.object_store import S3Store
from headrace.sinks.stores import LocalStore

Answer = tuple[int, dict[str, Any], Any]
Fault = Callable[[S3Response, Callable[[], Answer]], Answer]


@pytest.fixture(scope="session")
def faults() -> dict[str, list[Fault]]:
    """What is to come between a request and its answer, by request, once each."""
    return {"put_object": [], "_key_response_post": []}


@pytest.fixture(scope="session")
def endpoint(faults: dict[str, list[Fault]]) -> Iterator[str]:
    """moto's server. It looks at a condition first and writes then; S3 does both at once, and so it must here."""
    at_once = threading.RLock()

    def atomic(name: str) -> Callable[[S3Response], Answer]:
        original = getattr(S3Response, name)

        def called(self: S3Response, *arguments: Any) -> Answer:
            def proceed() -> Answer:
                with at_once:
                    return original(self, *arguments)  # type: ignore[no-any-return]

            return faults[name].pop(0)(self, proceed) if faults[name] else proceed()

        return called

    with pytest.MonkeyPatch.context() as patch:
        for name in faults:
            patch.setattr(S3Response, name, atomic(name))
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, faults: dict[str, list[Fault]]) -> Iterator[Any]:
    """An empty bucket that the environment leads to."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    settings = {"ENDPOINT_URL": endpoint, "ACCESS_KEY_ID": "AKIAKEY", "SECRET_ACCESS_KEY": "s3cr3t"}
    for name, value in (settings | {"DEFAULT_REGION": "us-east-1", "EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    bucket = boto3.resource("s3").Bucket("outputs")
    bucket.create()
    yield bucket
    for left in faults.values():
        left.clear()
    bucket.objects.delete()
    for upload in bucket.multipart_uploads.all():
        upload.abort()
    bucket.delete()


@pytest.fixture(params=["local", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an output may lie: a local path, or an address on S3."""
    if request.param == "local":
        return str(tmp_path / "out")
    request.getfixturevalue("bucket")
    return "s3://outputs/some/where"


@pytest.fixture
def store(address: str) -> LocalStore | S3Store:
    """A store there."""
    return S3Store(address) if address.startswith("s3:") else LocalStore(Path(address))


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file systems can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
