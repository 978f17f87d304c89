"""One write in ten fails, processes die while they write: nothing is lost, doubled or torn."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.storage.refusing import refusing
from ugclab.storage.s3 import S3Store, connect

pytestmark = pytest.mark.slow


def test_one_write_in_ten_fails_on_the_way(
    real: tuple[Any, str], rclone_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, bucket = real
    with refusing(rclone_server) as road:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", road.address)
        store = S3Store(bucket, "lab", connect())
        for number in range(50):
            path = tmp_path / "x"
            path.write_bytes(b"%d" % number * 1000)
            store.put_content("users/a/source", path, suffix=".mp4")
            store.put_file(f"users/a/renders/{number:02}.mp4", path)
        (tmp_path / "big").write_bytes(os.urandom(1 << 20) * 33)
        big = store.put_file("users/a/renders/big.mp4", tmp_path / "big")
        assert store.get_file("users/a/renders/big.mp4", tmp_path / "out") == big
    assert road.refused >= 5
    assert road.lost >= 5
    straight = S3Store(bucket, "lab", client)
    assert len(list(straight.list("users/a/source"))) == 50
    for number in range(50):
        assert straight.read_bytes(f"users/a/renders/{number:02}.mp4") == b"%d" % number * 1000
    assert straight.delete_prefix("users/a") == 101
    assert list(straight.list()) == []


def test_a_process_killed_while_it_uploads_leaves_nothing_to_see(real: tuple[Any, str], tmp_path: Path) -> None:
    client, bucket = real
    path = tmp_path / "big"
    path.write_bytes(os.urandom(1 << 20) * 64)
    code = (
        "import sys\nfrom pathlib import Path\nfrom ugclab.storage.s3 import S3Store, connect\n"
        "client = connect()\n"
        "say = lambda **_: print('part', flush=True)\n"
        "client.meta.events.register('after-call.s3.UploadPart', say)\n"
        "S3Store(sys.argv[1], client=client).put_file('users/a/big.mp4', Path(sys.argv[2]))\n"
        "print('done', flush=True)\n"
    )
    words = [sys.executable, "-c", code, bucket, str(path)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "part\n"
        process.send_signal(signal.SIGKILL)
        assert "done" not in process.stdout.read()
    store = S3Store(bucket, client=client)
    assert not store.exists("users/a/big.mp4")
    assert list(store.list()) == []
    assert store.put_file("users/a/big.mp4", path) == store.stat("users/a/big.mp4")
