"""Files that torch saved: weights are safe to open, pickled modules and TorchScript bring code of their own."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

from headrace.core.errors import BadModel
from headrace.core.optional import load

_CLASS = "name a class that builds the module and loads its weights with weights_only=True, as file.py:Name"
_ALLOW = f"{_CLASS}; or, if you trust who made it, --allow-pickle (allow_pickle=True) runs it"


def open_module(path: Path, *, allow_pickle: bool) -> Any:
    """The module in a file. Raises BadModel: without `allow_pickle` for all that would run code, and for mere weights.

    allow_pickle: unpickles the file, which runs whatever code its maker put there.
    """
    torch = load("torch", extra="torch", needed_for=f"opening {path.name}")
    _check_archive(path, allow_pickle=allow_pickle)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchScript and of pickle protocols
            found = torch.load(path, map_location="cpu", weights_only=not allow_pickle)
    except pickle.UnpicklingError as error:
        if allow_pickle:
            raise _unreadable(path, error) from error
        what = "holds more than weights, and opening it would run code of whoever made it"
        raise BadModel(str(path), what, _ALLOW) from error
    except Exception as error:  # torch and what a pickle imports raise anything
        raise _unreadable(path, error) from error
    if not isinstance(found, torch.nn.Module):
        raise BadModel(str(path), "holds weights only, and not the module that they are of", _CLASS)
    return found


def _check_archive(path: Path, *, allow_pickle: bool) -> None:
    """Looks at a zip's directory before torch unpacks it. Raises BadModel."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return  # a bare pickle, as torch wrote it before 1.6, or nothing of torch's
    try:
        entries = zipfile.ZipFile(path).infolist()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error
    # torch stores; what is packed can unpack to a thousand times its size.
    if sum(e.file_size for e in entries) > path.stat().st_size:
        raise BadModel(str(path), "unpacks to more than its own size, which torch's files do not", "save it again")
    if not allow_pickle and any(e.filename.endswith("/constants.pkl") for e in entries):
        raise BadModel(str(path), "is a TorchScript archive, which brings code and is deprecated by torch", _ALLOW)


def _unreadable(path: Path, error: Exception) -> BadModel:
    what = f"cannot be opened by torch ({type(error).__name__}: {error})"
    return BadModel(str(path), what, "check the file; a pickled module needs its class where Python can import it")
