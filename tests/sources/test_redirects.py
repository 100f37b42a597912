"""Redirects are followed by rule: a public server cannot send a read to a private address, nor to another scheme."""

from collections.abc import Callable
from typing import Any

import pytest
from yarl import URL

from headrace.core.errors import BadInput
from headrace.sources import redirects
from headrace.sources.images import ImageFiles, ImageListing
from headrace.sources.redirects import is_public


def cells(listing: ImageListing) -> list[Any]:
    return [c for r in listing.reads(0, listing.rows, 2) for c in r.load().cells or ()]


def moved(to: str, status: int = 302) -> tuple[int, dict[str, str], bytes]:
    return status, {"Location": to}, b""


@pytest.fixture
def inside(start: Callable[..., Any]) -> Any:
    """A server that only this machine should reach, as a cloud's metadata service."""
    server = start(host="127.0.0.2")
    server.files = {"/secret": b"keys", "/a.jpg": b"keys"}
    return server


FOUND = {"inside.example": "127.0.0.2", "outside.example": "127.0.0.1"}


class Names:
    """A resolver of two names."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [{"hostname": host, "host": FOUND[host], "port": port, "family": 2, "proto": 0, "flags": 0}]


@pytest.fixture
def public(web: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The web server, taken for one of the internet: 127.0.0.1 counts as public, all else on this machine does not."""
    monkeypatch.setattr(redirects, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(redirects, "ThreadedResolver", Names)
    return web


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:1.1.1.1", True),
    ],
)
def test_address_is_public_or_not(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("host", ["127.0.0.2", "inside.example"])
def test_public_server_cannot_send_a_read_to_a_private_address(
    public: Any, inside: Any, host: str, status: int
) -> None:
    listing = ImageFiles(f"{public.url}/").list()
    target = f"http://{host}:{inside.server_address[1]}/secret"
    public.fail("/a.jpg", [moved(target, status)])
    refused, other = cells(listing)
    assert (type(refused), other) == (PermissionError, b"bytes of b")
    assert "private network" in str(refused)
    assert inside.requests == []


def test_private_address_is_not_reached_by_way_of_public_ones_either(public: Any, inside: Any) -> None:
    listing = ImageFiles(f"{public.url}/").list()
    port = public.server_address[1]
    public.fail("/a.jpg", [moved(f"http://outside.example:{port}/hop")])
    public.fail("/hop", [moved("/next")])
    public.fail("/next", [moved(f"{inside.url}/secret")])
    assert isinstance(cells(listing)[0], PermissionError)
    assert public.count("/next") == 1
    assert inside.requests == []


def test_private_address_is_not_reached_while_listing(public: Any, inside: Any) -> None:
    for method in ("HEAD", "GET"):
        public.fail("/a.jpg", [moved(f"{inside.url}/secret")], method=method)
    with pytest.raises(BadInput, match=r"/a.jpg: cannot be listed \(.*redirects to .*private network.*\)"):
        ImageFiles(f"{public.url}/a.jpg").list()
    public.fail("/", [moved(f"{inside.url}/secret")])
    with pytest.raises(BadInput, match=r"/: cannot be listed \(.*redirects to .*private network.*\)"):
        ImageFiles(f"{public.url}/").list()
    assert inside.requests == []


def test_private_server_may_send_to_a_private_address(web: Any, inside: Any) -> None:
    listing = ImageFiles(f"{web.url}/").list()
    web.fail("/a.jpg", [moved(f"{inside.url}/secret")])
    assert cells(listing) == [b"keys", b"bytes of b"]


def test_public_server_may_send_to_a_public_address(public: Any) -> None:
    listing = ImageFiles(f"{public.url}/").list()
    public.fail("/a.jpg", [moved(f"http://outside.example:{public.server_address[1]}/b.jpg", 308)])
    assert cells(listing) == [b"bytes of b", b"bytes of b"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,x", "gopher://h/", "http://[bad"])
def test_other_schemes_are_not_followed(web: Any, target: str) -> None:
    listing = ImageFiles(f"{web.url}/").list()
    web.fail("/a.jpg", [moved(target)])
    refused, other = cells(listing)
    assert (type(refused), other) == (PermissionError, b"bytes of b")
    assert "The server redirects to " in str(refused)


def test_safe_connection_is_not_left_for_an_open_one() -> None:
    with pytest.raises(PermissionError, match="redirects to http://host/b, from https; not followed"):
        redirects._next(URL("https://host/a"), "http://host/b?token=t", outside=False)
    assert redirects._next(URL("http://host/a"), "https://host/b", outside=True) == URL("https://host/b")


def test_redirects_in_a_circle_end(web: Any) -> None:
    listing = ImageFiles(f"{web.url}/").list()
    web.fail("/a.jpg", [moved("/a.jpg")] * 1000)
    refused, other = cells(listing)
    assert (type(refused), other) == (PermissionError, b"bytes of b")
    assert web.count("/a.jpg") == redirects.MOST_REDIRECTS + 1


def test_redirect_without_an_address_is_an_answer(web: Any) -> None:
    listing = ImageFiles(f"{web.url}/").list()
    web.fail("/a.jpg", [304])
    assert len(cells(listing)) == 2
