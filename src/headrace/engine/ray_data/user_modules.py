"""The user's own modules, which workers cannot be expected to have: their source travels, and is imported from there.

A module is the user's unless it is the standard library's or an installed distribution's. Editable installs travel too:
other nodes need not have them, and a node that has imported one already goes on with it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_NEVER = {"headrace", "cloudpickle", "__main__", "__mp_main__", *sys.stdlib_module_names}
_FROM = r"from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]*(\([^)]*\)|[^#\n(]+)"
_IMPORTS = re.compile(rf"^[ \t]*(?:{_FROM}|import[ \t]+([^#\n]+))", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """A module's text; None for a namespace package, which has none. folders: where a package's submodules lie on the
    driver; None for what is no package."""

    text: str | None
    file: str
    folders: tuple[str, ...] | None


def user_modules() -> tuple[dict[str, Source], list[ModuleType]]:
    """By name, the sources of the user's modules that are imported here or named in an import statement of those; and
    the modules that have no source to be read."""
    installed = _Installed()
    sources: dict[str, Source] = {}
    unreadable = []
    for name, module in tuple(sys.modules.items()):
        file = _file_of(name, module)
        if file is None or installed.has(name, file):
            continue
        text = _text_of(name, module, file)
        if text is None:
            unreadable.append(module)
        else:
            path = vars(module).get("__path__")
            sources[name] = Source(text, file, None if path is None else tuple(path))
    _add_named(sources, installed)
    for name in tuple(sources):
        _add_parents(name, sources)
    return sources, unreadable


def _file_of(name: str, module: object) -> str | None:
    """Where a module of Python code was read from; None for others, and for a further name of a module."""
    known = vars(module) if isinstance(module, ModuleType) else {}
    file = known.get("__file__")
    if not isinstance(file, str) or known.get("__name__") != name:
        return None
    return None if file.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)) else file


def _text_of(name: str, module: ModuleType, file: str) -> str | None:
    text = _read(file) if file.endswith((".py", ".pyw")) else None
    loader: Any = getattr(vars(module).get("__spec__"), "loader", None)
    if text is None and hasattr(loader, "get_source"):  # of a module in a zip file, or one that was sent itself
        try:
            text = loader.get_source(name)
        except (ImportError, OSError):
            return None
    return text


def _read(file: str) -> str | None:
    try:
        return importlib.util.decode_source(Path(file).read_bytes())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


class _Installed:
    """What `pip install` or the interpreter brought, which the nodes' own environments are to have."""

    def __init__(self) -> None:
        library = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
        self._library = tuple(f"{folder}/" for folder in library if folder)
        # `pip install --target` puts packages beside a user's own modules: there those on record count, and no others.
        found = {folder: _recorded(folder) for folder in {str(Path(entry).absolute()) for entry in sys.path}}
        self._recorded = {folder: names for folder, names in found.items() if names}

    def has(self, name: str, file: str) -> bool:
        """Whether a module belongs to it."""
        top = name.partition(".")[0]
        if top in _NEVER or file.startswith(self._library):
            return True
        parts = Path(file).parts
        if not {"site-packages", "dist-packages"}.isdisjoint(parts) or any(part.endswith(".egg") for part in parts):
            return True
        return any(top in names and file.startswith(f"{folder}/") for folder, names in self._recorded.items())


def _recorded(folder: str) -> set[str]:
    """Top-level modules that wheels have left in a folder."""
    records = [] if folder.endswith("-packages") else Path(folder).glob("*.dist-info/RECORD")
    lines = (line for record in records for line in (_read(str(record)) or "").splitlines())
    return {re.split(r"[/.,]", line)[0] for line in lines}


