"""Addresses of Ray, and whether anything answers at one as Ray does."""

from __future__ import annotations

import os
import socket

CLIENT = "ray://"
_ANSWER_S = 5.0
# What an HTTP/2 connection begins with, and an empty SETTINGS frame. gRPC answers with its own, other servers do not.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_SETTINGS, _FRAME_TYPE = 0x04, 3
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def host_and_port(address: str) -> tuple[str, int] | None:
    """The parts of HOST:PORT or ray://HOST:PORT; [HOST]:PORT for IPv6. None when it is neither."""
    rest = address.removeprefix(CLIENT).split("?", 1)[0]
    host, colon, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536) or "/" in host:
        return None
    return host, int(port)


def same_place(asked: str, here: str, this_ip: str) -> bool:
    """Whether `asked` names the Ray at `here`; this_ip: this machine's, which stands for localhost."""
    if asked.startswith(CLIENT) != here.startswith(CLIENT):
        return False
    first, second = host_and_port(asked), host_and_port(here)
    if first is None or second is None:
        return asked == here
    return first[1] == second[1] and bool(_ips(first[0], this_ip) & _ips(second[0], this_ip))


def wrong_at(host: str, port: int) -> str | None:
    """What is wrong at this place, within about 5 s; None when something speaks gRPC there, as Ray does. With Ray's TLS
    (RAY_USE_TLS) only that something listens is checked."""
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_S) as peer:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return None
            peer.settimeout(_ANSWER_S)
            peer.sendall(_HELLO)
            frame = peer.recv(9)
    except socket.gaierror as error:
        return f"the name {host} cannot be resolved ({error.strerror})"
    except ConnectionRefusedError:
        return "nothing listens there"
    except TimeoutError:
        return f"nothing answers there within {_ANSWER_S:g} s"
    except OSError as error:
        return f"cannot be reached ({error.strerror or error})"
    is_grpc = len(frame) > _FRAME_TYPE and frame[_FRAME_TYPE] == _SETTINGS
    return None if is_grpc else "what listens there is no Ray cluster"


def _ips(host: str, this_ip: str) -> set[str]:
    if host in (*_LOOPBACK, this_ip):
        return {this_ip}
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return {host}
