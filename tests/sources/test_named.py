"""Files that are named one by one."""

from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import BadInput, ReadFailed
from headrace.sources.named import is_remote, read_named


def test_local_files_are_read_by_path_and_by_uri(tmp_path: Path) -> None:
    file = tmp_path / "a b.jpg"
    file.write_bytes(b"photo")
    assert read_named(str(file)) == b"photo"
    assert read_named(f"file://{file}") == b"photo"
    assert [is_remote(p) for p in (str(file), f"file://{file}", "s3://b/a.jpg")] == [False, False, True]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("missing.jpg", FileNotFoundError), (".", IsADirectoryError), ("a\0b", ValueError), ("ftp://x/y", BadInput)],
)
def test_what_is_no_readable_file_is_the_rows_own_fault(path: str, kind: type[Exception]) -> None:
    assert isinstance(read_named(path), kind)


def test_objects_are_read_by_full_address_and_a_missing_one_is_its_own_fault(bucket: Any) -> None:
    bucket.put_object(Key="in/a b.jpg", Body=b"photo")
    assert read_named("s3://photos/in/a b.jpg", ["s3://photos/in/none.jpg"]) == b"photo"
    assert isinstance(read_named("s3://photos/in/none.jpg", ["s3://photos/in/a b.jpg"]), FileNotFoundError)


def test_a_bucket_that_is_not_there_stops_the_run(bucket: Any) -> None:
    del bucket
    with pytest.raises(ReadFailed, match="check the address"):
        read_named("s3://there-is-none/a.jpg")
