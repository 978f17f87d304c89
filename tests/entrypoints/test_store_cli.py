"""`ugclab store`: listing, deleting and linking as a person and a script meet it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from ugclab.entrypoints.cli import main
from ugclab.settings import Settings
from ugclab.storage.local import LocalStore
from ugclab.storage.opening import open_store
from ugclab.storage.s3 import S3Store

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("UGCLAB_DATA_DIR", str(tmp_path))

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["store", *words])
        said = capfd.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def local(call: Call) -> LocalStore:
    store = open_store(Settings())
    assert isinstance(store, LocalStore)
    for key in ("users/ann/1.mp4", "users/ann/2.mp4", "users/bob/3.mp4"):
        store.put_bytes(key, b"abc")
    return store


def test_listing(call: Call, local: LocalStore) -> None:
    code, out, _ = call("ls")
    assert (code, out.splitlines()[0].split()) == (0, ["3", "users/ann/1.mp4"])
    assert json.loads(call("ls", "users/bob", "--json")[1]) == [{"key": "users/bob/3.mp4", "size_bytes": 3}]
    assert call("ls", "nobody") == (0, "", "")
    assert call("ls", "../x")[0] == 10


def test_deleting_asks_first(call: Call, local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = call("rm", "users/ann")
    assert (code, "--yes" in err) == (10, True)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = call("rm", "users/ann")
    assert (code, out.strip()) == (130, "")
    assert "2 objects" in err
    assert len(list(local.list())) == 3
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert call("rm", "users/ann/1.mp4")[1].strip() == "1 object deleted"
    assert json.loads(call("rm", "users/ann", "--yes", "--json")[1]) == {"deleted": 1}
    assert call("rm", "users/ann", "--yes")[:2] == (0, "0 objects deleted\n")
    assert [s.key for s in local.list()] == ["users/bob/3.mp4"]


class Terminal:
    def __init__(self, line: str) -> None:
        self.line = line

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.line


def test_a_local_store_has_no_addresses(call: Call, local: LocalStore) -> None:
    code, out, err = call("url", "users/ann/1.mp4")
    assert (code, out) == (10, "")
    assert "UGCLAB_S3_BUCKET" in err


def test_an_address_on_s3(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"s3_bucket": "films", "s3_prefix": "lab", "s3_encryption": "AES256"}
    for name, value in settings.items():
        monkeypatch.setenv(f"UGCLAB_{name.upper()}", value)
    with mock_aws():
        monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
        store = open_store(Settings())
        assert isinstance(store, S3Store)
        assert call("ls")[0] == 61  # no bucket
        store._client.create_bucket(Bucket="films")
        store.put_bytes("a/x.mp4", b"abc")
        head = store._client.head_object(Bucket="films", Key="lab/a/x.mp4")
        assert head["ServerSideEncryption"] == "AES256"
        code, out, _ = call("url", "a/x.mp4", "--expires", "15m")
        assert code == 0
        assert "/lab/a/x.mp4?" in out
        assert "X-Amz-Expires=900&" in out
        for words in (("a/none.mp4",), ("a/x.mp4", "--expires", "8d"), ("a/x.mp4", "--expires", "soon")):
            assert call("url", *words)[0] == 10
