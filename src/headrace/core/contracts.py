"""What the parts promise each other: sources, stages, models and sinks on one side, engines on the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Cell, Columns, Reject, Rows
from headrace.core.needs import Needs
from headrace.core.partition import Account, Partition
from headrace.core.preprocess import Preprocess

Pixels = NDArray[np.uint8]
"""uint8 [H, W, 3], RGB."""


@dataclass(frozen=True, slots=True)
class Read:
    """A piece of reading that any thread may do: `load` gives `rows` rows of about `nbytes` bytes."""

    rows: int
    nbytes: int
    load: Callable[[], Rows]


class Listing(Protocol):
    """The input, enumerated: row i is always the same row."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def key_name(self) -> str:
        """The name of the key column in the output."""
        ...

    @property
    def has_images(self) -> bool:
        """Whether rows come with an image cell."""
        ...

    @property
    def decodes(self) -> bool:
        """Whether a user's stages see pixels; otherwise they see the cells as they were read."""
        ...

    @property
    def remote(self) -> bool:
        """Whether it lies on another machine: reads take long, and many may be under way at once."""
        ...

    @property
    def row_a_file(self) -> bool:
        """Whether every row is one of `files` and has its key."""
        ...

    @property
    def burst_bytes(self) -> int:
        """Bytes that can only be read together: the largest row group; 0 where every row is read by itself."""
        ...

    def inside(self, folder: str) -> bool:
        """Whether any of its files lies below a local folder, given as an absolute path."""
        ...

    @property
    def image_name(self) -> str:
        """The image column's name, as stages see it."""
        ...

    def digest(self) -> str:
        """A sha256, in hex, of what is read: keys and sizes."""
        ...

    def reads(self, start: int, stop: int, size: int) -> Iterator[Read]:
        """Reads that cover rows `start` to `stop` in order, each of at most `size` rows."""
        ...

    def head(self, rows: int) -> Listing:
        """The first `rows` rows."""
        ...

    def files(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """Key, size in bytes (-1: not known) and row counts of the files that the rows come from, in order.

        Row counts: of each row group that rows come from, whole also where a limit cuts it; (1,) for a photo. A file
        whose counts change no longer has its rows where they were. Items have no files.
        """
        ...

    def only(self, keys: Collection[str]) -> Listing:
        """The listing of just those of its files whose key is in `keys`, in the same order; it may be empty.

        Raises BadInput for items in memory, which have no files.
        """
        ...


class Source(Protocol):
    """Where rows come from; inert until `list` is called."""

    def describe(self) -> dict[str, Any]:
        """What the fingerprint holds of it, as JSON values, without credentials."""
        ...

    def list(self) -> Listing:
        """Enumerates the input. Raises BadInput."""
        ...


class Decoder(Protocol):
    """Makes pixels of cells; safe to call from many threads at once."""

    def pixel_bytes(self, cell: Cell) -> int:
        """Bytes of the whole image's pixels, by its header; 0 where that cannot be read."""
        ...

    def decode(self, cell: Cell) -> Pixels:
        """The whole image, upright, RGB. Raises what makes the row a reject."""
        ...

    def decode_into(self, cell: Cell, slot: Pixels) -> None:
        """Writes the model's window of the image into `slot`, uint8 [H, W, 3]. Raises what makes the row a reject."""
        ...


BatchFunction = Callable[[Columns], Columns]


class Stage(Protocol):
    """A user's function or class over batches."""

    @property
    def name(self) -> str:
        """How plan and report call it."""
        ...

    @property
    def batch_size(self) -> int | None:
        """Rows a call, where the user fixed it."""
        ...

    @property
    def workers(self) -> int | None:
        """Workers, where the user fixed them."""
        ...

    @property
    def num_gpus(self) -> float:
        """GPUs a worker asks for."""
        ...

    @property
    def needs(self) -> Needs:
        """What each of its workers asks of a cluster."""
        ...

    @property
    def is_class(self) -> bool:
        """Whether every worker builds (and so loads) something of its own."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the fingerprint holds of it, as JSON values."""
        ...

    def open(self) -> BatchFunction:
        """Builds one worker: loads what it loads. The result maps a batch's columns to new columns of equal length, and
        may write into what it is given. It raises WrongAnswer where the code is at fault and no row."""
        ...


class Request(Protocol):
    """One place for a batch in the model; used by one thread at a time, several may be in flight."""

    def __call__(self, tensor: Pixels, rows: int) -> Columns:
        """Runs the model on uint8 [capacity, H, W, 3], writeable, borrowed until return and left as it is; outputs by
        name, `rows` rows each, owned."""
        ...


class Session(Protocol):
    """A loaded model at one precision and batch capacity."""

    @property
    def streams(self) -> int:
        """How many batches the device works on at once."""
        ...

    @property
    def capacity(self) -> int | None:
        """Rows of the tensor that its requests take; None where any number will do."""
        ...

    def request(self) -> Request:
        """A new place for a batch."""
        ...


class Model(Protocol):
    """A model that takes photos, on one runtime; inert but for reading the file's header."""

    @property
    def name(self) -> str:
        """How plan and report call it."""
        ...

    @property
    def runtime(self) -> str:
        """ "openvino", "onnxruntime" or "torch"."""
        ...

    @property
    def runtime_version(self) -> str:
        """The runtime's version."""
        ...

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"."""
        ...

    @property
    def preprocess(self) -> Preprocess:
        """What it expects of its images."""
        ...

    @property
    def preprocess_source(self) -> str:
        """Where `preprocess` came from, for the plan."""
        ...

    @property
    def precisions(self) -> Sequence[str]:
        """What it can run in on this machine, fp32 first; without int8, which is only taken by name."""
        ...

    def digest(self) -> str:
        """A sha256, in hex, of the weights and graph."""
        ...

    def load(self, precision: str, batch_size: int, streams: int, calibration: Pixels | None = None) -> Session:
        """Loads or compiles it. `calibration`: uint8 [N, H, W, 3] photos, for int8."""
        ...


class Head(Protocol):
    """Turns a model's outputs into the columns that are written."""

    @property
    def task(self) -> str:
        """ "classify", "embed" or "raw"."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the fingerprint holds of it, as JSON values."""
        ...

    def __call__(self, outputs: Columns) -> Columns:
        """Columns to write, of as many rows."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """A partition that is published, with the account it was published with, and what its sink is to be told; None
    where another attempt had come first."""

    account: Account
    note: Any = None


class Publisher(Protocol):
    """A sink's other end, in any process; it can be pickled."""

    def publish(self, partition: Partition, columns: Columns, account: Account, rejects: Sequence[Reject]) -> Published:
        """Writes rejects, then the part. Whoever comes second discards its work and gets the first one's account."""
        ...


class Sink(Protocol):
    """Where finished partitions go; publishing one is a single atomic act."""

    def publish(self, partition: Partition, columns: Columns, account: Account, rejects: Sequence[Reject]) -> Account:
        """Writes rejects, then the part. Whoever comes second discards its work and gets the first one's account."""
        ...


class SharedSink(Sink, Protocol):
    """A sink that other processes can publish into."""

    def publisher(self, first: Columns) -> Publisher:
        """What publishes in other processes; what `first` tells of the parts' types is settled."""
        ...

    def noted(self, published: Published) -> None:
        """Takes note of what a publisher published. Raises WriteFailed when the output is not this run's any more."""
        ...


@dataclass(frozen=True, slots=True)
class Inference:
    """A model stage: the model, what becomes of its outputs, and how it sees photos."""

    model: Model
    head: Head
    decoder: Decoder
    precision: str = "auto"
    min_agreement: float = 0.99
    needs: Needs = field(default_factory=Needs)

    @property
    def name(self) -> str:
        """How plan and report call it."""
        return "infer"
