"""What signs or unlocks an address never reaches keys, errors or outputs; what identifies the object does."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

import headrace as hr
from headrace.core.errors import BadInput, HeadraceError
from headrace.sources.addresses import shown_address
from headrace.sources.images import ImageFiles, ImageListing
from headrace.sources.locations import location
from headrace.sources.parquet import ParquetFiles

AWS = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SECRET%2F20260101%2Fus-east-1&X-Amz-Date=20260101T000000Z"
    "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=SECRET&X-Amz-Signature=SECRET"
)


def keys(listing: ImageListing) -> list[str]:
    return [e.key for e in listing.entries]


def cells(listing: ImageListing) -> list[Any]:
    return [c for r in listing.reads(0, listing.rows, 2) for c in r.load().cells or ()]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/a.jpg", "https://host/a.jpg"),
        ("https://host:8080/a.jpg?id=3&width=200", "https://host:8080/a.jpg?id=3&width=200"),
        ("https://host/@user/a.jpg?key=3", "https://host/@user/a.jpg?key=3"),
        ("https://me:SECRET@host/a.jpg", "https://host/a.jpg"),
        ("https://SECRET@host:8080/a.jpg", "https://host:8080/a.jpg"),
        ("https://me:SEC@RET@host/a.jpg", "https://host/a.jpg"),
        ("https://me:SEC/RET@host/a.jpg", "https://host/a.jpg"),
        ("https://[::1]:80/a.jpg", "https://[::1]:80/a.jpg"),
        (f"https://b.s3.amazonaws.com/a.jpg?{AWS}", "https://b.s3.amazonaws.com/a.jpg"),
        (f"https://b.s3.amazonaws.com/a.jpg?versionId=7&{AWS}", "https://b.s3.amazonaws.com/a.jpg?versionId=7"),
        (f"HTTPS://host/a.jpg?{AWS.lower()}".replace("secret", "SECRET"), "HTTPS://host/a.jpg"),
        ("https://host/a.jpg?AWSAccessKeyId=SECRET&Signature=SECRET&Expires=1", "https://host/a.jpg"),
        ("https://host/a.jpg?Expires=1&Signature=SECRET&Key-Pair-Id=SECRET&id=3", "https://host/a.jpg?id=3"),
        ("https://host/a.jpg?GoogleAccessId=SECRET&Expires=1&Signature=SECRET", "https://host/a.jpg"),
        ("https://host/a.jpg?X-Goog-Credential=SECRET&X-Goog-Signature=SECRET", "https://host/a.jpg"),
        ("https://x.blob.core.windows.net/c/a.jpg?sv=2024&se=2027&sr=b&sp=r&sig=SECRET", "https://x.blob.core.windows.net/c/a.jpg"),
        ("https://host/a.jpg?se=2&sp=3", "https://host/a.jpg?se=2&sp=3"),
        ("https://host/a.jpg?token=SECRET&id=3", "https://host/a.jpg?id=3"),
        ("https://host/a.jpg?id=3;access_token=SECRET", "https://host/a.jpg?id=3"),
        ("https://host/a.jpg?tok%65n=SECRET&id=3", "https://host/a.jpg?id=3"),
        ("https://host/a.jpg?api_key=SECRET", "https://host/a.jpg"),
        ("https://host/a.jpg?author=me", "https://host/a.jpg?author=me"),
        ("https://host/a.jpg#access_token=SECRET", "https://host/a.jpg"),
        ("https://[bad?token=SECRET", "https://[bad"),
        ("s3://bucket/a?b#c@2x.jpg", "s3://bucket/a?b#c@2x.jpg"),
        ("s3://anonymous@bucket/a.jpg", "s3://bucket/a.jpg"),
        ("s3://KEY:SECRET@bucket/a.jpg", "s3://bucket/a.jpg"),
        ("s3://KEY:SEC/RET@bucket/a.jpg", "s3://bucket/a.jpg"),
        ("s3://KEY:SECRET", "s3://KEY"),
        ("/photos/a?token=x.jpg", "/photos/a?token=x.jpg"),
        ("photos/a@b:c.jpg", "photos/a@b:c.jpg"),
    ],
)  # fmt: skip
def test_address_is_shown_without_what_unlocks_it(address: str, shown: str) -> None:
    assert shown_address(address) == shown


NAMES = ["X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "sig", "token", "AWSAccessKeyId", "Signature"]
harmless = st.lists(st.sampled_from(["id=3", "w=2", "v=", "q=a%20b", "page=1"]), max_size=3)


@given(
    before=harmless, after=harmless, name=st.sampled_from(NAMES), user=st.sampled_from(["", "me:SECRET@", "SECRET@"])
)
def test_whatever_stands_around_it_the_secret_goes_and_the_rest_stays(
    before: list[str], after: list[str], name: str, user: str
) -> None:
    address = f"https://{user}host/a.jpg?" + "&".join([*before, f"{name}=SECRET", *after])
    kept = "&".join([*before, *after])
    assert shown_address(address) == "https://host/a.jpg" + (f"?{kept}" if kept else "")
    assert shown_address(shown_address(address)) == shown_address(address)


@given(st.text())
def test_nothing_is_too_malformed_to_be_shown(text: str) -> None:
    for address in (text, f"https://{text}", f"s3://{text}"):
        assert shown_address(shown_address(address)) == shown_address(address)


def test_presigned_address_is_read_whole_and_keyed_without_its_signature(web: Any) -> None:
    addresses = [f"{web.url}/{name}.jpg?{AWS}" for name in "ab"]
    listing = ImageFiles(addresses).list()
    assert keys(listing) == [f"{web.url}/a.jpg", f"{web.url}/b.jpg"]
    asked = []
    web.answer = lambda request: asked.append(request.path) or (200, {"Content-Length": "2"}, b"ok")
    assert cells(listing) == [b"ok", b"ok"]
    assert all(path.count("SECRET") == 3 for path in asked)
    renewed = [address.replace("SECRET", "RENEWED") for address in addresses]
    assert ImageFiles(renewed).list().only(keys(listing)).rows == 2


def test_user_and_password_are_sent_and_not_kept(web: Any) -> None:
    listing = ImageFiles(f"{web.url}/a.jpg".replace("://", "://me:SECRET@")).list()
    assert keys(listing) == [f"{web.url}/a.jpg"]
    sent = []
    web.answer = lambda request: sent.append(request.headers["Authorization"]) or (200, {"Content-Length": "2"}, b"ok")
    assert cells(listing) == [b"ok"]
    assert sent == ["Basic bWU6U0VDUkVU"]


def test_addresses_that_differ_only_in_what_is_not_shown_are_refused(web: Any) -> None:
    with pytest.raises(
        BadInput, match=r"/a.jpg: is the name of two addresses that differ only in what may not be shown"
    ):
        ImageFiles([f"{web.url}/a.jpg?token={t}" for t in ("SECRET", "TERCES")]).list()
    assert ImageFiles([f"{web.url}/a.jpg?token=SECRET"] * 2).list().rows == 1


@pytest.mark.parametrize("fault", [404, 403, 400, 503, "cut", "reset"])
def test_errors_of_reading_do_not_hold_the_secret(web: Any, fault: Any) -> None:
    address = f"{web.url}/a.jpg?{AWS}".replace("://", "://me:SECRET@")
    listing = ImageFiles(address).list()
    web.fail("/a.jpg", [fault] * 1000)
    try:
        (error,) = cells(listing)
    except HeadraceError as stopped:
        error = stopped
    assert "SECRET" not in f"{error}{error!r}{error.__cause__!r}"


@pytest.mark.parametrize("fault", [404, 403, 400, 503, "reset"])
def test_errors_of_listing_do_not_hold_the_secret(web: Any, fault: Any) -> None:
    address = f"{web.url}/a.jpg?{AWS}".replace("://", "://me:SECRET@")
    web.fail("/a.jpg", [fault] * 1000)
    web.fail("/a.jpg", [fault] * 1000, method="HEAD")
    with pytest.raises(BadInput) as caught:
        ImageFiles(address).list()
    assert str(caught.value).startswith(f"{web.url}/a.jpg: ")
    assert "SECRET" not in f"{caught.value}{caught.value.__cause__!r}"


@pytest.mark.parametrize(
    "where",
    [
        "https://me:SECRET@no-such-host.invalid/a.jpg?token=SECRET",
        "https://me:SECRET@host/*.jpg",
        "ftp://me:SECRET@host/a.jpg",
        "https://[bad?token=SECRET",
        "s3://KEY:SECRET@bucket/*.jpg",
        "s3://KEY:SEC/RET@bucket/*.jpg",
        "s3://KEY:SECRET",
    ],
)
def test_refusals_do_not_hold_the_secret(where: str, new_sessions: None) -> None:
    for source in (ImageFiles(where), ParquetFiles(where), ImageFiles([where, "/nowhere"])):
        with pytest.raises(BadInput) as caught:
            source.list()
        cause = caught.value.__cause__
        assert "SEC" not in f"{caught.value}{cause!r}"


def test_facts_hold_neither_addresses_nor_file_systems(photo_folder: Path) -> None:
    below = fs.SubTreeFileSystem(str(photo_folder), fs.LocalFileSystem())
    for source in (
        ImageFiles("https://me:SECRET@host/", below),
        ParquetFiles("https://me:SECRET@host/", filesystem=below),
    ):
        assert "SECRET" not in str(source.describe())
        assert "FileSystem" not in str(source.describe()) + repr(source)


@pytest.mark.parametrize("where", ["s3://KEY:SECRET@bucket/in", "s3://KEY:SEC/RET@bucket", "abfss://me:SECRET@host/in"])
@pytest.mark.parametrize("wild", ["", "/*.jpg"])
def test_password_beside_a_file_system_is_refused(where: str, wild: str) -> None:
    with pytest.raises(BadInput, match=r"^\w+://\w+.*: holds a password; leave it to the filesystem") as caught:
        ImageFiles(where + wild, fs.LocalFileSystem()).list()
    assert "SEC" not in str(caught.value)
    assert location("abfss://container@host:80/in", fs.LocalFileSystem()).root == "container@host:80/in"


def sizes(batch: dict[str, Any]) -> dict[str, Any]:
    return {"size": [p.shape[0] for p in batch["image"]]}


def test_no_file_of_the_output_holds_the_secret(
    web: Any, photo_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    web.files = {f"/{name}": (photo_folder / name).read_bytes() for name in ("a.JPG", "b.jpg")} | {
        "/c.jpg": b"no photo"
    }
    addresses = [f"{web.url}{path}?{AWS}".replace("://", "://me:SECRET@") for path in web.files]
    job = hr.read_images(addresses).map_batches(sizes)
    web.fail("/b.jpg", [403] * 1000)
    report = job.write_parquet(tmp_path / "o", max_rejected=1.0)
    assert (report.rows_out, report.rows_rejected) == (1, 2)
    written = [p for p in (tmp_path / "o").rglob("*") if p.is_file()]
    assert len(written) > 3
    assert [p for p in written if b"SECRET" in p.read_bytes()] == []
    assert "SECRET" not in "".join(capfd.readouterr())
