"""What an error of reading means, and how often a read is tried."""

import errno
import socket
import ssl
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import ReadFailed
from headrace.sources import retrying
from headrace.sources.retrying import Fault, bytes_or_reason, fault_of, fault_of_status, patiently

HEAD = (
    "When reading information for key 'in/a.jpg' in bucket 'photos': AWS Error {} during HeadObject operation: No body."
)
GET = "AWS Error {} during GetObject operation: some message (Request ID: q)"
NAMELESS = "AWS Error UNKNOWN (HTTP status {}) during GetObject operation: Unable to parse ExceptionName: {} Message: m"
GOOGLE = "google::cloud::Status({}: Permanent error, with a last message of m)"

SEEN: list[tuple[Exception, Fault]] = [
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.jpg"), "missing"),
    (PermissionError(errno.EACCES, "Permission denied", "a.jpg"), "denied"),
    (IsADirectoryError(errno.EISDIR, "Is a directory", "a.jpg"), "permanent"),
    (OSError(errno.ELOOP, "Too many levels of symbolic links", "a.jpg"), "permanent"),
    (OSError(errno.EIO, "Input/output error"), "transient"),
    (OSError(errno.ESTALE, "Stale file handle"), "transient"),
    (OSError(errno.ETIMEDOUT, "Connection timed out"), "transient"),
    (OSError(errno.EMFILE, "Too many open files"), "transient"),
    (TimeoutError(), "transient"),
    (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "transient"),
    (BrokenPipeError(), "transient"),
    (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "transient"),
    (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no_place"),
    (ssl.SSLCertVerificationError("certificate has expired"), "no_place"),
    (ssl.SSLError("record layer failure"), "transient"),
    (OSError("Corrupt snappy compressed data."), "permanent"),
    (ValueError("Couldn't deserialize thrift"), "permanent"),
    (MemoryError(), "permanent"),
    (OSError(GET.format("SLOW_DOWN")), "transient"),
    (OSError(GET.format("INTERNAL_FAILURE")), "transient"),
    (OSError(GET.format("SERVICE_UNAVAILABLE")), "transient"),
    (OSError(GET.format("REQUEST_TIMEOUT")), "transient"),
    (OSError(GET.format("THROTTLING")), "transient"),
    (OSError(GET.format("NETWORK_CONNECTION") + " curlCode: 56, Recv failure: Connection reset by peer"), "transient"),
    (OSError(GET.format("NETWORK_CONNECTION") + " curlCode: 28, Timeout was reached"), "transient"),
    (OSError(GET.format("NETWORK_CONNECTION") + " curlCode: 6, Could not resolve hostname"), "no_place"),
    (OSError(GET.format("RESOURCE_NOT_FOUND")), "missing"),
    (OSError(GET.format("NO_SUCH_KEY")), "missing"),
    (OSError(GET.format("ACCESS_DENIED")), "denied"),
    (OSError(GET.format("NO_SUCH_BUCKET")), "no_place"),
    (OSError(GET.format("INVALID_ACCESS_KEY_ID")), "no_place"),
    (OSError(GET.format("SIGNATURE_DOES_NOT_MATCH")), "no_place"),
    (OSError(GET.format("[code 133]")), "permanent"),
    (OSError(NAMELESS.format(400, "ExpiredToken")), "no_place"),
    (OSError(NAMELESS.format(400, "InvalidToken")), "no_place"),
    (OSError(NAMELESS.format(429, "TooManyRequests")), "transient"),
    (OSError(NAMELESS.format(416, "InvalidRange")), "permanent"),
    (OSError(HEAD.format("UNKNOWN (HTTP status 503)")), "transient"),
    (OSError(HEAD.format("UNKNOWN (HTTP status 400)")), "permanent"),
    (OSError(HEAD.format("ACCESS_DENIED")), "denied"),
    (OSError(GOOGLE.format("UNAVAILABLE")), "transient"),
    (PermissionError(errno.EACCES, GOOGLE.format("PERMISSION_DENIED")), "denied"),
    (PermissionError(errno.EACCES, GOOGLE.format("UNAUTHENTICATED")), "no_place"),
    (FileNotFoundError(errno.ENOENT, GOOGLE.format("NOT_FOUND")), "missing"),
]


@pytest.mark.parametrize(("error", "fault"), SEEN, ids=lambda v: str(v)[:60])
def test_error_is_what_it_was_seen_for(error: Exception, fault: Fault) -> None:
    assert fault_of(error) == fault


@pytest.mark.parametrize(
    "name", ["AWS Error NO_SUCH_BUCKET ", "curlCode: 6", "x (HTTP status 503)", "ExceptionName: A"]
)
def test_name_of_an_object_decides_nothing(name: str) -> None:
    text = HEAD.replace("in/a.jpg", name).format("ACCESS_DENIED")
    assert fault_of(OSError(text)) == "denied"
    assert fault_of(FileNotFoundError(errno.ENOENT, "No such file or directory", name)) == "missing"


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("missing", [404, 410]),
        ("denied", [401, 403, 451]),
        ("transient", [408, 425, 429, 500, 502, 503, 504, 520]),
        ("permanent", [400, 405, 414, 416, 418, 501]),
    ],
)
def test_status_is_what_it_means(fault: Fault, statuses: list[int]) -> None:
    assert [fault_of_status(s) for s in statuses] == [fault] * len(statuses)


