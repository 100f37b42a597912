"""Keys, tokens and signatures are used, and stand nowhere afterwards: in no file of the output, in nothing said."""

import functools
import http.server
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from headrace import demo

MODEL = str(demo.MODEL)
MARK = "c0ffee5ecret"
SECRETS = {
    "AWS_ACCESS_KEY_ID": f"AKIA{MARK}",
    "AWS_SECRET_ACCESS_KEY": f"{MARK}/+key",
    "AWS_SESSION_TOKEN": f"{MARK}token==",
    "DATABASE_PASSWORD": f"{MARK}password",
}
PLACE = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "NO_PROXY": "127.0.0.1",
}

Headrace = Callable[..., Any]


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def environment(endpoint: str, photos: Path) -> dict[str, str]:
    """The way to a bucket with two photos and one that is none, and marked keys to it."""
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="id", aws_secret_access_key="no", region_name="us-east-1"
    )
    client.create_bucket(Bucket="photos")
    for photo in photos.iterdir():
        client.put_object(Bucket="photos", Key=f"in/{photo.name}", Body=photo.read_bytes())
    client.put_object(Bucket="photos", Key="in/broken.jpg", Body=b"no photo")
    return {"AWS_ENDPOINT_URL": endpoint} | PLACE | SECRETS


def assert_unmarked(done: Any, *folders: Path) -> None:
    """No stream and no file, Parquet as it lies there and decoded, holds the mark in any case."""
    found = [done.out, done.err]
    for path in [p for folder in folders for p in folder.rglob("*") if p.is_file()]:
        found += [str(path).encode(), path.read_bytes()]
        if path.suffix == ".parquet":
            found.append(f"{pq.read_table(path).to_pylist()} {pq.read_schema(path)} {pq.read_metadata(path)}".encode())
            found.append(repr(pq.read_metadata(path).metadata).encode())
    assert [text for text in found if MARK.encode() in text.lower()] == []


def test_keys_of_a_job_that_works(headrace: Headrace, environment: dict[str, str], tmp_path: Path) -> None:
    line = ["s3://photos/in", "--model", MODEL, "--out", "preds", "--max-rejected", 1]
    done = headrace("run", *line, **environment)
    assert done.code == 0, done.err
    assert pq.read_table("preds").num_rows == 2
    assert len(list(Path("preds/_headrace/rejects").glob("*.parquet"))) == 1
    assert_unmarked(done, tmp_path)
    assert_unmarked(headrace("run", *line, "--json", **environment), tmp_path)
    assert_unmarked(headrace("plan", *line[:3], "--save", "plan.toml", **environment), tmp_path)


def test_keys_of_a_job_that_fails(headrace: Headrace, environment: dict[str, str], tmp_path: Path) -> None:
    Path("fails.py").write_text("def fails(batch):\n    raise ValueError('no')\n")
    for line in (
        ["s3://photos/in", "--model", MODEL, "--out", "preds", "--on-error", "fail"],
        ["s3://photos/in", "--model", "fails.py:fails", "--out", "other"],
        ["s3://photos/nowhere", "--model", MODEL, "--out", "preds"],
        ["s3://no-such-bucket/in", "--model", MODEL, "--out", "preds"],
    ):
        done = headrace("run", *line, **environment)
        assert done.code in (1, 2, 3), done.err
        assert_unmarked(done, tmp_path)


def test_keys_that_are_refused(headrace: Headrace, environment: dict[str, str], endpoint: str, tmp_path: Path) -> None:
    def checks_keys_after(requests: str) -> None:
        address, kind = f"{endpoint}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(address, requests.encode(), kind)).close()

    checks_keys_after("0")
    try:
        done = headrace("run", "s3://photos/in", "--model", MODEL, "--out", "preds", **environment)
    finally:
        checks_keys_after("inf")
    assert done.code == 2, done.err
    assert_unmarked(done, tmp_path)


@pytest.mark.parametrize("secret", [f"{MARK}key", f"{MARK}/slashed", f"{MARK}/sla/shed+"])
def test_keys_written_into_an_address(headrace: Headrace, secret: str, tmp_path: Path) -> None:
    done = headrace("run", f"s3://AKIAID:{secret}@photos/in", "--model", MODEL, "--out", "preds", **PLACE)
    assert done.code == 2
    assert done.err.startswith(b"headrace: ")
    assert_unmarked(done, tmp_path)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the photos to whoever has signed, but for those that it denies to all."""

    def log_message(self, *_: object) -> None:
        pass

    def send_head(self) -> Any:
        if MARK not in self.path or "denied" in self.path:
            self.send_error(403)
            return None
        return super().send_head()


@pytest.fixture
def web(photos: Path) -> Iterator[str]:
    """Host and port of a web server with the photos, and one that is none."""
    (photos / "broken.png").write_bytes(b"no photo")
    handler = functools.partial(_Quiet, directory=str(photos))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


QUERY = f"?X-Amz-Credential=AKIA%2F1&X-Amz-Signature={MARK}&X-Amz-Security-Token={MARK}"


@pytest.mark.parametrize("model", [MODEL, "fails.py:fails"])
def test_signature_of_an_address(headrace: Headrace, web: str, model: str, tmp_path: Path) -> None:
    Path("fails.py").write_text("def fails(batch):\n    raise ValueError(list(batch['path']))\n")
    addresses = [f"http://{web}/{name}{QUERY}" for name in ("chelsea.png", "coffee.png", "broken.png")]
    done = headrace("run", *addresses, "--model", model, "--out", "preds", "--max-rejected", 1, **PLACE)
    assert done.code in (0, 1), done.err
    if model == MODEL:
        assert pq.read_table("preds").num_rows == 2
    assert_unmarked(done, tmp_path / "preds")


@pytest.mark.parametrize("name", ["nowhere.png", "denied.png"])
def test_signature_of_an_address_that_is_refused(headrace: Headrace, web: str, name: str, tmp_path: Path) -> None:
    done = headrace("run", f"http://{web}/{name}{QUERY}", "--model", MODEL, "--out", "preds", **PLACE)
    assert done.code in (1, 2), done.out
    assert name.encode() in done.err
    assert_unmarked(done, tmp_path)
