"""Addresses as they may be shown: without what signs or unlocks them."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<place>.*)", re.DOTALL)
_PORT = re.compile(r"\[[^\]]*\](:\d*)?|[^:]*(:\d*)?")

_SECRET = re.compile(
    r"token|secret|passw|passphrase|signature|credential|api[-_]?key|access[-_]?key|authorization|^(sig|auth|jwt|hmac|pwd)$"
)
_SIGNATURES = frozenset({"x-amz-signature", "x-goog-signature", "signature", "sig"})
_BESIDE_SIGNATURE = re.compile(
    r"x-(amz|goog)-.*|expires|policy|key-pair-id|googleaccessid"  # S3, Google, CloudFront
    r"|s[a-z]|srt|spr|sip|sk(oid|tid|[tesv])|saoid|suoid|scid|sdd|ses"  # Azure
)
"""Names that a presigned address has beside its signature; in an address without one they are ordinary."""


def shown_address(where: str) -> str:
    """A path or URI without user, password, signature, tokens and fragment; what identifies the object stays.

    `where` may be malformed. A local path is returned as it is.
    """
    found = _ADDRESS.fullmatch(where)
    if found is None:
        return where
    scheme, place = found["scheme"], found["place"]
    if scheme.lower() not in ("http", "https"):
        return f"{scheme}://{_without_user(place)}"  # ? and # are ordinary in the names of objects
    place, _, query = place.partition("#")[0].partition("?")
    kept = _without_signature(query)
    return f"{scheme}://{_without_user(place)}" + (f"?{kept}" if kept else "")


def holds_password(where: str) -> bool:
    """Whether an address has a password before its host."""
    found = _ADDRESS.fullmatch(where)
    user, _, host = found["place"].partition("/")[0].rpartition("@") if found else ("", "", "")
    return ":" in user or _PORT.fullmatch(host) is None


def _without_user(place: str) -> str:
    """host:port/path of user:password@host:port/path, even where the password has a slash in it, as S3's may."""
    authority, slash, path = place.partition("/")
    authority = authority.rpartition("@")[2]
    if _PORT.fullmatch(authority):
        return authority + slash + path
    return _without_user(place.rpartition("@")[2]) if "@" in place else authority.partition(":")[0]


def _without_signature(query: str) -> str:
    pieces = re.split("[&;]", query)
    names = [unquote_plus(piece.partition("=")[0]).lower() for piece in pieces]
    signed = not _SIGNATURES.isdisjoint(names)
    secret = [_SECRET.search(n) or (signed and _BESIDE_SIGNATURE.fullmatch(n)) for n in names]
    kept = [piece for piece, left_out in zip(pieces, secret, strict=True) if not left_out]
    return query if len(kept) == len(pieces) else "&".join(kept)
