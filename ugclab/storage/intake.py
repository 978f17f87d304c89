"""What is let in: who may bring a file from where, and whether what arrived is what a job can use.

| from | who |
|---|---|
| a path of this machine | trust "local": the command line |
| an upload | anybody: the door that took it hands its file straight to `check_footage` and `check_picture` |
| `https://…`, presigned or not | anybody, by the guarded client |
| `s3://bucket/key` | anybody, within the prefixes an operator allows |

Names and types are taken from the bytes, never from what somebody called them. Everything here works on local files;
who keeps them is `assets`.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ugclab.errors import AvatarError, IntakeError, MediaError, NetworkError, StoreError
from ugclab.media.images import decode_image, read_head
from ugclab.media.output import whole_file
from ugclab.media.probe import probe
from ugclab.media.sniff import looks_like_a_page, sniff_footage
from ugclab.media.source import open_source, video_stream
from ugclab.net.addresses import AllowedHosts
from ugclab.net.client import GuardedClient, Progress
from ugclab.net.transport import Limits
from ugclab.net.urls import clean_name, read_url
from ugclab.schema.job import Principal
from ugclab.schema.media import MediaInfo
from ugclab.settings import Settings
from ugclab.storage.s3 import connect

Kind = Literal["source", "avatar"]
"""Footage, or a photo."""
ConnectS3 = Callable[[str], Any]
"""Makes a boto3 client for a bucket."""

LARGEST_PHOTO_PX = 100_000_000
"""Decoded whole it takes 300 MB; photos of larger sensors are above `max_avatar_mb` anyway."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?=//)")
_PHOTOS = {
    "JPEG": ("image/jpeg", ".jpg"),
    "MPO": ("image/jpeg", ".jpg"),
    "PNG": ("image/png", ".png"),
    "WEBP": ("image/webp", ".webp"),
    "AVIF": ("image/avif", ".avif"),
    "BMP": ("image/bmp", ".bmp"),
    "TIFF": ("image/tiff", ".tif"),
    "GIF": ("image/gif", ".gif"),
    "PPM": ("image/x-portable-anymap", ".pnm"),
}
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that a job can use, by its bytes."""

    media_type: str
    suffix: str
    size_bytes: int
    info: MediaInfo | None = None
    """Of footage."""


def admit(principal: Principal, uri: str, settings: Settings) -> Path | None:
    """Decide whether somebody may bring that: a path of this machine, or None for an address, fetched when work begins.

    Pure: nothing is opened, resolved or asked. Raises IntakeError for what can never be let in; a host whose addresses
    are private shows when it is fetched.
    """
    scheme = _SCHEME.match(uri.strip())
    match scheme[0].lower() if scheme else "":
        case "https:" | "http:":
            read_url(uri, AllowedHosts.parse(settings.intake_hosts))
            return None
        case "s3:":
            _place(uri, settings)
            return None
        case "" if principal.trust == "local":
            if not uri or "\0" in uri:
                raise IntakeError("there is no path", hint="give the path of a file, or an https:// address")
            return Path(uri)
        case "":
            raise IntakeError("a path of the server is not let in", hint="upload the file, or give an https:// address")
        case other:
            hint = "give an https:// address"
            hint += ", s3://, or a path" if principal.trust == "local" else " or upload the file"
            raise IntakeError(f"addresses that begin with {other[:20]}// are not let in", hint=hint)


def admit_webhook(url: str, settings: Settings) -> None:
    """Decide whether a receiver may be told there. Pure. Raises IntakeError."""
    try:
        read_url(url, AllowedHosts.parse(settings.intake_hosts))
    except IntakeError as error:
        raise IntakeError(f"of the webhook: {error.message}", hint="give the https:// address of a receiver") from error


def fetch(
    uri: str,
    folder: Path,
    settings: Settings,
    principal: Principal,
    *,
    kind: Kind,
    client: GuardedClient | None = None,
    connect_s3: ConnectS3 | None = None,
    on_progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """Bring the bytes into a folder made for them, under the name a person would call them; whole or not at all.

    A local path stays where it is, and is what is returned. Admitted again first, since settings may have changed.
    Raises IntakeError, NetworkError for what may pass, StoreError for missing credentials, Cancelled, DiskFull,
    OutputError.
    """
    if path := admit(principal, uri, settings):
        return path
    max_bytes = _cap_mb(kind, settings) << 20
    to, timeout_s = folder / f"{kind}.arriving", settings.intake_timeout_s
    if uri.strip().lower().startswith("s3:"):
        bucket, key = _place(uri, settings)
        limits = Limits.within(timeout_s, cancelled)
        _receive_s3(bucket, key, to, max_bytes, connect_s3 or connect, limits, on_progress)
        name = clean_name(key)
    else:
        client = client or GuardedClient(settings.intake_hosts)
        name = client.download(
            uri, to, max_bytes=max_bytes, deadline_s=timeout_s, on_progress=on_progress, cancelled=cancelled
        ).name
    return to.rename(folder / (name or kind))


def check_footage(path: Path, settings: Settings) -> Checked:
    """Look at footage: its container by its own bytes, its size, pixels and length against the settings, its packets.

    Raises IntakeError for what is above a limit, MediaError for what is no video that can be read.
    """
    container = sniff_footage(path)
    size = _check_size(path, "source", settings)
    with open_source(path) as opened:  # before a picture is decoded: a small file can claim any size
        context = video_stream(opened, path.name).codec_context
        _check_pixels(path, context.width, context.height, settings.max_source_px)
    info = probe(path)
    if container.demuxer not in info.container.split(","):
        raise MediaError(
            f"{path.name} begins as {container.suffix[1:]}, and is something else",
            hint="convert it to MP4 with H.264",
        )
    _check_pixels(path, info.width, info.height, settings.max_source_px)
    if info.duration > settings.max_source_s:
        raise IntakeError(
            f"{path.name} is {float(info.duration):.0f} s long, {settings.max_source_s:g} s are let in",
            hint="cut out what is needed, or submit it in parts",
        )
    return Checked(container.media_type, container.suffix, size, info)


def check_picture(path: Path, settings: Settings) -> Checked:
    """Look at a photo: its format by its own bytes, its size and pixels; then decode it once.

    Raises IntakeError for what is above a limit, AvatarError for what is no picture that can be read.
    """
    if path.exists() and not path.is_file():
        raise AvatarError(f"{path} is not a file", hint="give a photo")
    try:
        size = _check_size(path, "avatar", settings)
        data = path.read_bytes()
    except OSError as error:
        raise AvatarError(f"{path} cannot be read ({error.strerror or error})", hint="check the path") from error
    if not data:
        raise AvatarError(f"{path.name} is empty", hint="upload or export it again")
    if looks_like_a_page(data[:100]):
        raise AvatarError(
            f"{path.name} is a web page or XML, not a picture", hint="give the address of the picture itself"
        )
    head = read_head(data, path.name)
    _check_pixels(path, head.width, head.height, LARGEST_PHOTO_PX)
    decode_image(data, path.name)
    media_type, suffix = _PHOTOS[head.format]
    return Checked(media_type, suffix, size)


def _cap_mb(kind: Kind, settings: Settings) -> int:
    return settings.max_source_mb if kind == "source" else settings.max_avatar_mb


def _check_size(path: Path, kind: Kind, settings: Settings) -> int:
    size, cap_mb = path.stat().st_size, _cap_mb(kind, settings)
    if size > cap_mb << 20:
        raise IntakeError(
            f"{path.name} has {size / 2**20:.0f} MB, {cap_mb} MB are let in", hint="compress it, or cut it into parts"
        )
    return size


def _check_pixels(path: Path, width: int, height: int, most: int) -> None:
    if width * height > most:
        raise IntakeError(
            f"{path.name} has {width}x{height} pixels, {most / 1e6:.1f} million are let in", hint="scale it down"
        )


def _place(uri: str, settings: Settings) -> tuple[str, str]:
    """Bucket and key, if an operator lets jobs read there; a prefix ends at a slash of the key. Raises IntakeError."""
    bucket, _, key = uri.strip()[len("s3://") :].partition("/")
    parts = key.split("/")
    if not _BUCKET.fullmatch(bucket) or len(key.encode()) > 1024 or not key.isprintable() or "\\" in key:
        raise IntakeError("the address is not one of S3", hint="write it as s3://bucket/folder/file.mp4")
    if {"", ".", ".."} & set(parts):  # servers disagree about what such a key means
        raise IntakeError("the key has empty parts, '.' or '..' in it", hint="write it as s3://bucket/folder/file.mp4")
    for prefix in settings.intake_s3_prefixes:
        allowed_bucket, _, folder = prefix.strip().removeprefix("s3://").partition("/")
        if bucket == allowed_bucket and (not folder or f"{key}/".startswith(folder.rstrip("/") + "/")):
            return bucket, key
    raise IntakeError(
        f"s3://{bucket} is not open to jobs there",
        hint="give a presigned https:// address, or let the operator set UGCLAB_INTAKE_S3_PREFIXES",
    )


def _receive_s3(
    bucket: str, key: str, to: Path, max_bytes: int, connect: ConnectS3, limits: Limits, on_progress: Progress
) -> None:
    with whole_file(to) as part, part.open("wb") as out, _explained(bucket, key):
        answer = connect(bucket).get_object(Bucket=bucket, Key=key)
        total, done = int(answer["ContentLength"]), 0
        if not total:
            raise IntakeError(f"{key} in {bucket} is empty", hint="upload it again")
        if total > max_bytes:
            raise IntakeError(
                f"{key} in {bucket} has {total / 2**20:.0f} MB, {max_bytes >> 20} MB are let in",
                hint="compress it, or cut it into parts",
            )
        body = answer["Body"]
        try:
            while chunk := body.read(min(_CHUNK_BYTES, max_bytes + 1 - done)):
                limits.left_s(bucket)
                done += len(chunk)
                out.write(chunk)
                on_progress(done, total)
        finally:
            body.close()
        if done != total:
            raise NetworkError(f"{bucket} gave {done} of {total} bytes", hint="try again")


@contextmanager
def _explained(bucket: str, key: str) -> Iterator[None]:
    """Turn what S3 says about somebody's object into our errors; botocore's texts may quote signatures."""
    from botocore import exceptions as said

    try:
        yield
    except said.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
        if code in {"SlowDown", "RequestTimeout", "Throttling"} or status == 429 or status >= 500:
            raise NetworkError(f"the store of {bucket} cannot for now ({code})", hint="try again later") from error
        if code in {"NoSuchKey", "NoSuchBucket", "404", "NotFound"}:
            raise IntakeError(f"there is no {key} in {bucket}", hint="check the address") from error
        raise IntakeError(
            f"{key} in {bucket} is not given out ({code or status})", hint="the worker's credentials need s3:GetObject"
        ) from error
    except (said.NoCredentialsError, said.PartialCredentialsError, said.CredentialRetrievalError) as error:
        raise StoreError(
            f"there are no credentials for the bucket {bucket}",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        ) from error
    except (said.BotoCoreError, said.HTTPClientError) as error:
        raise NetworkError(
            f"the store of {bucket} does not answer ({type(error).__name__})", hint="try again later"
        ) from error
