"""Redirects of web addresses: followed by rule, so that a public server cannot send a read into a private network."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Generator
from typing import Any

from aiohttp import ClientResponse, ClientSession, TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from headrace.sources.addresses import shown_address

MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet: no loopback, link-local, private or special one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_global and not ip.is_multicast


class PublicResolver(AbstractResolver):
    """Finds only hosts of the internet; asked for each connection, so that no later answer can lead elsewhere."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The host's addresses. Raises PermissionError when one is private."""
        found = await self._inner.resolve(host, port, family)
        if not all(is_public(one["host"]) for one in found):
            raise _refused(f"to {host}, which is in a private network")
        return found

    async def close(self) -> None:
        """Nothing is held."""


class Session:
    """What fsspec needs of an aiohttp session: `get` and `head`, with redirects followed by rule.

    Refused are redirects to another scheme than http(s), from https to http, from a public host to a private address,
    and more than 5 of them.
    """

    def __init__(self, **options: Any) -> None:
        self._anywhere = ClientSession(**options)
        self._outside = ClientSession(connector=TCPConnector(resolver=PublicResolver()), **options)

    def get(self, url: URL, **options: Any) -> _Answer:
        """The answer to a GET."""
        return _Answer(self, "GET", url, options)

    def head(self, url: URL, **options: Any) -> _Answer:
        """The answer to a HEAD."""
        return _Answer(self, "HEAD", url, options)

    async def close(self) -> None:
        """Closes all connections."""
        await asyncio.gather(self._anywhere.close(), self._outside.close())  # fsspec waits 0.1 s for both

    async def follow(self, method: str, url: URL, *, allow_redirects: bool = True, **options: Any) -> ClientResponse:
        """The answer at the end of all redirects. Raises PermissionError, aiohttp's errors."""
        session = self._anywhere
        for _ in range(MOST_REDIRECTS + 1):
            answer = await session.request(method, url, allow_redirects=False, **options)
            target = answer.headers.get("Location")
            if not allow_redirects or answer.status not in _REDIRECTS or target is None:
                return answer
            answer.release()
            if session is self._anywhere and await _is_outside(url):
                session = self._outside
            url = _next(url, target, outside=session is self._outside)
        raise _refused(f"more than {MOST_REDIRECTS} times")


class _Answer:
    """An answer that is being waited for, by `await` or `async with`."""

    def __init__(self, session: Session, method: str, url: URL, options: dict[str, Any]) -> None:
        self._coming = session.follow(method, url, **options)

    def __await__(self) -> Generator[Any, None, ClientResponse]:
        return self._coming.__await__()

    async def __aenter__(self) -> ClientResponse:
        self._answer = await self._coming
        return self._answer

    async def __aexit__(self, *raised: Any) -> None:
        await self._answer.__aexit__(*raised)


async def client(*, loop: Any = None, **options: Any) -> Session:
    """A session, made in its event loop."""
    return Session(**options)


async def _is_outside(url: URL) -> bool:
    host = url.host or ""
    if _is_number(host):
        return is_public(host)
    return all(
        is_public(one["host"]) for one in await ThreadedResolver().resolve(host, url.port or 0, socket.AF_UNSPEC)
    )


def _next(url: URL, target: str, *, outside: bool) -> URL:
    """Where a redirect leads. Raises PermissionError where it is not followed to."""
    try:
        found = url.join(URL(target))
    except ValueError:
        raise _refused("to what is no address") from None
    shown = shown_address(str(found))
    if found.scheme not in ("http", "https") or (url.scheme == "https" and found.scheme == "http"):
        raise _refused(f"to {shown}, from {url.scheme}")
    if outside and _is_number(found.host or "") and not is_public(found.host or ""):
        raise _refused(f"to {shown}, which is in a private network")
    return found


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _refused(where: str) -> PermissionError:
    return PermissionError(errno.EACCES, f"The server redirects {where}; not followed")
