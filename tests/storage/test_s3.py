"""The store on S3: what it asks for, what it makes of every answer, and what a bad network does to it."""

import hashlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.awsrequest import AWSResponse

from tests.storage import rclone
from tests.storage.conftest import BUCKET
from ugclab.errors import StoreCorrupt, StoreError, StoreUnavailable
from ugclab.storage.s3 import S3Store, connect
from ugclab.storage.s3_errors import refusal


@pytest.fixture
def store(moto: Any) -> S3Store:
    return S3Store(BUCKET, client=moto)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.mp4"
    path.write_bytes(bytes(17 << 20))
    return path


def every_call(store: S3Store, path: Path) -> list[Callable[[], object]]:
    return [
        lambda: store.put_file("x.mp4", path),
        lambda: store.put_content("a", path),
        lambda: store.put_bytes("x.mp4", b"x"),
        lambda: store.read_bytes("x.mp4"),
        lambda: store.get_file("x.mp4", path.with_name("out")),
        lambda: store.stat("x.mp4"),
        lambda: store.exists("x.mp4"),
        lambda: list(store.list()),
        lambda: store.delete_prefix("x.mp4"),
    ]


def all_raise(store: S3Store, tmp_path: Path, kind: type[StoreError], match: str) -> None:
    (tmp_path / "abc.bin").write_bytes(b"abc")
    for call in every_call(store, tmp_path / "abc.bin"):
        with pytest.raises(kind, match=match) as caught:
            call()
        assert type(caught.value) is kind
        assert caught.value.hint
        assert rclone.SECRET_KEY not in str(caught.value)
        assert rclone.ACCESS_KEY not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["abc.bin"]


# what is asked for


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"encryption": "AES256", "kms_key": "unused"}, {"x-amz-server-side-encryption": "AES256"}),
        ({"encryption": "aws:kms"}, {"x-amz-server-side-encryption": "aws:kms"}),
        (
            {"encryption": "aws:kms", "kms_key": "alias/films"},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "alias/films",
            },
        ),
    ],
)
def test_encryption_is_asked_for_with_every_write(
    moto: Any, options: dict[str, str], expected: dict[str, str], big: Path
) -> None:
    sent = []
    for name in ("PutObject", "CreateMultipartUpload"):
        moto.meta.events.register(f"before-call.s3.{name}", lambda params, **_: sent.append(params["headers"]))
    store = S3Store(BUCKET, client=moto, **options)
    (big.parent / "small").write_bytes(b"abc")
    store.put_file("small", big.parent / "small")
    store.put_file("big", big)
    store.put_bytes("bytes", b"abc")
    assert len(sent) == 3
    for headers in sent:
        found = {name.lower(): value for name, value in headers.items()}
        assert {n: v for n, v in found.items() if n.startswith("x-amz-server-side")} == expected
        assert len(found["x-amz-meta-sha256"]) == 64
    ticket = store.upload_url("up.mp4", 60, media_type="video/mp4", size_bytes=5)
    signed = parse_qs(urlsplit(ticket.url).query)["X-Amz-SignedHeaders"][0].split(";")
    assert set(signed) == {"host"} | {name.lower() for name in ticket.headers}
    assert {n: v for n, v in ticket.headers.items() if n.startswith("x-amz")} == expected


def test_addresses_are_signed_with_version_4_and_name_the_download(store: S3Store) -> None:
    made = store.url("a/Zoë.mp4", 3600, download_name='Zoë "1";.mp4')
    query = parse_qs(urlsplit(made).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["3600"]
    assert query["response-content-disposition"] == [
        "attachment; filename=\"Zo_ _1__.mp4\"; filename*=UTF-8''Zo%C3%AB%20%221%22%3B.mp4"
    ]
    assert rclone.SECRET_KEY not in made


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("", "https://footage.s3.amazonaws.com/p/x"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/footage/p/x"),
        ("https://s3.example.com/base", "https://s3.example.com/base/footage/p/x"),
    ],
)
def test_the_bucket_is_in_the_path_where_an_endpoint_is_set(
    keys: None, monkeypatch: pytest.MonkeyPatch, endpoint: str, expected: str
) -> None:
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    assert S3Store(BUCKET, "p").url("x", 60).partition("?")[0] == expected


