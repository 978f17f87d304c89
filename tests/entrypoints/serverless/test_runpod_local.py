"""The handler at a terminal: runpod's local API server, and `--test_input`."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.entrypoints.serverless.plane import Plane
from tests.entrypoints.serverless.runpods import Home, home, needs_runpod
from ugclab.schema.contract import OrderOutput

pytestmark = [pytest.mark.serverless, needs_runpod]


@pytest.fixture
def container(tmp_path: Path, plane: Plane, plugin_dir: Path, s3: str) -> Iterator[Home]:
    with home(tmp_path / "home", plane, plugin_dir, s3, "ledger") as made:
        yield made


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [({}, 0, "completed successfully"), ({"sharpness": 3}, 1, "input: the input has no field 'sharpness'")],
)
def test_a_test_input_ends_with_its_code(
    container: Home, order: dict[str, Any], changes: dict[str, Any], code: int, said: str
) -> None:
    process = container.start("--test_input", json.dumps({"input": order | changes}))
    assert process.wait(60) == code, container.log()
    log = container.log()
    assert said in log
    assert "planted-signature" not in log
    assert "Traceback" not in log
    assert len(container.lines("swap-end")) == (0 if code else 2)


def test_the_local_server_does_jobs(container: Home, plane: Plane, order: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = container.start("--rp_serve_api", "--rp_api_host", "127.0.0.1", "--rp_api_port", str(port))
    base = f"http://127.0.0.1:{port}"
    until_it_listens(process, port)
    done = post(f"{base}/runsync", {"input": order})
    assert done["status"] == "COMPLETED"
    assert OrderOutput.model_validate(done["output"]).summary["record_id"] == "rec1"
    failed = post(f"{base}/runsync", {"input": {"input": order | {"sharpness": 3}}})
    assert failed["status"] == "FAILED"
    assert failed["error"].startswith("input: the input has no field 'sharpness'")
    queued = post(f"{base}/run", {"input": order | {"options": {"seed": 1}}})
    assert queued["status"] == "IN_PROGRESS"
    ended = post(f"{base}/status/{queued['id']}", {})
    assert ended["status"] == "COMPLETED"
    assert len(container.lines("setup")) == 1
    assert "planted-signature" not in container.log() + json.dumps([failed, queued])


def until_it_listens(process: subprocess.Popen[bytes], port: int, limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("it does not listen")


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read()) from error
