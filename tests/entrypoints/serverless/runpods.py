"""Workers as Runpod starts them: real processes over the real package, their store a real S3 server on loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.entrypoints.serverless.plane import Plane
from tests.storage import rclone
from ugclab.settings import Settings

BUCKET = "results"
WEBHOOK_SECRET = "whsec_" + 32 * "Q"
needs_runpod = pytest.mark.skipif(find_spec("runpod") is None, reason="needs the package runpod: make test-serverless")


@dataclass
class Home:
    """Where workers of a test run, and with what."""

    folder: Path
    environment: dict[str, str]
    ledger: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker; what it says is in `log`."""
        with (self.folder / "worker.log").open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "ugclab.entrypoints.runpod_handler", *words],
                env=self.environment | environment,
                cwd=self.folder,
                stdout=out,
                stderr=out,
            )
        self.processes.append(process)
        return process

    def log(self) -> str:
        """What workers said."""
        return (self.folder / "worker.log").read_text()

    def lines(self, what: str) -> list[dict[str, Any]]:
        """What the engine `ledger` wrote down."""
        path = self.ledger / "ledger.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if line["what"] == what]

    def end(self) -> None:
        """Stop what still runs, with the kindness a container gets."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def home(folder: Path, plane: Plane, plugins: Path, store: str, engine: str) -> Iterator[Home]:
    """A container of the tests: its own data folder, and the store at that address."""
    ledger = folder / "ledger"
    ledger.mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RUNPOD_", "UGCLAB_"))}
    environment = kept | {
        "HOME": str(folder),
        "PYTHONPATH": f"{ROOT}:{plugins}",
        "UGCLAB_CACHE_DIR": str(Settings().cache_dir.expanduser()),
        "UGCLAB_DATA_DIR": str(folder / "data"),
        "UGCLAB_INTAKE_HOSTS": plane.host,
        "UGCLAB_S3_BUCKET": BUCKET,
        "UGCLAB_S3_PREFIX": folder.parent.name,  # what another test has made is not to be taken up
        "UGCLAB_SERVERLESS_ENGINE": engine,
        "UGCLAB_RETRY_S": "0.1",
        "UGCLAB_USD_PER_HOUR": "3.6",
        "UGCLAB_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "UGCLAB_TEST_LEDGER": str(ledger),
        "AWS_ENDPOINT_URL_S3": store,
        "AWS_ACCESS_KEY_ID": rclone.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": rclone.SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        # runpod's own checks ask a public address, and want 4 GB of memory
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }
    made = Home(folder, environment, ledger)
    try:
        yield made
    finally:
        made.end()
