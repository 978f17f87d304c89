"""Who may bring what from where; and what arrives is looked at by its bytes."""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, IncompleteReadError, NoCredentialsError
from PIL import Image

from tests.clips import make_clip
from tests.net.loopback import answer, saying, site
from ugclab.errors import AvatarError, Cancelled, IntakeError, MediaError, NetworkError, StoreError
from ugclab.media.images import encode_png
from ugclab.media.probe import probe
from ugclab.schema.job import Principal
from ugclab.settings import Settings
from ugclab.storage import intake

LOCAL, SERVICE, PUBLIC = (Principal(user="ada", trust=trust) for trust in ("local", "service", "public"))
NOISE = encode_png(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))
PREFIXES = ("s3://films/in", "s3://whole", "s3://exact/a/b/")


def limits(tmp_path: Path, **more: Any) -> Settings:
    return Settings(data_dir=tmp_path / "data", intake_s3_prefixes=PREFIXES, **more)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("footage") / "clip.mp4", frames=30)


# who may bring what


def test_paths_are_for_the_command_line_alone(tmp_path: Path) -> None:
    settings = limits(tmp_path)
    assert intake.admit(LOCAL, "/a/b c.mp4", settings) == Path("/a/b c.mp4")
    assert intake.admit(LOCAL, "https:/x", settings) == Path("https:/x")  # what it is for the system, too
    for nobody in (SERVICE, PUBLIC):
        for path in (
            "/etc/passwd",
            "a.mp4",
            "../a.mp4",
            "",
            "~root/.ssh/id",
            "C:\\a.mp4",
            "https:/x",
            "data:video/mp4,x",
        ):
            with pytest.raises(IntakeError, match="path of the server"):
                intake.admit(nobody, path, settings)
    for path in ("", "a\0b"):
        with pytest.raises(IntakeError):
            intake.admit(LOCAL, path, settings)


@pytest.mark.parametrize("principal", [LOCAL, SERVICE, PUBLIC], ids=lambda p: p.trust)
@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd", "ftp://files.example/x", "concat://a", "subfile://x", "http://files.example/x",
        "https://127.0.0.1/x", "https://[::ffff:10.0.0.1]/x", "HTTPS://user:pw@files.example/x", "gopher://a/x",
        "s3://other/in/a.mp4", "s3://films/a.mp4", "s3://films/inside/a.mp4", "s3://films/in/",
        "s3://films/in/../a.mp4", "s3://films/in//a.mp4", "s3://films/in/./a", "s3://films/in\\a.mp4",
        "s3://films2/in/a.mp4", "s3://film/in/a.mp4", "s3://exact/a/bc", "s3://exact/a", "s3://", "s3:///in/a",
        "s3://whole", "s3://whole/", "S3://Films/in/a.mp4", "s3://u@films/in/a", "s3://films:80/in/a",
        "s3://films/in/a\nb", "s3://films/in/" + "k" * 1025,
    ],
)  # fmt: skip
def test_never_let_in(principal: Principal, uri: str, tmp_path: Path) -> None:
    with pytest.raises(IntakeError) as caught:
        intake.admit(principal, uri, limits(tmp_path))
    assert caught.value.hint


@pytest.mark.parametrize(
    "uri",
    [
        "https://files.example/a?X-Amz-Signature=1",
        "s3://films/in/a/b.mp4",
        "S3://whole/x",
        "s3://films/in",
        "s3://exact/a/b/c ü?",
    ],
)
def test_let_in_for_anybody(uri: str, tmp_path: Path) -> None:
    assert intake.admit(PUBLIC, uri, limits(tmp_path)) is None


def test_no_bucket_is_open_by_default_and_hosts_of_the_premises_are_by_name(tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="not open"):
        intake.admit(LOCAL, "s3://films/in/a.mp4", Settings(data_dir=tmp_path))
    assert intake.admit(PUBLIC, "http://nas.example/x", Settings(intake_hosts=("nas.example",))) is None


def test_webhooks_are_told_by_the_same_rules(tmp_path: Path) -> None:
    intake.admit_webhook("https://hooks.example/t0ken", limits(tmp_path))
    for url in ("http://hooks.example/t0ken", "https://10.0.0.1/t0ken", "hooks.example/t0ken", ""):
        with pytest.raises(IntakeError, match="webhook") as caught:
            intake.admit_webhook(url, limits(tmp_path))
        assert "t0ken" not in str(caught.value)


# bringing it


def test_a_local_file_stays_where_it_is(tmp_path: Path, footage: Path) -> None:
    assert intake.fetch(str(footage), tmp_path, limits(tmp_path), LOCAL, kind="source") == footage
    with pytest.raises(IntakeError):
        intake.fetch(str(footage), tmp_path, limits(tmp_path), PUBLIC, kind="source")


def test_a_download_comes_under_its_own_name(tmp_path: Path, footage: Path) -> None:
    settings = limits(tmp_path, intake_hosts=("files.example",))
    with site(saying(answer(body=footage.read_bytes()))) as internet:
        path = intake.fetch(
            "http://files.example/a/M%C3%BCde.mov?sig=1",
            tmp_path,
            settings,
            PUBLIC,
            kind="source",
            client=internet.client("files.example"),
        )
    assert path == tmp_path / "Müde.mov"
    assert intake.check_footage(path, settings).suffix == ".mp4"
    assert list(tmp_path.iterdir()) == [path]