def test_what_is_sent_is_signed_with_its_hash(store: S3Store, moto: Any, big: Path) -> None:
    """So that the server refuses what was damaged on the way, over https too."""
    sent: list[str] = []
    for name in ("PutObject", "UploadPart"):
        moto.meta.events.register_first(
            f"before-send.s3.{name}", lambda request, **_: sent.append(request.headers["X-Amz-Content-SHA256"])
        )
    store.put_bytes("x", b"abc")
    store.put_file("big", big)
    hashes = [digest.decode() if isinstance(digest, bytes) else digest for digest in sent]
    part = hashlib.sha256(bytes(8 << 20)).hexdigest()
    last = hashlib.sha256(bytes(1 << 20)).hexdigest()
    assert sorted(hashes) == sorted([hashlib.sha256(b"abc").hexdigest(), part, part, last])


def test_what_is_typed_by_its_suffix(store: S3Store, moto: Any) -> None:
    for key, expected in {"a.MP4": "video/mp4", "b.json": "application/json", "c": "application/octet-stream"}.items():
        store.put_bytes(key, b"x")
        assert moto.head_object(Bucket=BUCKET, Key=key)["ContentType"] == expected


def test_what_others_put_there_has_no_hash(store: S3Store, moto: Any, tmp_path: Path) -> None:
    moto.put_object(Bucket=BUCKET, Key="theirs", Body=b"abc", Metadata={"SHA256": "not one"})
    moto.put_object(Bucket=BUCKET, Key="folder/", Body=b"")
    assert store.stat("theirs").sha256 == ""
    assert store.read_bytes("theirs") == b"abc"
    assert store.get_file("theirs", tmp_path / "out").sha256 == hashlib.sha256(b"abc").hexdigest()
    assert [s.key for s in store.list()] == ["theirs"]


# what is deleted


def test_deleting_a_user_leaves_no_version_no_marker_and_no_upload(moto: Any) -> None:
    moto.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    store = S3Store(BUCKET, "ours", moto)
    for key in ("users/a/1", "users/a/1", "users/a/2", "users/ab/1"):
        store.put_bytes(key, b"x")
    moto.delete_object(Bucket=BUCKET, Key="ours/users/a/2")
    moto.create_multipart_upload(Bucket=BUCKET, Key="ours/users/a/3")
    moto.create_multipart_upload(Bucket=BUCKET, Key="ours/users/ab/3")
    assert store.delete_prefix("users/a") == 1
    left = moto.list_object_versions(Bucket=BUCKET)
    assert [v["Key"] for v in left["Versions"]] == ["ours/users/ab/1"]
    assert "DeleteMarkers" not in left
    assert [u["Key"] for u in moto.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == ["ours/users/ab/3"]


def test_an_upload_that_ends_while_its_folder_is_deleted(store: S3Store, moto: Any) -> None:
    upload = moto.create_multipart_upload(Bucket=BUCKET, Key="a/x")

    def end(**_: object) -> None:
        connect().abort_multipart_upload(Bucket=BUCKET, Key="a/x", UploadId=upload["UploadId"])

    moto.meta.events.register("before-call.s3.AbortMultipartUpload", end)
    assert store.delete_prefix("a") == 0
    assert "Uploads" not in moto.list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.slow
def test_more_objects_are_deleted_than_one_request_takes(store: S3Store) -> None:
    for number in range(1003):
        store.put_bytes(f"a/{number}", b"")
    assert store.delete_prefix("a") == 1003
    assert list(store.list()) == []


def test_an_object_that_cannot_be_deleted_is_said(store: S3Store, moto: Any) -> None:
    body = b"<DeleteResult><Error><Key>a/1</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    store.put_bytes("a/1", b"x")
    moto.meta.events.register("before-send.s3.DeleteObjects", lambda request, **_: answer(request.url, 200, body))
    with pytest.raises(StoreError, match="denied"):
        store.delete_prefix("a")


# what goes wrong


def test_a_bucket_that_does_not_exist(moto: Any, tmp_path: Path) -> None:
    all_raise(S3Store("nowhere", client=moto), tmp_path, StoreError, r"no bucket nowhere.*UGCLAB_S3_BUCKET")


def test_a_bucket_that_cannot_exist(moto: Any, tmp_path: Path) -> None:
    all_raise(S3Store("no bucket!", client=moto), tmp_path, StoreError, r"not the name of a bucket")


def test_no_credentials(no_aws: None, tmp_path: Path) -> None:
    all_raise(S3Store(BUCKET), tmp_path, StoreError, r"no credentials.*AWS_ACCESS_KEY_ID")
    with pytest.raises(StoreError, match="no credentials"):
        S3Store(BUCKET).url("x", 60)


def test_half_credentials_a_missing_profile_and_an_address_that_is_none(
    no_aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "half")
        with pytest.raises(StoreError, match="no credentials"):
            S3Store(BUCKET).stat("x")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(StoreError, match="AWS_PROFILE"):
            S3Store(BUCKET)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "not an address")
    with pytest.raises(StoreError, match="AWS_ENDPOINT_URL_S3"):
        S3Store(BUCKET)


