"""Faults of reading: what they mean, and trying again."""

from __future__ import annotations

import errno
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from headrace.core.errors import ReadFailed

T = TypeVar("T")

Fault = Literal["missing", "denied", "no_place", "transient", "permanent"]
"""missing, denied, permanent: it is the file. no_place: bucket, host or credentials. transient: it may pass."""

_NEXT: dict[Fault, str] = {
    "missing": "put it back",
    "denied": "check its permissions",
    "no_place": "check the address and the credentials",
    "transient": "wait until it answers",
    "permanent": "mend or replace it",
}

_PASSING = frozenset(
    [
        *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.ENOTCONN, errno.EPROTO),
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EREMOTEIO),
        *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS),
    ]
)
"""Network mounts that do not answer, and shortages."""

# What the stores call it, in capitals without underscores: pyarrow has both NO_SUCH_KEY and NoSuchKey.
_NAMES: dict[str, Fault] = {
    **dict.fromkeys(("NOSUCHKEY", "RESOURCENOTFOUND", "NOSUCHVERSION", "NOTFOUND"), "missing"),
    **dict.fromkeys(("ACCESSDENIED", "PERMISSIONDENIED"), "denied"),
    **dict.fromkeys(("NOSUCHBUCKET", "INVALIDBUCKETNAME", "PERMANENTREDIRECT", "ALLACCESSDISABLED"), "no_place"),
    **dict.fromkeys(("INVALIDACCESSKEYID", "SIGNATUREDOESNOTMATCH", "EXPIREDTOKEN", "INVALIDTOKEN"), "no_place"),
    **dict.fromkeys(("INVALIDSIGNATURE", "INCOMPLETESIGNATURE", "INVALIDCLIENTTOKENID"), "no_place"),
    **dict.fromkeys(("MISSINGAUTHENTICATIONTOKEN", "UNRECOGNIZEDCLIENT", "UNAUTHENTICATED"), "no_place"),
    **dict.fromkeys(("AUTHORIZATIONHEADERMALFORMED", "TOKENREFRESHREQUIRED", "ACCOUNTPROBLEM"), "no_place"),
    **dict.fromkeys(("SLOWDOWN", "THROTTLING", "REQUESTLIMITEXCEEDED", "TOOMANYREQUESTS"), "transient"),
    **dict.fromkeys(("INTERNALFAILURE", "INTERNALERROR", "SERVICEUNAVAILABLE", "BADGATEWAY"), "transient"),
    **dict.fromkeys(("GATEWAYTIMEOUT", "REQUESTTIMEOUT", "NETWORKCONNECTION", "REQUESTTIMETOOSKEWED"), "transient"),
    **dict.fromkeys(("UNAVAILABLE", "DEADLINEEXCEEDED", "RESOURCEEXHAUSTED", "INTERNAL", "ABORTED"), "transient"),
}
_AWS, _GOOGLE = "AWS Error ", "google::cloud::Status("
_SAID = re.compile(rf"(?:{_AWS}|ExceptionName: |{re.escape(_GOOGLE)})(\w+)")
_STATUS = re.compile(r"\(HTTP status (\d+)\)")
_NO_HOST = re.compile(r"curlCode: (?:5|6|60)\b")  # no such proxy, no such host, a certificate that does not hold


def fault_of(error: BaseException) -> Fault:
    """What an error of reading means; by what pyarrow says of it where it has no class or number."""
    if isinstance(error, OSError) and (said := _said_by_store(error)) is not None:
        return said
    if isinstance(error, FileNotFoundError):
        return "missing"
    if isinstance(error, PermissionError):
        return "denied"
    if isinstance(error, socket.gaierror):
        return "transient" if error.errno == socket.EAI_AGAIN else "no_place"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "no_place"
    if isinstance(error, TimeoutError | ConnectionError | ssl.SSLError):
        return "transient"
    return "transient" if isinstance(error, OSError) and error.errno in _PASSING else "permanent"


def fault_of_status(status: int) -> Fault:
    """What an HTTP status of 400 and above means."""
    if status in (404, 410):
        return "missing"
    if status in (401, 403, 451):
        return "denied"
    return "transient" if status in (408, 425, 429) or (status >= 500 and status not in (501, 505)) else "permanent"


def _said_by_store(error: OSError) -> Fault | None:
    """By the codes in an error's text; the object's name, which may come before them, is passed over."""
    text = error.strerror or str(error)
    if not text.startswith(_GOOGLE):
        if error.errno is not None:
            return None
        text = text[max(text.rfind(_AWS), 0) :]
    if _NO_HOST.search(text):
        return "no_place"
    for code in _SAID.findall(text):
        if found := _NAMES.get(code.replace("_", "").upper()):
            return found
    status = _STATUS.search(text) if text.startswith(_AWS) else None
    return fault_of_status(int(status[1])) if status else None


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a read is tried, how long it waits in between (exponential, with full jitter) and in all."""

    tries: int = 5
    total_s: float = 60.0
    first_wait_s: float = 2.0
    longest_wait_s: float = 20.0
    sleep: Callable[[float], None] = time.sleep


PATIENCE = Patience()


def patiently(call: Callable[[], T]) -> T:
    """What `call` returns, tried again while its faults are transient. Raises its last error."""
    try:
        return call()
    except OSError as error:
        if fault_of(error) != "transient":
            raise
        first = error
    return _again(call, first)


def _again(call: Callable[[], T], first: OSError) -> T:
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

    failed = [first]  # a try that counts, and is waited after

    def attempt() -> T:
        if failed:
            raise failed.pop()
        return call()

    return Retrying(
        retry=retry_if_exception(lambda error: fault_of(error) == "transient"),
        wait=wait_random_exponential(multiplier=PATIENCE.first_wait_s, max=PATIENCE.longest_wait_s),
        stop=stop_after_attempt(PATIENCE.tries) | stop_after_delay(PATIENCE.total_s),
        sleep=PATIENCE.sleep,
        reraise=True,
    )(attempt)


def bytes_or_reason(
    where: str, read: Callable[[], bytes], others: Iterable[Callable[[], bytes]] = ()
) -> bytes | OSError:
    """What `read` gives, or the error that makes it a reject.

    A fault that does not pass is the file's where one of `others` at its place answers. Raises ReadFailed where the
    file is not at fault.
    """
    try:
        return patiently(read)
    except OSError as error:
        fault = fault_of(error)
        if fault == "no_place" or (fault == "transient" and not any(map(_answers, others))):
            raise unreadable(where, error) from error
        return error


def _answers(read: Callable[[], bytes]) -> bool:
    try:
        read()
    except OSError:
        return False
    return True


def unreadable(where: str, error: Exception) -> ReadFailed:
    """The error that stops the run, saying what to do about it."""
    fault = fault_of(error)
    cause = str(error) or type(error).__name__
    tried = ", each time it was tried" if fault == "transient" else ""
    return ReadFailed(where, f"cannot be read ({cause}){tried}", _NEXT[fault])
