"""The stores the contract suite runs over, and what is done to them behind their backs."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from tests.storage import rclone
from ugclab.storage.local import LocalStore
from ugclab.storage.s3 import S3Store, connect
from ugclab.storage.store import Store

BUCKET, PREFIX = "footage", "lab/one"


@dataclass
class Backend:
    """A store, and a view from behind."""

    store: Store
    damage: Callable[[str], None]
    """Flip the first byte of an object, and nothing else."""
    written: Callable[[str], object]
    """Something that differs once an object was written again."""
    begin: Callable[[str], None]
    """Begin to write an object, as a process that dies meanwhile."""
    begun: Callable[[], int]
    """How many writes were begun and neither finished nor removed; -1 where nobody can tell."""


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's AWS set-up, and no question to a cloud's metadata service."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture
def keys(no_aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of nobody."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone.SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def moto(keys: None) -> Iterator[Any]:
    """A client of an S3 inside this process, with one bucket; it checks no signatures."""
    with mock_aws():
        client = connect()
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an S3 server that checks signatures."""
    folder = tmp_path_factory.mktemp("buckets")
    try:
        rclone.program()
    except rclone.RcloneMissing as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))
    with rclone.serving(folder) as address:
        yield address


@pytest.fixture
def real(
    keys: None, rclone_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[Any, str]:
    """A client of that server, and the name of an empty bucket there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", rclone_server)
    client = connect()
    bucket = f"bucket-{len(client.list_buckets()['Buckets'])}"
    client.create_bucket(Bucket=bucket)
    return client, bucket


@pytest.fixture(params=["local", "moto", pytest.param("rclone", marks=pytest.mark.slow)])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Every kind of store there is, empty."""
    if request.param == "local":
        return local_backend(LocalStore(tmp_path / "store"))
    if request.param == "moto":
        return s3_backend(request.getfixturevalue("moto"), BUCKET)
    return s3_backend(*request.getfixturevalue("real"))


def local_backend(store: LocalStore) -> Backend:
    def damage(key: str) -> None:
        data = bytearray(store.path(key).read_bytes())
        data[0] ^= 1
        store.path(key).write_bytes(data)

    def begin(key: str) -> None:
        path = store.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.stem}.0123abcd.part{path.suffix}").write_bytes(b"half")

    return Backend(
        store,
        damage,
        written=lambda key: store.path(key).stat().st_ino,
        begin=begin,
        begun=lambda: sum(1 for p in store.root.rglob(".*") if p.is_file()),
    )


def s3_backend(client: Any, bucket: str) -> Backend:
    writes: list[str] = []
    for name in ("PutObject", "CreateMultipartUpload"):
        client.meta.events.register(f"before-call.s3.{name}", lambda **_: writes.append("x"))

    def damage(key: str) -> None:
        where = {"Bucket": bucket, "Key": f"{PREFIX}/{key}"}
        found = client.get_object(**where)
        data = bytearray(found["Body"].read())
        data[0] ^= 1
        client.put_object(**where, Body=bytes(data), Metadata=found["Metadata"])

    def begin(key: str) -> None:
        where = {"Bucket": bucket, "Key": f"{PREFIX}/{key}"}
        upload = client.create_multipart_upload(**where)["UploadId"]
        client.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"half")

    def begun() -> int:
        if "127.0.0.1" in client.meta.endpoint_url:
            return -1
        return len(client.list_multipart_uploads(Bucket=bucket).get("Uploads", []))

    return Backend(S3Store(bucket, PREFIX, client), damage, lambda _: len(writes), begin, begun)
