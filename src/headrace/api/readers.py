"""Where datasets begin; the names are Ray Data's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.api.dataset import Dataset
from headrace.job.job import Job
from headrace.sources.images import ImageFiles
from headrace.sources.items import Items
from headrace.sources.parquet import ParquetFiles


def read_images(paths: str | Path | Sequence[str | Path], *, filesystem: Any = None) -> Dataset:
    """Photos, one row a file, sorted by path: JPEG, PNG, WebP, BMP, GIF (first frame), TIFF.

    paths: a folder (with all below it), a glob, a file, or several; local, s3://, gs://, https://. s3://anonymous@bucket/...
    goes unsigned. filesystem: a pyarrow.fs.FileSystem to read them with. The key column is `path`.
    Nothing is read before the job is planned or run; then BadInput is raised when there is nothing to read.
    """
    return Dataset(Job(source=ImageFiles(_kept(paths), filesystem)))


def read_parquet(
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Sequence[str] | None = None,
    image_column: str | None = None,
    key_column: str | None = None,
    filesystem: Any = None,
) -> Dataset:
    """Rows of Parquet files, in order of the files' paths.

    columns: those to read and keep, all when not given. image_column: photos as encoded bytes, {bytes, path} structs or
    uint8 [H, W, 3] tensors; found by type for a model when not given. key_column: the column that names rows;
    when not given, rows are named `path` = file#row (`row_path` where there is a column `path`).
    """
    kept = tuple(columns) if columns is not None else None
    return Dataset(Job(source=ParquetFiles(_kept(paths), image_column, key_column, kept, filesystem)))


def from_items(items: Sequence[Any], *, key_column: str | None = None) -> Dataset:
    """Rows from memory: dictionaries with the same names, or plain values (under "item").

    key_column: the name whose value names the row; when not given, `item_id` counts from 0.
    """
    return Dataset(Job(source=Items(items, key_column)))


def _kept(paths: str | Path | Sequence[str | Path]) -> str | Path | Sequence[str | Path]:
    return paths if isinstance(paths, str | Path) else tuple(paths)
