"""A store on S3, or on anything that speaks its language.

The ordinary AWS environment variables and files say where and as whom (AWS_ENDPOINT_URL_S3, AWS_REGION,
AWS_ACCESS_KEY_ID …): boto3 reads them. Uploads need no If-None-Match: keys of sources are hashes of their bytes, other
keys are written by the one job they are named after, and not every server knows the header.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from ugclab.errors import StoreError
from ugclab.media.output import whole_file
from ugclab.storage.paths import media_type_of
from ugclab.storage.s3_errors import UNSUPPORTED, code_of, refusal, translated
from ugclab.storage.store import (
    Stored,
    Upload,
    check_digest,
    checked_expiry,
    checked_folder,
    checked_key,
    file_sha256,
)

PART_BYTES, PARTS_AT_ONCE = 8 << 20, 4
"""An upload keeps at most so many parts in memory; 10,000 parts of 8 MiB are 78 GiB, above any footage let in."""

_SHA256 = "sha256"
"""The metadata field a hash is recorded in: `x-amz-meta-sha256`."""


class S3Store:
    """Objects of one bucket, below `prefix`. A client serves any number of threads."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        client: Any = None,
        *,
        encryption: str = "",
        kms_key: str = "",
        direct: bool = True,
    ) -> None:
        """Take a boto3 client, or make one from the environment; without `direct` it gives out no addresses.

        Raises StoreError.
        """
        self.bucket = bucket
        self._direct = direct
        self._root = f"{checked_folder(prefix)}/" if prefix else ""
        self._client = client or connect(bucket)
        self._seen = False
        self._encryption = {"ServerSideEncryption": encryption} if encryption else {}
        if encryption == "aws:kms" and kms_key:
            self._encryption["SSEKMSKeyId"] = kms_key

    def put_file(self, key: str, path: Path, *, sha256: str = "") -> Stored:
        """Upload a local file, in parts where it is large; the same bytes under the same key are not sent again.

        The file is read twice, once for the hash that goes ahead as metadata. What is sent is hashed on its way: where
        that differs the upload is aborted, and nothing appears.
        """
        checked_key(key)
        digest = file_sha256(path)
        check_digest(path.name, digest, sha256)
        return self._put(key, path, digest)

    def _put(self, key: str, path: Path, digest: str) -> Stored:
        where = self._where(key)
        stored = Stored(key=key, size_bytes=path.stat().st_size, sha256=digest)
        if self._find(key) == stored:
            return stored
        with path.open("rb") as file, translated(self.bucket, key):
            extra = self._headers(key, digest)
            self._client.upload_fileobj(_Checked(file, path.name, digest), **where, ExtraArgs=extra, Config=_transfer())
        return stored

    def put_content(self, folder: str, path: Path, *, suffix: str = "") -> Stored:
        """Upload a local file under the name of its hash."""
        top = checked_folder(folder)
        digest = file_sha256(path)
        return self._put(f"{top}/{digest}{suffix}", path, digest)

    def put_bytes(self, key: str, data: bytes) -> Stored:
        """Upload bytes."""
        digest = hashlib.sha256(data).hexdigest()
        with translated(self.bucket, key):
            self._client.put_object(**self._where(key), Body=data, **self._headers(key, digest))
        return Stored(key=key, size_bytes=len(data), sha256=digest)

    def _headers(self, key: str, digest: str) -> dict[str, Any]:
        return {"ContentType": media_type_of(key), "Metadata": {_SHA256: digest}, **self._encryption}

    def read_bytes(self, key: str) -> bytes:
        """All bytes of one object. Raises KeyError, StoreCorrupt."""
        with translated(self.bucket, key):
            answer = self._client.get_object(**self._where(key))
            data: bytes = answer["Body"].read()
        check_digest(key, hashlib.sha256(data).hexdigest(), _recorded(answer))
        return data

    def get_file(self, key: str, path: Path, *, sha256: str = "") -> Stored:
        """Download to `path`, whole or absent. Raises KeyError, StoreCorrupt."""
        before = self.stat(key)
        with whole_file(path) as part:
            with part.open("wb") as file, translated(self.bucket, key):
                self._client.download_fileobj(**self._where(key), Fileobj=file, Config=_transfer())
            digest = file_sha256(part)
            if before.sha256 not in ("", digest) and self.stat(key) != before:
                raise refusal(self.bucket, "PreconditionFailed")
            check_digest(key, digest, sha256, before.sha256)
            size = part.stat().st_size
        return Stored(key=key, size_bytes=size, sha256=digest)

    def stat(self, key: str) -> Stored:
        """Size, and sha256 where it was recorded. Raises KeyError."""
        found = self._find(key)
        if found is None:
            self._look_at_bucket()
            raise KeyError(key)
        return found

    def exists(self, key: str) -> bool:
        """Whether an object of that key is there."""
        if self._find(key) is None:
            self._look_at_bucket()
            return False
        return True

    def _find(self, key: str) -> Stored | None:
        try:
            with translated(self.bucket, key):
                answer = self._client.head_object(**self._where(key))
        except KeyError:
            return None
        self._seen = True
        return Stored(key=key, size_bytes=answer["ContentLength"], sha256=_recorded(answer))

    def _look_at_bucket(self) -> None:
        """HEAD does not tell a missing bucket from a missing object: ask, once."""
        if self._seen:
            return
        try:
            with translated(self.bucket):
                self._client.head_bucket(Bucket=self.bucket)
        except KeyError as error:
            raise refusal(self.bucket, "NoSuchBucket") from error
        self._seen = True

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Objects under a folder, in order of their keys."""
        for item in self._pages("list_objects_v2", self._below(prefix), "Contents"):
            if not item["Key"].endswith("/"):  # the empty objects that consoles make for a folder
                yield Stored(key=item["Key"][len(self._root) :], size_bytes=item["Size"])

    def delete_prefix(self, prefix: str) -> int:
        """Delete one object, or a folder: objects, their old versions, and uploads that were never finished."""
        # Without a slash an object may be meant: then the listings hold neighbours, "users/ab" besides "users/a".
        name = f"{self._root}{checked_folder(prefix)}" + "/" * prefix.endswith("/")
        self._abort_uploads(name)
        versions = [
            (item["Key"], item["VersionId"])
            for item in self._pages("list_object_versions", name, "Versions", "DeleteMarkers")
        ]
        found = {item["Key"] for item in self._pages("list_objects_v2", name, "Contents")}
        ours = [one for one in versions if _under(name, one[0])]
        ours += [(key, None) for key in found - {key for key, _ in ours} if _under(name, key)]
        for start in range(0, len(ours), 1000):  # as many as one request takes
            wanted = [
                {"Key": key} | ({"VersionId": version} if version else {})
                for key, version in ours[start : start + 1000]
            ]
            with translated(self.bucket):
                answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": wanted, "Quiet": True})
            for failed in answer.get("Errors", []):
                raise refusal(self.bucket, failed.get("Code", ""))
        self._abort_uploads(name)  # a part that was under way may have arrived after the first time
        return sum(_under(name, key) for key in found)

    def _abort_uploads(self, name: str) -> None:
        from botocore.exceptions import ClientError

        for item in self._pages("list_multipart_uploads", name, "Uploads"):
            if not _under(name, item["Key"]):
                continue
            with translated(self.bucket, item["Key"]):
                try:
                    self._client.abort_multipart_upload(Bucket=self.bucket, Key=item["Key"], UploadId=item["UploadId"])
                except ClientError as error:
                    if code_of(error) != "NoSuchUpload":  # it ended meanwhile
                        raise

    def _pages(self, operation: str, prefix: str, *fields: str) -> Iterator[Any]:
        """What a listing holds; nothing where the server does not know that listing."""
        from botocore.exceptions import ClientError

        with translated(self.bucket):
            try:
                for page in self._client.get_paginator(operation).paginate(Bucket=self.bucket, Prefix=prefix):
                    for field in fields:
                        yield from page.get(field, [])
            except ClientError as error:
                if operation == "list_objects_v2" or code_of(error) not in UNSUPPORTED:
                    raise

    def url(self, key: str, expires_s: int, *, download_name: str = "") -> str | None:
        """Presigned GET. Signed here, nothing is asked: the object need not exist."""
        checked_expiry(expires_s)
        if not self._direct:
            return None
        wanted = self._where(key)
        if download_name:
            plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in download_name)
            encoded = quote(download_name, safe="")
            wanted["ResponseContentDisposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
        with translated(self.bucket, key):
            signed: str = self._client.generate_presigned_url(
                "get_object", Params=wanted, ExpiresIn=checked_expiry(expires_s)
            )
        return signed

    def upload_url(self, key: str, expires_s: int, *, media_type: str, size_bytes: int) -> Upload | None:
        """Presigned PUT. Type and length are signed: another type or another size is refused."""
        checked_expiry(expires_s)
        if not self._direct:
            return None
        wanted = {**self._where(key), "ContentType": media_type, "ContentLength": size_bytes, **self._encryption}
        with translated(self.bucket, key):
            signed = self._client.generate_presigned_url(
                "put_object", Params=wanted, ExpiresIn=checked_expiry(expires_s)
            )
        headers = {"Content-Type": media_type, "Content-Length": str(size_bytes)}
        if self._encryption:
            headers["x-amz-server-side-encryption"] = self._encryption["ServerSideEncryption"]
        if kms_key := self._encryption.get("SSEKMSKeyId"):
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = kms_key
        return Upload(url=signed, headers=headers)

    def _where(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": f"{self._root}{checked_key(key)}"}

    def _below(self, prefix: str) -> str:
        return f"{self._root}{checked_folder(prefix)}/" if prefix else self._root


def connect(bucket: str = "", *, attempts: int = 5, read_timeout_s: float = 60) -> Any:
    """Make a boto3 client from the environment: signature 4, no checksums others do not know, tries again by itself.

    The bucket is part of the path where an endpoint is set, since its name is seldom a host there. What is uploaded is
    signed with its hash, so that the server refuses what was damaged on the way. Raises StoreError.
    """
    from boto3.session import Session
    from botocore.config import Config

    config = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": True},
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=min(10, read_timeout_s),
        read_timeout=read_timeout_s,
        max_pool_connections=3 * PARTS_AT_ONCE,
    )
    path_style = Config(s3={"payload_signing_enabled": True, "addressing_style": "path"})
    with translated(bucket):
        try:
            session = Session()
            client = session.client("s3", config=config)
            host = urlsplit(client.meta.endpoint_url).hostname or ""
            if not host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
                client = session.client("s3", config=config.merge(path_style))
        except ValueError as error:  # an address that is none
            raise StoreError("AWS_ENDPOINT_URL_S3 is not an address", hint="as https://host:port") from error
    return client


class _Checked:
    """A file that is sent once, from its beginning to its end, and refuses to end if its hash is another."""

    def __init__(self, file: BinaryIO, name: str, digest: str) -> None:
        self._file, self._name, self._expected = file, name, digest
        self._found = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises StoreCorrupt with the last ones."""
        data = self._file.read(size)
        self._found.update(data)
        if len(data) != size:
            check_digest(self._name, self._found.hexdigest(), self._expected)
        return data


def _transfer() -> Any:
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(
        multipart_threshold=PART_BYTES,
        multipart_chunksize=PART_BYTES,
        max_concurrency=PARTS_AT_ONCE,
        preferred_transfer_client="classic",
    )
    config.max_in_memory_upload_chunks = PARTS_AT_ONCE
    return config


def _recorded(answer: Any) -> str:
    """The hash in an object's metadata, if it is one; servers differ in its field's case."""
    found = next((value for name, value in answer.get("Metadata", {}).items() if name.lower() == _SHA256), "")
    return found if re.fullmatch("[0-9a-f]{64}", found) else ""


def _under(name: str, key: str) -> bool:
    return key == name or key.startswith(name.removesuffix("/") + "/")
