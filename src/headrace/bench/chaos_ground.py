"""Where the jobs of `headrace bench chaos` are run: their inputs, their output folders, and an object store."""

from __future__ import annotations

import io
import logging
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image
from pyarrow import fs

import headrace.demo
from headrace.bench.chaos_kills import Command
from headrace.bench.chaos_output import Folder
from headrace.core.optional import load

_BUCKET = "chaos"
_POLL_STORE_S = 0.01  # moto's server runs in this process: asking more often would only slow it
_BAD_EVERY = 23  # of the photos; none of the kinds of bad ones falls into the same place of its partition twice
_PLAN = 'schema_version = 1\n[stages.digits]\nvalue = "processes:2"\n'


@dataclass(frozen=True)
class Job:
    """A job that is killed. runs: its name in chaos_jobs. photos: how many it reads; 0: items, by a saved plan.

    first: what has filled the folder before, undisturbed. supervised: it works in a child process.
    """

    name: str
    runs: str
    photos: int = 0
    first: str | None = None
    supervised: bool = False
    s3_input: bool = False
    s3_output: bool = False


class Ground:
    """A folder for inputs, outputs and logs, and where `endpoint` says so a bucket of the same."""

    def __init__(self, work: Path, endpoint: str | None) -> None:
        self.work, self.endpoint = work, endpoint
        self._local = fs.LocalFileSystem()

    @cached_property
    def _s3(self) -> fs.FileSystem:
        assert self.endpoint is not None
        store = fs.S3FileSystem(
            access_key="id",
            secret_key="no",  # noqa: S106 - moto's server takes any
            endpoint_override=self.endpoint,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        store.create_dir(_BUCKET)
        return store

    @cached_property
    def environment(self) -> dict[str, str]:
        """Ours without proxies, with a cache of its own, and keys to the bucket."""
        kept = {n: v for n, v in os.environ.items() if not n.lower().endswith("_proxy") and not n.startswith("AWS_")}
        keys = {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "no", "DEFAULT_REGION": "us-east-1"}
        keys |= {"ENDPOINT_URL": f"http://{self.endpoint}", "EC2_METADATA_DISABLED": "true"}
        return kept | {"XDG_CACHE_HOME": str(self.work / "cache")} | {f"AWS_{n}": v for n, v in keys.items()}

    def input(self, job: Job) -> str:
        """What the job reads, made where it is missing."""
        if job.photos == 0:
            plan = self.work / "plan.toml"
            plan.write_text(_PLAN)
            return str(plan)
        folder = self.work / f"photos-{job.photos}"
        if not folder.exists():
            folder.mkdir()
            for number, data in enumerate(_photos(job.photos)):
                (folder / f"{number:04d}.jpg").write_bytes(data)
        if not job.s3_input:
            return str(folder)
        there = f"{_BUCKET}/{folder.name}"
        if self._s3.get_file_info(there).type == fs.FileType.NotFound:
            fs.copy_files(str(folder), there, destination_filesystem=self._s3)
        return f"s3://{there}"

    @contextmanager
    def commands(self, job: Job) -> Iterator[list[Command]]:
        """The job's command, with the one that comes before it, into an output folder that is gone afterwards."""
        scratch = self.work / f"{job.name}-{uuid.uuid4().hex[:8]}"
        scratch.mkdir()
        local = str(scratch / "out")
        if job.s3_output:
            folder = Folder(self._s3, f"{_BUCKET}/{scratch.name}", poll_s=_POLL_STORE_S)
            out = f"s3://{folder.root}"
        else:
            folder, out = Folder(self._local, local), local
        line = [sys.executable, "-m", "headrace.bench.chaos_jobs"]
        targets = ("all", "main", "child") if job.supervised else ("all", "main")
        runs = [name for name in (job.first, job.runs) if name is not None]
        try:
            lines = [[*line, name, self.input(job), out] for name in runs]
            yield [Command(line, self.environment, folder, scratch, targets) for line in lines]
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            if job.s3_output:
                self._s3.delete_dir(folder.root)


@contextmanager
def ground(work: Path, *, s3: bool) -> Iterator[Ground]:
    """A ground below `work`, gone afterwards; with `s3` moto's server runs meanwhile. Raises MissingExtra."""
    scratch = work.absolute() / f"chaos-{uuid.uuid4().hex[:8]}"
    scratch.mkdir(parents=True)
    server = None
    try:
        if s3:
            moto = load("moto.server", extra="bench", needed_for="the benchmark of kills")
            logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every request otherwise
            server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
            server.start()
        yield Ground(scratch, "{}:{}".format(*server.get_host_and_port()) if server is not None else None)
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(scratch, ignore_errors=True)


def _photos(count: int) -> Iterator[bytes]:
    """Small JPEGs of the demo's photos, and among them what is none."""
    whole = []
    for number, path in enumerate(sorted(headrace.demo.PHOTOS.iterdir())):
        with Image.open(path) as photo:
            for turn in range(4):
                small = photo.convert("RGB").rotate(90 * turn, expand=True).resize((56 + 4 * turn, 40 + 4 * number))
                buffer = io.BytesIO()
                small.save(buffer, "JPEG")
                whole.append(buffer.getvalue())
    for number in range(count):
        good = whole[number % len(whole)]
        bad = (good[: len(good) // 3], b"", b"not a photo")[number // _BAD_EVERY % 3]
        yield bad if number % _BAD_EVERY == _BAD_EVERY - 1 else good
