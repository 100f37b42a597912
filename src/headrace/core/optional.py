"""Optional packages, imported where they are used."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType

from headrace.core.errors import MissingExtra


def installed(module: str) -> bool:
    """Whether `module` can be found; nothing is imported but its parent packages."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def load(module: str, *, extra: str, needed_for: str) -> ModuleType:
    """Imports `module`. Raises MissingExtra, which names the `extra` that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.split(".")[0] == error.name.split(".")[0]:
            raise MissingExtra(module, extra, needed_for) from error
        raise