@pytest.mark.parametrize(
    ("code", "status", "passing", "match"),
    [
        ("SlowDown", 503, True, "fewer requests"),
        ("InternalError", 500, True, "fault of its own"),
        ("", 502, True, "502"),
        ("TooManyRequests", 429, True, "fewer requests"),
        ("RequestTimeout", 400, True, "in time"),
        ("XAmzContentSHA256Mismatch", 400, True, "other bytes"),
        ("NoSuchBucket", 404, False, "UGCLAB_S3_BUCKET"),
        ("InvalidAccessKeyId", 403, False, "AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", 403, False, "AWS_SECRET_ACCESS_KEY"),
        ("ExpiredToken", 400, False, "renew"),
        ("AccessDenied", 403, False, "s3:PutObject"),
        ("403", 403, False, "s3:ListBucket"),
        ("PermanentRedirect", 301, False, "AWS_REGION"),
        ("RequestTimeTooSkewed", 403, False, "clock"),
        ("KMS.NotFoundException", 400, False, "UGCLAB_S3_KMS_KEY"),
        ("NotImplemented", 501, False, "NotImplemented"),
        ("EntityTooLarge", 400, False, "EntityTooLarge"),
    ],
)
def test_every_answer_says_what_to_do(code: str, status: int, passing: bool, match: str) -> None:
    error = refusal("b", code, status)
    assert error.passing is passing
    assert isinstance(error, StoreUnavailable) is passing
    assert match in str(error)
    assert error.hint


def test_a_store_that_is_not_there(keys: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free.getsockname()[1]}")
    store = S3Store(BUCKET, client=connect(attempts=1))
    all_raise(store, tmp_path, StoreUnavailable, "does not answer")