def test_the_cap_is_that_of_what_is_brought(tmp_path: Path) -> None:
    settings = limits(tmp_path, max_avatar_mb=1, max_source_mb=2)
    with site(saying(answer(body=bytes(3 << 19)))) as internet:
        client = internet.client("files.example")
        uri = "http://files.example/a"
        allowed = settings.model_copy(update={"intake_hosts": ("files.example",)})
        assert intake.fetch(uri, tmp_path, allowed, PUBLIC, kind="source", client=client).stat().st_size == 3 << 19
        with pytest.raises(IntakeError, match="larger than 1 MB"):
            intake.fetch(uri, tmp_path, allowed, PUBLIC, kind="avatar", client=client)


class Body(io.BytesIO):
    """What boto3 gives to read from; it may break off."""

    def __init__(self, data: bytes, error: Exception | None = None) -> None:
        super().__init__(data)
        self._error = error

    def read(self, size: int | None = -1) -> bytes:
        if data := super().read(size):
            return data
        if self._error:
            raise self._error
        return b""


class S3:
    """A client with one answer."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def get_object(self, **where: str) -> Any:
        assert where == {"Bucket": "films", "Key": "in/clip.mp4"}
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def said(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetObject")


def from_s3(given: Any, folder: Path, **more: Any) -> Path:
    return intake.fetch(
        "s3://films/in/clip.mp4",
        folder,
        limits(folder),
        PUBLIC,
        kind="source",
        connect_s3=lambda bucket: S3(given),
        **more,
    )


def test_an_object_of_s3(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = from_s3(
        {"ContentLength": 4, "Body": Body(b"data")},
        tmp_path,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert (path, path.read_bytes(), seen) == (tmp_path / "clip.mp4", b"data", [(4, 4)])


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (said("NoSuchKey", 404), IntakeError, "there is no in/clip.mp4 in films"),
        (said("NoSuchBucket", 404), IntakeError, "there is no"),
        (said("AccessDenied", 403), IntakeError, "not given out"),
        (said("SlowDown", 503), NetworkError, "for now"),
        (said("InternalError", 500), NetworkError, "for now"),
        (NoCredentialsError(), StoreError, "no credentials"),
        (ConnectionClosedError(endpoint_url="https://s?Signature=s3cret"), NetworkError, "does not answer"),
        ({"ContentLength": 0, "Body": Body(b"")}, IntakeError, "empty"),
        ({"ContentLength": 5 << 40, "Body": Body(b"x")}, IntakeError, "MB are let in"),
        ({"ContentLength": 9, "Body": Body(b"half")}, NetworkError, "4 of 9 bytes"),
        (
            {"ContentLength": 9, "Body": Body(b"half", IncompleteReadError(actual_bytes=4, expected_bytes=9))},
            NetworkError,
            "IncompleteRead",
        ),
    ],
)
def test_what_s3_says_is_said_plainly(given: Any, error: type[Exception], words: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=words) as caught:
        from_s3(given, tmp_path)
    assert "s3cret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_transfer_from_s3_can_be_cancelled(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        from_s3({"ContentLength": 4, "Body": Body(b"data")}, tmp_path, cancelled=lambda: True)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="films")
        yield client


def test_through_boto3_itself(bucket: Any, tmp_path: Path) -> None:
    bucket.put_object(Bucket="films", Key="in/ü 1.mp4", Body=b"data")
    path = intake.fetch("s3://films/in/ü 1.mp4", tmp_path, limits(tmp_path), PUBLIC, kind="source")
    assert (path.name, path.read_bytes()) == ("ü 1.mp4", b"data")
    with pytest.raises(IntakeError, match="there is no"):
        intake.fetch("s3://films/in/none.mp4", tmp_path, limits(tmp_path), PUBLIC, kind="source")


# what arrived


def test_footage_is_known_by_its_bytes(footage: Path, tmp_path: Path) -> None:
    misnamed = tmp_path / "holiday.jpg"
    misnamed.write_bytes(footage.read_bytes())
    checked = intake.check_footage(misnamed, limits(tmp_path))
    assert (checked.media_type, checked.suffix, checked.size_bytes) == ("video/mp4", ".mp4", footage.stat().st_size)
    assert checked.info == probe(misnamed)


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [
        (".mov", "video/quicktime"), (".mkv", "video/x-matroska"), (".ts", "video/mp2t"), (".avi", "video/x-msvideo"),
        (".flv", "video/x-flv"), (".m2ts", "video/mp2t"),
    ],
)  # fmt: skip
def test_containers(suffix: str, media_type: str, tmp_path: Path) -> None:
    path = make_clip(tmp_path / f"clip{suffix}", frames=12, sounds=())
    named = path.rename(tmp_path / "clip")
    assert intake.check_footage(named, limits(tmp_path)).media_type == media_type


def test_webm(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.webm", frames=4, sounds=(), codec="libvpx-vp9", b_frames=0)
    assert intake.check_footage(path, limits(tmp_path)).suffix == ".webm"


@pytest.mark.parametrize(
    ("option", "value"), [("max_source_s", 0.5), ("max_source_px", 192 * 108 - 1)], ids=["length", "pixels"]
)
def test_footage_above_a_limit(option: str, value: float, footage: Path, tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="let in") as caught:
        intake.check_footage(footage, limits(tmp_path, **{option: value}))
    assert caught.value.hint
    assert intake.check_footage(footage, limits(tmp_path, max_source_s=1, max_source_px=192 * 108)).info


def test_a_file_above_the_size_is_not_read(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "open", None)
    path = tmp_path / "large.mp4"
    path.write_bytes(footage.read_bytes())
    with path.open("rb+") as file:
        file.truncate((1 << 20) + 1)  # sparse
    with pytest.raises(IntakeError, match="1 MB are let in"):
        intake.check_footage(path, limits(tmp_path, max_source_mb=1))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n", "playlist"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n#EXT-X-ENDLIST\n", "playlist"),
        (b"\xef\xbb\xbf\n #EXTM3U\n", "playlist"),
        (b"ffconcat version 1.0\nfile secret.ts\n", "playlist"),
        (b"file secret.ts\n", "no video"),
        (b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>', "playlist"),
        (b"<!DOCTYPE html><html>log in</html>", "web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "web page"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n", "no video"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "photo"),
        (b"\0\0\0\x18ftypjp2 \nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n", "photo"),
        (b"\x89PNG\r\n\x1a\n", "no video"),
        (b"just text", "no video"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_footage_never_reaches_ffmpeg(
    data: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "secret.ts", frames=12, sounds=())
    opened: list[str] = []
    monkeypatch.setattr(av, "open", lambda *args, **kwargs: opened.append(args[0]))
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(MediaError, match=words) as caught:
        intake.check_footage(tmp_path / "clip.mp4", limits(tmp_path))
    assert caught.value.hint
    assert opened == []


def test_a_container_in_name_only(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(5000))
    with pytest.raises(MediaError):
        intake.check_footage(tmp_path / "a.mp4", limits(tmp_path))
    stream = make_clip(tmp_path / "b.ts", frames=60, size=(640, 360), sounds=()).read_bytes()
    (tmp_path / "b.mp4").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(184) + stream)  # FFmpeg finds the stream in it
    with pytest.raises(MediaError, match="begins as mkv, and is something else"):
        intake.check_footage(tmp_path / "b.mp4", limits(tmp_path))


def photo(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "media_type", "suffix"),
    [("JPEG", "image/jpeg", ".jpg"), ("PNG", "image/png", ".png"), ("WEBP", "image/webp", ".webp"),
     ("AVIF", "image/avif", ".avif"), ("TIFF", "image/tiff", ".tif"), ("PPM", "image/x-portable-anymap", ".pnm")],
)  # fmt: skip
def test_photos_are_known_by_their_bytes(kind: str, media_type: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(data := photo(kind))
    assert intake.check_picture(tmp_path / "x.mp4", limits(tmp_path)) == intake.Checked(media_type, suffix, len(data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"  <!doctype html><p>log in", "web page"),
        (b"<?xml?><Error/>", "web page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "web page or XML"),
        (b"", "is empty"),
        (b"text", "no picture"),
        (NOISE[:3000], "incomplete"),
        (b"%PDF-1.7", "no picture"),
    ],
)
def test_what_is_no_photo(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "avatar.jpg").write_bytes(data)
    with pytest.raises(AvatarError, match=words) as caught:
        intake.check_picture(tmp_path / "avatar.jpg", limits(tmp_path))
    assert caught.value.hint


def test_a_photo_above_a_limit_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "decode_image", None)
    (tmp_path / "bomb.pnm").write_bytes(b"P6 12000 12000 255\n")
    with pytest.raises(IntakeError, match="12000x12000"):
        intake.check_picture(tmp_path / "bomb.pnm", limits(tmp_path))
    (tmp_path / "bomb.pnm").write_bytes(b"P6 65000 65000 255\n")  # Pillow's own limit
    with pytest.raises(AvatarError, match="pixels"):
        intake.check_picture(tmp_path / "bomb.pnm", limits(tmp_path))
    (tmp_path / "large.jpg").write_bytes(photo("JPEG") + bytes(1 << 20))
    with pytest.raises(IntakeError, match="1 MB are let in"):
        intake.check_picture(tmp_path / "large.jpg", limits(tmp_path, max_avatar_mb=1))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, Path("/dev/zero")):
        with pytest.raises(MediaError):
            intake.check_footage(path, limits(tmp_path))
        with pytest.raises(AvatarError):
            intake.check_picture(path, limits(tmp_path))


def test_length_is_exact(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", frames=31, rate=30, sounds=())
    assert intake.check_footage(clip, limits(tmp_path, max_source_s=float(Fraction(31, 30)) + 1e-9)).info
    with pytest.raises(IntakeError):
        intake.check_footage(clip, limits(tmp_path, max_source_s=1))
