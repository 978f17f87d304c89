"""Addresses and credentials against a server that checks signatures: what is right works, what is wrong is refused."""

import http.client
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.storage import rclone
from ugclab.errors import StoreError
from ugclab.storage.s3 import S3Store, connect

pytestmark = pytest.mark.slow


REFUSED = (400, 403)  # the latter for a wrong signature, either for what cannot be checked or is too late


@pytest.fixture
def store(real: tuple[Any, str]) -> S3Store:
    client, bucket = real
    return S3Store(bucket, "lab", client)


def ask(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """What an outsider gets, who has nothing but the address."""
    parts = urlsplit(url)
    assert parts.hostname == "127.0.0.1"
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=10)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["plain.mp4", "Zoë à la 映画 +&%.mp4"])
def test_an_address_is_read_by_anybody(store: S3Store, name: str) -> None:
    store.put_bytes(f"a/{name}", b"abc")
    assert ask("GET", store.url(f"a/{name}", 60)) == (200, b"abc")
    assert ask("GET", store.url(f"a/{name}", 60, download_name=name)) == (200, b"abc")


def test_an_address_that_was_tampered_with_is_refused(store: S3Store) -> None:
    for key in ("a/x", "a/y"):
        store.put_bytes(key, b"abc")
    made = store.url("a/x", 60)
    signature = made.index("X-Amz-Signature=") + len("X-Amz-Signature=")
    other = "0" if made[signature] != "0" else "1"
    for wrong in (
        made.replace("/a/x?", "/a/y?"),
        made.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
        made[:signature] + other + made[signature + 1 :],
        made.replace(rclone.ACCESS_KEY, "somebody-else"),
        made.partition("?")[0],
    ):
        assert wrong != made
        assert ask("GET", wrong)[0] in REFUSED, wrong
    assert ask("PUT", made, b"new")[0] == 403
    assert ask("DELETE", made)[0] == 403
    assert store.read_bytes("a/x") == b"abc"


def test_an_address_that_has_expired_is_refused(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_bytes("a/x", b"abc")

    def earlier(remove_tzinfo: bool = True) -> datetime:
        now = datetime.now(UTC) - timedelta(minutes=10)
        return now.replace(tzinfo=None) if remove_tzinfo else now

    with monkeypatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", earlier)
        dead, alive = store.url("a/x", 599), store.url("a/x", 1200)
        dead_upload = store.upload_url("a/y", 599, media_type="video/mp4", size_bytes=3)
    assert ask("GET", alive) == (200, b"abc")
    for status, body in (ask("GET", dead), ask("PUT", dead_upload.url, b"abc", dead_upload.headers)):
        assert status in REFUSED
        assert b"time" in body  # not that the signature is wrong
    assert not store.exists("a/y")


def test_an_upload_from_outside_arrives(store: S3Store, tmp_path: Path) -> None:
    ticket = store.upload_url("a/Zoë.mp4", 60, media_type="video/mp4", size_bytes=3)
    assert ask("PUT", ticket.url, b"abc", ticket.headers)[0] == 200
    assert store.read_bytes("a/Zoë.mp4") == b"abc"
    stored = store.get_file("a/Zoë.mp4", tmp_path / "out")
    assert stored.sha256.startswith("ba7816bf")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"abcd", {"Content-Type": "video/mp4"}),
        (b"ab", {"Content-Type": "video/mp4"}),
        (b"abc", {"Content-Type": "text/html"}),
        (b"abc", {}),
    ],
    ids=["larger", "smaller", "another type", "no type"],
)
def test_an_upload_that_was_not_announced_is_refused(store: S3Store, body: bytes, headers: dict[str, str]) -> None:
    ticket = store.upload_url("a/x.mp4", 60, media_type="video/mp4", size_bytes=3)
    assert ask("PUT", ticket.url, body, headers)[0] in REFUSED
    assert not store.exists("a/x.mp4")


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_wrong_credentials_are_said_and_never_shown(
    real: tuple[Any, str], monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, "wrong-and-not-to-be-shown")
    store = S3Store(real[1], client=connect())
    (tmp_path / "x").write_bytes(b"abc")
    for call in (
        lambda: store.put_bytes("a/x", b"abc"),
        lambda: store.put_file("a/x", tmp_path / "x"),
        lambda: store.read_bytes("a/x"),
        lambda: store.stat("a/x"),
        lambda: list(store.list()),
        lambda: store.delete_prefix("a"),
    ):
        with pytest.raises(StoreError, match="credentials") as caught:
            call()
        assert not caught.value.passing
        assert "shown" not in str(caught.value)
        assert rclone.SECRET_KEY not in str(caught.value)
    assert list(S3Store(real[1], client=real[0]).list()) == []
