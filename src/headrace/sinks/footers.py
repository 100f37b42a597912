"""Part files as bytes: a Parquet file whose footer says what it commits, and carries the hash of the file."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.core.errors import BadOutput
from headrace.core.partition import Account, Partition

_FOOTER_KEY = b"headrace"
_DIGEST_KEY = b"headrace.sha256"
_BLANK = b"0" * 64  # where the digest stands, when the file is hashed
_NUMBER = r"part-(\d{8}|[1-9]\d{8,})"
_PART = re.compile(_NUMBER + r"\.parquet")
_REJECTS = re.compile(_NUMBER + r"-([0-9a-f]{12})\.parquet")


@dataclass(frozen=True, slots=True)
class Footer:
    """What a part says of itself. rejects: its file's name in `_headrace/rejects`; sha256: see `encode`."""

    partition: Partition
    attempt: str
    account: Account
    rejects: str | None
    fingerprint: str
    sha256: str = ""

    @property
    def adds(self) -> Account:
        """What it adds to the account of the whole output."""
        return self.account.resolving() if self.partition.retried else self.account


def part_name(number: int) -> str:
    """The file of a partition."""
    return f"part-{number:08d}.parquet"


def part_number(name: str) -> int | None:
    """The partition whose file this is; None when it is no part."""
    match = _PART.fullmatch(name)
    return int(match[1]) if match else None


def rejects_name(number: int, attempt: int) -> str:
    """The file of a partition's rejects, which no two attempts share."""
    return f"part-{number:08d}-{attempt:012x}.parquet"


def rejects_key(name: str) -> tuple[int, int] | None:
    """Partition and attempt of a rejects file; None when it is none."""
    match = _REJECTS.fullmatch(name)
    return (int(match[1]), int(match[2], 16)) if match else None


def encode(table: pa.Table, footer: Footer | None = None) -> tuple[bytes, str]:
    """A whole Parquet file in memory, zstd, so that a store never sees half of one; and its hash.

    The hash is the sha256, in hex, of the file with 64 zeros in place of the hash itself, which its metadata holds.
    """
    if footer is not None:
        said = {name: value for name, value in asdict(footer).items() if name != "sha256"}
        table = table.replace_schema_metadata({_FOOTER_KEY: json.dumps(said).encode()})
    file = io.BytesIO()
    with pq.ParquetWriter(file, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_DIGEST_KEY: _BLANK})
    data = file.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    file.seek(_place(data, _BLANK))
    file.write(digest.encode())
    return file.getvalue(), digest


def intact(data: bytes) -> bool:
    """Whether a file that `encode` made still is as it was."""
    try:
        digest: bytes = pq.read_metadata(pa.BufferReader(data)).metadata[_DIGEST_KEY]
        at = _place(data, digest)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return False
    left, right = memoryview(data)[:at], memoryview(data)[at + len(_BLANK) :]
    whole = hashlib.sha256(left)
    whole.update(_BLANK)
    whole.update(right)
    return whole.hexdigest().encode() == digest


def _place(data: bytes, digest: bytes) -> int:
    """Where the digest stands: behind its key and, in Thrift's compact protocol, a string's type and length."""
    return data.rindex(_DIGEST_KEY + b"\x18\x40" + digest) + len(_DIGEST_KEY) + 2


def read_footer(file: BinaryIO | pa.NativeFile, where: str) -> Footer:
    """What a part's footer says. Raises BadOutput, which names `where`; OSError."""
    try:
        metadata: dict[bytes, bytes] = pq.read_metadata(file).metadata
        said: dict[str, Any] = json.loads(metadata[_FOOTER_KEY])
        partition, account = Partition(**said.pop("partition")), Account(**said.pop("account"))
        return Footer(partition, account=account, sha256=metadata[_DIGEST_KEY].decode(), **said)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # Arrow's own, for a broken file, have none
            raise
        raise BadOutput(where, f"is no part that headrace wrote ({error!r})", "remove it, or --overwrite") from error