def _add_named(sources: dict[str, Source], installed: _Installed) -> None:
    """Adds what is named in import statements and not imported yet: those inside functions."""
    script = vars(sys.modules["__main__"]).get("__file__")
    texts: list[tuple[str, tuple[str, ...] | None, str | None]]
    texts = [("", None, _read(script) if isinstance(script, str) else None)]
    texts += [(name, source.folders, source.text) for name, source in sources.items()]
    while texts:
        name, folders, text = texts.pop()
        package = name if folders is not None else name.rpartition(".")[0]
        for wanted in _named(text or "", package):
            found = None if wanted in sources or wanted in sys.modules else _found(wanted, sources, installed)
            if found is not None:
                sources[wanted] = found
                texts.append((wanted, found.folders, found.text))


@cache
def _named(text: str, package: str) -> tuple[str, ...]:
    """Modules that import statements may ask for, those around them first."""
    wanted: list[str] = []
    for source, names, plain in _IMPORTS.findall(text):
        listed = [found[0] for part in (names or plain).split(",") if (found := re.findall(r"[\w.]+", part))]
        if source:
            level = len(source) - len(source.lstrip("."))
            around = package.split(".")[: package.count(".") + 2 - level] if level else []
            base = ".".join(part for part in (*around, source[level:]) if part)
            listed = [base, *(f"{base}.{name}" for name in listed)]
        for name in listed:
            parts = name.split(".")
            wanted += [".".join(parts[: count + 1]) for count in range(len(parts))]
    return tuple(dict.fromkeys(wanted))


def _found(name: str, sources: Mapping[str, Source], installed: _Installed) -> Source | None:
    """A user's module that is not imported yet; nothing is run to find it."""
    parent = name.rpartition(".")[0]
    folders: Sequence[str] | None = None
    if parent:
        if parent not in sources or sources[parent].folders is None:
            return None
        folders = sources[parent].folders
    spec = importlib.machinery.PathFinder.find_spec(name, folders)
    if spec is None or not (spec.origin or "").endswith(".py") or installed.has(name, str(spec.origin)):
        return None
    text, inside = _read(str(spec.origin)), spec.submodule_search_locations
    return None if text is None else Source(text, str(spec.origin), None if inside is None else tuple(inside))


def _add_parents(name: str, sources: dict[str, Source]) -> None:
    """Namespace packages around a module."""
    while (name := name.rpartition(".")[0]) and name not in sources:
        known = vars(sys.modules[name]) if name in sys.modules else {}
        if not known.get("__file__"):
            sources[name] = Source(None, "", tuple(known.get("__path__", ())))


class _SentLoader(importlib.machinery.SourceFileLoader):
    """Runs the text that was sent, whatever lies at its path on this machine."""

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, source.file)
        self.source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source.text or "", self.path, "exec", dont_inherit=True)

    def get_source(self, fullname: str) -> str:
        return self.source.text or ""

    def is_package(self, fullname: str) -> bool:
        return self.source.folders is not None


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        source = self.sources.get(fullname)
        if source is None:
            return None
        if source.text is not None:
            loader = _SentLoader(fullname, source)
            inside = None if source.folders is None else list(source.folders)
            return importlib.util.spec_from_file_location(
                fullname, source.file, loader=loader, submodule_search_locations=inside
            )
        here = importlib.machinery.PathFinder.find_spec(fullname, path)
        if here is not None and here.loader is not None and here.origin is not None:
            return here  # this machine's own package; its sent submodules are found all the same
        spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        known = () if here is None else here.submodule_search_locations or ()
        spec.submodule_search_locations = list(dict.fromkeys((*known, *(source.folders or ()))))
        return spec


_finder = _Finder()
_changing = threading.Lock()


def make_importable(sources: Mapping[str, Source]) -> None:
    """Lets this process import modules that were sent, before any that lie here by the same name; what it has imported
    from here stays. Where a sent module has changed since, all that were sent are imported anew."""
    with _changing:
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        known = _finder.sources
        if any(name in known and known[name].text != source.text for name, source in sources.items()):
            for name in [name for name, module in tuple(sys.modules.items()) if _was_sent(module)]:
                del sys.modules[name]
        known.update(sources)


def _was_sent(module: object) -> bool:
    return isinstance(getattr(getattr(module, "__spec__", None), "loader", None), _SentLoader)
