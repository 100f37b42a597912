"""Files at web addresses."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urldefrag

from headrace.core.optional import load
from headrace.sources.addresses import shown_address
from headrace.sources.entries import Entries, left_out
from headrace.sources.local import LARGEST_BYTES
from headrace.sources.retrying import fault_of_status

TIMEOUTS_S = {"total": 300.0, "sock_connect": 30.0, "sock_read": 30.0}
_PIECE_BYTES = 1 << 20


class WebFile:
    """One file at an http(s) address, or the files that an index page there links to."""

    def __init__(self, url: str) -> None:
        load("aiohttp", extra="https", needed_for=f"reading {shown_address(url)}")
        import fsspec
        from aiohttp import ClientTimeout

        from headrace.sources.redirects import client

        self.root = urldefrag(url).url
        options = {"timeout": ClientTimeout(**TIMEOUTS_S)}
        self.filesystem = fsspec.filesystem("http", get_client=client, client_kwargs=options, use_listings_cache=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return WebFile, (self.root,)  # sessions and their event loop stay in their process

    def walk(self, fits: Callable[[str], bool]) -> Entries:
        """The file itself, or what the index page and those below it link to, where it fits; sizes are not known."""
        found = Entries()
        with _web_errors():
            if not self.root.endswith("/"):
                size = self.filesystem.info(self.root)["size"]
                found.add(self.root, shown_address(self.root), -1 if size is None else size)
                return found
            pages, seen = [self.root], {self.root}
            for page in pages:
                links = [link for link in self.filesystem.ls(page, detail=False) if self._is_below(link)]
                pages += [link for link in links if link.endswith("/") and link not in seen]
                for link in links:
                    if not link.endswith("/") and link not in seen and fits(key := shown_address(link)):
                        found.add(link, key, -1)
                seen.update(links)
        return found

    def _is_below(self, link: str) -> bool:
        """Whether a link stays below the root, and is not to be passed over."""
        names = unquote(link.partition("?")[0]).removeprefix(unquote(self.root)).rstrip("/").split("/")
        return link.startswith(self.root) and not any(map(left_out, names))  # .. is left out with all hidden names

    def read(self, path: str) -> bytes:
        """The whole answer."""
        from fsspec.asyn import sync

        with _web_errors():
            data: bytes = sync(self.filesystem.loop, self._read, path)
        return data

    async def _read(self, path: str) -> bytes:
        session = await self.filesystem.set_session()
        async with session.get(self.filesystem.encode_url(path)) as answer:
            answer.raise_for_status()
            data = bytearray()
            async for piece in answer.content.iter_chunked(_PIECE_BYTES):
                data += piece
                if len(data) > LARGEST_BYTES:
                    raise OSError(errno.EFBIG, "The answer is longer than a photo is")
        return bytes(data)

    @contextmanager
    def open(self, path: str) -> Iterator[Any]:
        """A seekable binary file."""
        with _web_errors(), self.filesystem.open(path, "rb") as file:
            yield file


@contextmanager
def _web_errors() -> Iterator[None]:
    """aiohttp's errors as the system's, without the address, which may hold credentials: hence no cause is kept."""
    from aiohttp import ClientError

    try:
        yield
    except FileNotFoundError as error:  # so fsspec says of anything that hinders it from finding out a size
        cause = error.__cause__
        raise (_as_os_error(cause) if cause is not None else FileNotFoundError("HTTP 404 Not Found")) from None
    except (ClientError, TimeoutError) as error:
        raise _as_os_error(error) from None


def _as_os_error(error: BaseException) -> OSError:
    from aiohttp import (
        ClientConnectionError,
        ClientConnectorCertificateError,
        ClientConnectorError,
        ClientPayloadError,
        ClientResponseError,
    )

    if isinstance(error, TimeoutError):
        return TimeoutError("No answer in time")
    if isinstance(error, ClientResponseError):
        text = f"HTTP {error.status} {error.message}"
        kinds = {"missing": FileNotFoundError, "denied": PermissionError, "transient": ConnectionError}
        return kinds.get(fault_of_status(error.status), OSError)(text)
    if isinstance(error, ValueError):
        return OSError("The address is malformed")
    if isinstance(error, ClientConnectorCertificateError):
        return ssl.SSLCertVerificationError(f"{error.host} has no certificate that holds")
    if isinstance(error, ClientConnectorError):
        return error.os_error
    if isinstance(error, ClientConnectionError | ClientPayloadError):
        return ConnectionError(str(error))
    return error if isinstance(error, OSError) else OSError(type(error).__name__)
