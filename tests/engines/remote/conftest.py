"""A peer for each test that asks for one: a process that is gone afterwards."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.conftest import ROOT
from tests.engines.remote.peer import KEY
from ugclab.engines.remote.engine import Remote
from ugclab.errors import UgclabError
from ugclab.settings import Settings
from ugclab.weights import hub


@dataclass
class Peer:
    """The other machine, from here."""

    folder: Path
    plugins: Path
    port: int = 0
    process: "subprocess.Popen[str] | None" = None
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> "Peer":
        """Start it, on the port it had before if it had one."""
        self.folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.remote.peer", str(self.folder), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ
            | {"PYTHONPATH": f"{ROOT}:{self.plugins}", "UGCLAB_TEST_LEDGER": str(self.folder)}
            | self.environment,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        return self

    def kill(self) -> None:
        """End it, as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe:
                    pipe.close()
        self.process = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fault(self, text: str) -> None:
        """How it misbehaves from now on."""
        (self.folder / "fault").write_text(text)

    def pace(self, seconds: float) -> None:
        """How long its ledger engine takes for a frame."""
        (self.folder / "slow").write_text(str(seconds))

    def calls(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """What it was asked, in order."""
        log = self.folder / "calls.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [c for c in lines if c["method"].startswith(method) and c["path"].startswith(path)]

    def worked(self, what: str) -> int:
        """How often its ledger engine did that."""
        log = self.folder / "ledger.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return sum(line["what"] == what for line in lines)

    def settings(self, settings: Settings, **changes: Any) -> Settings:
        """Those under which the engine `remote` has it swap."""
        given = {"remote_url": self.url, "remote_key": SecretStr(KEY), "remote_engine": "ledger"}
        given |= {"remote_timeout_s": 40.0, **changes}  # none of them may hang
        return settings.model_copy(update=given)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of model files; skips where they cannot be had."""
    settings = Settings()
    try:
        hub.ensure(Remote.info.weights, settings.weights_dir, offline=settings.offline)
    except UgclabError as error:
        pytest.skip(f"no model files: {error}")
    return settings.weights_dir


@pytest.fixture
def peer(tmp_path: Path, plugin_dir: Path, weights: Path) -> Iterator[Peer]:
    """A running one."""
    made = Peer(tmp_path / "peer", plugin_dir)
    made.start()
    yield made
    made.kill()