def test_a_store_that_never_answers(keys: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
        store = S3Store(BUCKET, client=connect(attempts=1, read_timeout_s=0.1))
        all_raise(store, tmp_path, StoreUnavailable, "does not answer")


class Canned(BaseHTTPRequestHandler):
    """Says that an object has 1000 bytes, sends ten and hangs up; everything else is a fault."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", '"x"')
        self.end_headers()

    def do_GET(self) -> None:
        if self.path.partition("?")[0].endswith("/torn"):
            self.do_HEAD()
            self.wfile.write(b"0123456789")
        else:
            self.send_error(503)

    def do_PUT(self) -> None:
        self.send_error(503)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name it has there
        pass


@pytest.fixture
def canned(keys: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Canned)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    yield S3Store(BUCKET, client=connect(attempts=1))
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_torn_download_leaves_nothing_and_may_pass(canned: S3Store, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="does not answer"):
        canned.get_file("torn", tmp_path / "out")
    with pytest.raises(StoreUnavailable, match="does not answer"):
        canned.read_bytes("torn")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_ill(canned: S3Store, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    for call in (lambda: canned.put_file("x", tmp_path / "x"), lambda: list(canned.list())):
        with pytest.raises(StoreUnavailable, match="503"):
            call()


def answer(url: str, status: int, body: bytes = b"") -> AWSResponse:
    raw = SimpleNamespace(stream=lambda **_: iter([body]), read=lambda *_: body)
    return AWSResponse(url, status, {}, raw)


def test_one_write_in_ten_fails_and_nothing_is_lost(moto: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the failures before the server did anything, half after: then the answer alone is lost."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    number = itertools.count(1)
    refused = []

    def refuse(request: Any, **_: object) -> AWSResponse | None:
        this = next(number)
        if this % 10:
            return None
        refused.append(request.url)
        return answer(request.url, 500 if this % 20 else 503)

    moto.meta.events.register_first("before-send.s3.PutObject", refuse)
    moto.meta.events.register_first("before-send.s3.UploadPart", refuse)
    store = S3Store(BUCKET, client=moto)
    for index in range(60):
        (tmp_path / "x").write_bytes(b"%d" % index)
        store.put_file(f"a/{index:02}", tmp_path / "x")
    (tmp_path / "big").write_bytes(bytes(200 << 10) * 128)  # 25 MiB: four parts
    store.put_file("b/big", tmp_path / "big")
    assert len(refused) >= 6
    assert [store.read_bytes(s.key) for s in store.list("a")] == [b"%d" % index for index in range(60)]
    assert store.get_file("b/big", tmp_path / "out").size_bytes == 25 << 20


def test_a_write_that_fails_for_good_may_be_made_again(
    keys: None, moto: Any, tmp_path: Path, big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(attempts=1)
    broken = True

    def refuse(request: Any, **_: object) -> AWSResponse | None:
        return answer(request.url, 500) if broken and "partNumber=2" in request.url else None

    client.meta.events.register_first("before-send.s3.UploadPart", refuse)
    store = S3Store(BUCKET, client=client)
    with pytest.raises(StoreUnavailable):
        store.put_file("x.mp4", big)
    assert not store.exists("x.mp4")
    assert "Uploads" not in client.list_multipart_uploads(Bucket=BUCKET)
    broken = False
    assert store.put_file("x.mp4", big) == store.stat("x.mp4")


@pytest.mark.parametrize("size", [5, 17 << 20, 16 << 20], ids=["one put", "parts", "whole parts"])
def test_a_file_that_changes_while_it_is_sent_does_not_appear(
    store: S3Store, moto: Any, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(size))
    find = store._find

    def meddle(key: str) -> Any:
        path.write_bytes(bytes(size - 1) + b"x")
        return find(key)

    monkeypatch.setattr(store, "_find", meddle)
    with pytest.raises(StoreCorrupt, match="sha256"):
        store.put_file("a", path)
    assert list(store.list()) == []
    assert "Uploads" not in moto.list_multipart_uploads(Bucket=BUCKET)


def test_an_object_replaced_while_it_is_read_is_read_again_later(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_bytes("a", b"old")
    stat, put = store.stat, store.put_bytes

    def meddle(key: str) -> Any:
        found = stat(key)
        put("a", b"new")
        return found

    monkeypatch.setattr(store, "stat", meddle)
    with pytest.raises(StoreUnavailable, match="replaced"):
        store.get_file("a", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_only_we_can_reach_gives_out_no_addresses(moto: Any) -> None:
    store = S3Store(BUCKET, client=moto, direct=False)
    store.put_bytes("x.mp4", b"x")
    assert store.url("x.mp4", 60) is None
    assert store.upload_url("y.mp4", 60, media_type="video/mp4", size_bytes=1) is None
    assert store.read_bytes("x.mp4") == b"x"