class Flaky:
    """Fails `failures` times, then answers."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self) -> bytes:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return b"read"


@given(failures=st.integers(0, 8), tries=st.integers(1, 6), permanent=st.booleans())
def test_read_is_tried_as_often_as_patience_lasts_and_waits_within_its_bounds(
    failures: int, tries: int, permanent: bool
) -> None:
    waits: list[float] = []
    patience = replace(retrying.PATIENCE, tries=tries, first_wait_s=2, longest_wait_s=5, sleep=waits.append)
    read = Flaky(failures, OSError(errno.EINVAL if permanent else errno.EIO, "fault"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrying, "PATIENCE", patience)
        if failures == 0 or (failures < tries and not permanent):
            assert patiently(read) == b"read"
        else:
            with pytest.raises(OSError, match="fault") as caught:
                patiently(read)
            assert caught.value is read.error
    assert read.calls == (1 if permanent else min(failures + 1, tries))
    assert len(waits) == read.calls - 1
    assert all(0 <= wait <= min(2 * 2**n, 5) for n, wait in enumerate(waits))


def test_waits_are_spread_so_that_many_readers_do_not_come_at_once(waits: list[float]) -> None:
    for _ in range(20):
        patiently(Flaky(1, TimeoutError()))
    assert len(set(waits)) == 20


def test_no_try_is_begun_after_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "PATIENCE", replace(retrying.PATIENCE, total_s=0.0))
    read = Flaky(9, TimeoutError())
    with pytest.raises(TimeoutError):
        patiently(read)
    assert read.calls == 1


@pytest.mark.parametrize(
    "error", [e for e, f in SEEN if f in ("missing", "denied", "permanent") and isinstance(e, OSError)]
)
def test_fault_of_the_file_is_given_back_at_once(error: Exception) -> None:
    read = Flaky(9, error)
    assert bytes_or_reason("a.jpg", read) is error
    assert read.calls == 1


def test_place_that_is_not_there_stops_at_once_saying_what_to_do() -> None:
    read = Flaky(9, OSError(GET.format("NO_SUCH_BUCKET")))
    with pytest.raises(ReadFailed) as caught:
        bytes_or_reason("s3://photos/a.jpg", read)
    assert read.calls == 1
    assert str(caught.value) == (
        f"s3://photos/a.jpg: cannot be read ({read.error}); check the address and the credentials, "
        "then run the same command again: it goes on from here"
    )
    assert caught.value.__cause__ is read.error


def test_fault_that_does_not_pass_is_the_files_when_another_answers() -> None:
    read, others = Flaky(99, TimeoutError()), [Flaky(9, FileNotFoundError()), Flaky(0, OSError()), Flaky(0, OSError())]
    assert bytes_or_reason("http://host/a.jpg", read, others) is read.error
    assert (read.calls, [o.calls for o in others]) == (retrying.PATIENCE.tries, [1, 1, 0])


@pytest.mark.parametrize("error", [FileNotFoundError(), OSError(GET.format("NO_SUCH_BUCKET")), OSError("corrupt")])
def test_others_are_asked_only_about_faults_that_might_pass(error: OSError) -> None:
    other = Flaky(0, OSError())
    if fault_of(error) == "no_place":
        with pytest.raises(ReadFailed):
            bytes_or_reason("a.jpg", Flaky(9, error), [other])
    else:
        assert bytes_or_reason("a.jpg", Flaky(9, error), [other]) is error
    assert other.calls == 0


@pytest.mark.parametrize("others", [[], [TimeoutError()], [FileNotFoundError(), ConnectionResetError()]])
def test_fault_that_does_not_pass_stops_and_names_the_file_when_nothing_answers(others: list[OSError]) -> None:
    read = Flaky(99, TimeoutError())
    with pytest.raises(ReadFailed) as caught:
        bytes_or_reason("http://host/a.jpg", read, [Flaky(99, error) for error in others])
    assert read.calls == retrying.PATIENCE.tries
    assert str(caught.value) == (
        "http://host/a.jpg: cannot be read (TimeoutError), each time it was tried; wait until it answers, "
        "then run the same command again: it goes on from here"
    )


def test_error_that_is_none_of_reading_goes_through() -> None:
    with pytest.raises(MemoryError):
        bytes_or_reason("a.jpg", Flaky(1, MemoryError()))
