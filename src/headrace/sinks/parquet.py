"""The output folder: Parquet part files, each one being its partition's commit."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.core.batch import Columns, Reject
from headrace.core.errors import BadOutput, WriteFailed
from headrace.core.partition import Account, Partition
from headrace.core.report import RunReport
from headrace.sinks.publish import publish, replace
from headrace.sinks.tables import reject_table, table_of

FOOTER_KEY = b"headrace"
JOB_SCHEMA = 1
_PART = re.compile(r"part-(\d{8,})\.parquet")


class ParquetFolder:
    """A local folder of part files, with `_headrace/` beside them for job, plan, report and rejects."""

    def __init__(self, out: str | Path, fingerprint: str = "") -> None:
        if "://" in str(out):
            raise BadOutput(str(out), "is not a local path", "write to a local folder and copy it from there")
        self.root = Path(out).expanduser().absolute()
        self.state = self.root / "_headrace"
        self.fingerprint = fingerprint
        self._schema: pa.Schema | None = None

    @cached_property
    def staging(self) -> Path:
        """Where files are written before they are published."""
        folder = self.state / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def report_path(self) -> Path:
        """The report's file."""
        return self.state / "report.json"

    @property
    def plan_path(self) -> Path:
        """The settled plan's file."""
        return self.state / "plan.toml"

    def check(self) -> None:
        """Makes sure that the folder can be written and holds no foreign Parquet. Raises BadOutput."""
        missing: list[Path] = []
        try:
            if self.root.exists() and not self.root.is_dir():
                raise BadOutput(str(self.root), "is a file", "name a folder")
            if not self.state.exists() and self.root.is_dir() and any(self.root.glob("*.parquet")):
                what = "holds Parquet files that headrace did not write"
                raise BadOutput(str(self.root), what, "name an empty or new folder")
            missing = [p for p in (self.state / "tmp", self.state, self.root, *self.root.parents) if not p.exists()]
            probe = self.staging / f"probe.{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            fix = "choose a folder that you may write"
            raise BadOutput(str(self.root), f"cannot be written ({error.strerror})", fix) from error
        finally:
            self._unstage(missing)

    def _unstage(self, folders: Sequence[Path]) -> None:
        """Removes folders that a check has made, innermost first: a run that is refused leaves nothing behind."""
        for folder in folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        self.__dict__.pop("staging", None)

    def clear(self) -> None:
        """Removes what headrace wrote there, parts before the record of the job. Raises BadOutput."""
        try:
            for part in self._parts():
                part.unlink()
        except OSError as error:
            raise BadOutput(str(self.root), f"cannot be cleared ({error.strerror})", "remove it by hand") from error
        shutil.rmtree(self.state, ignore_errors=True)
        self.__dict__.pop("staging", None)

    def read_job(self) -> dict[str, Any] | None:
        """The recorded job; None when the folder holds none. Raises BadOutput on a broken record, or parts without
        one."""
        path = self.state / "job.json"
        try:
            job: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            if self._parts():
                what = "holds part files, but no record of their job"
                raise BadOutput(str(self.root), what, "--overwrite starts anew") from None
            return None
        except (OSError, ValueError) as error:
            raise BadOutput(str(path), f"is not readable ({error})", "--overwrite starts anew") from error
        if not isinstance(job, dict) or job.get("schema_version") != JOB_SCHEMA:
            raise BadOutput(str(path), f"is no record of schema {JOB_SCHEMA}", "--overwrite starts anew")
        return job

    def begin(self, job: dict[str, Any]) -> None:
        """Records the job of an empty folder. Raises BadOutput when another run has begun there meanwhile."""
        text = json.dumps({"schema_version": JOB_SCHEMA} | job, indent=2)
        target = self.state / "job.json"
        try:
            first = publish(text.encode(), target, self.staging)
        except OSError as error:
            raise WriteFailed(str(target), error.strerror or str(error)) from error
        if not first:
            raise BadOutput(
                str(self.root), "another run has begun there meanwhile", "wait for it, or choose another folder"
            )

    def read_report(self) -> RunReport | None:
        """The report of the last session; None when there is none that can be read."""
        try:
            return RunReport.from_json(self.report_path.read_text())
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_state(self, name: str, text: str) -> None:
        """Writes `_headrace/<name>` whole. Raises WriteFailed."""
        try:
            replace(text.encode(), self.state / name, self.staging)
        except OSError as error:
            raise WriteFailed(str(self.state / name), error.strerror or str(error)) from error

    def committed(self) -> dict[int, Account]:
        """The accounts in the footers of the part files there are. Raises BadOutput on a foreign or broken part."""
        return dict(_account(part, self.fingerprint) for part in self._parts())

    def _parts(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return sorted(p for p in self.root.iterdir() if _PART.fullmatch(p.name))

    def publish(self, partition: Partition, columns: Columns, account: Account, rejects: Sequence[Reject]) -> Account:
        """Writes the rejects under a name of their own, then publishes the part, which names them.

        When another attempt has published the partition, this one's files are discarded and the other's account is
        returned. Raises WriteFailed.
        """
        assert account.balanced(), (partition, account)
        attempt = uuid.uuid4().hex[:12]
        target = self.root / f"part-{partition.number:08d}.parquet"
        rejects_path = self.state / "rejects" / f"part-{partition.number:08d}-{attempt}.parquet"
        footer = {
            "partition": asdict(partition),
            "attempt": attempt,
            "account": asdict(account),
            "rejects": rejects_path.name if rejects else None,
            "fingerprint": self.fingerprint,
        }
        try:
            if rejects:
                rejects_path.parent.mkdir(parents=True, exist_ok=True)
                publish(encode(reject_table(rejects), {}), rejects_path, self.staging)
            data = encode(self._uniform(table_of(columns)), footer)
            published = publish(data, target, self.staging)
        except OSError as error:
            rejects_path.unlink(missing_ok=True)
            raise WriteFailed(str(target), error.strerror or str(error)) from error
        if published:
            self._log(target.name, data)
            return account
        rejects_path.unlink(missing_ok=True)
        return _account(target, self.fingerprint)[1]

    def _uniform(self, table: pa.Table) -> pa.Table:
        """The table in the types of the first part that has rows, so that all read as one. Raises ArrowInvalid where
        they do not fit."""
        if self._schema is None:
            written = (pq.ParquetFile(part) for part in self._parts())
            self._schema = next((f.schema_arrow.remove_metadata() for f in written if f.metadata.num_rows), None)
        if self._schema is None and len(table):
            self._schema = table.schema
        if self._schema is None or table.schema.names != self._schema.names:
            return table
        return table.cast(self._schema) if len(table) else self._schema.empty_table()

    def _log(self, name: str, data: bytes) -> None:
        """Adds a part to the cache of commits, with the hash of its bytes; the footers stay what counts."""
        line = {"part": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        # Only a cache: the part is published, and a full disk shall not say that it failed.
        with contextlib.suppress(OSError), (self.state / "commits.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def encode(table: pa.Table, footer: dict[str, Any]) -> bytes:
    """A whole Parquet file in memory, zstd, with `footer` as JSON in its metadata; the sink never sees half a file."""
    metadata = {FOOTER_KEY: json.dumps(footer).encode()} if footer else None
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    return buffer.getvalue()


def _account(part: Path, fingerprint: str) -> tuple[int, Account]:
    try:
        footer = json.loads(pq.read_metadata(part).metadata[FOOTER_KEY])
        number, account = footer["partition"]["number"], Account(**footer["account"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadOutput(
            str(part), f"is no part that headrace wrote ({error!r})", "remove it, or --overwrite"
        ) from error
    if footer["fingerprint"] != fingerprint:
        raise BadOutput(str(part), "belongs to another job", "write to another folder, or --overwrite to start anew")
    return number, account
