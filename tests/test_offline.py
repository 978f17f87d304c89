"""Nothing is asked outside this machine with the network off, by any process of a job or of the page."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.entrypoints.ui.conftest import Site, open_site
from ugclab.engines.registry import catalogue
from ugclab.entrypoints.ui.pages import PAGES, STATIC
from ugclab.settings import Settings
from ugclab.weights import hub

ROOT = Path(__file__).parents[1]
GUARD = '''
"""Stands in every Python process: an address that is not this machine's is refused, and written down."""
import os, socket, sys

def _outside(host):
    host = host.decode() if isinstance(host, bytes) else host
    return host not in (None, "", "localhost", socket.gethostname()) and not str(host).startswith(("127.", "::1"))

def _refuse(host):
    with open(os.environ["OFFLINE_LEDGER"], "a") as ledger:
        ledger.write(f"{host!r} {sys.argv}\\n")
    raise OSError(101, "Network is unreachable: refused by the test")

class Guarded(socket.socket):
    def _look(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and _outside(address[0]):
            _refuse(address)
    def connect(self, address):
        self._look(address)
        return super().connect(address)
    def connect_ex(self, address):
        self._look(address)
        return super().connect_ex(address)
    def sendto(self, data, *rest):
        self._look(rest[-1])
        return super().sendto(data, *rest)

_resolve = socket.getaddrinfo

def getaddrinfo(host, *rest, **more):
    if _outside(host) and host not in ("0.0.0.0", "::"):
        _refuse(host)
    return _resolve(host, *rest, **more)

socket.socket = Guarded
socket.getaddrinfo = getaddrinfo
'''


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where refused addresses are written, by this environment's every Python process."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard/sitecustomize.py").write_text(GUARD)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "guard"), str(ROOT)]))
    monkeypatch.setenv("OFFLINE_LEDGER", str(tmp_path / "ledger"))
    (tmp_path / "ledger").touch()
    return tmp_path / "ledger"


@pytest.fixture
def weights() -> None:
    needed = [name for e in catalogue() if e.info.name == "mesh" for name in e.info.weights]
    if any(s.state != "ok" for s in hub.verify(needed, Settings().weights_dir)):
        pytest.skip("the mesh engine's model files are not here: ugclab models pull")


def python(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, timeout=100, cwd=ROOT)


@pytest.mark.slow
def test_the_guard_sees_what_goes_out(ledger: Path) -> None:
    code = (
        "import urllib.request as u\ntry: u.urlopen('http://198.51.100.7/', timeout=1)\nexcept OSError as e: print(e)"
    )
    assert "refused by the test" in python("-c", code).stdout
    assert "198.51.100.7" in ledger.read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_a_job_asks_nobody(ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make demo` with the network off: queue, a worker, its engine's child, the store."""
    monkeypatch.setenv("UGCLAB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("UGCLAB_OFFLINE", "1")
    done = python("-m", "ugclab", "demo", "--out", str(tmp_path / "out"), "--quiet")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/demo.mp4").stat().st_size > 1e6
    assert ledger.read_text() == ""


OUTSIDE = re.compile(
    rb"""(?:src|href|url|import|fetch|action)\s*[=(:]?\s*\(?["']?((?:https?:)?//[a-z0-9][^"'\s)>]*)""", re.I
)
"""Addresses that a browser would follow by itself, or by a click."""


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_the_page_asks_nobody_and_sends_nobody_elsewhere(ledger: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="extra 'ui' is not installed")
    site = open_site(tmp_path, OFFLINE="1")
    site.start()
    try:
        for _, path in PAGES:
            found = {address.decode() for address in OUTSIDE.findall(fetched(site, path))}
            assert not {a for a in found if not a.startswith((site.url, "http://127.0.0.1", "//127."))}, path
        site.until(site.workers, "no worker was started")
    finally:
        site.stop()
    assert ledger.read_text() == ""


def fetched(site: Site, path: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(site.url + path, timeout=10) as answer:  # noqa: S310
        return bytes(answer.read())


def test_our_own_scripts_and_styles_name_no_address() -> None:
    names = re.compile(r"""https?://[^\s"'`)]+""")
    known = {"http://www.w3.org/2000/svg"}  # a name, never fetched
    for path in STATIC.iterdir():
        assert not set(names.findall(path.read_text())) - known, path.name


def test_what_may_be_asked_elsewhere_can_be_set() -> None:
    """docs/deploy.md names a setting, or a variable of the program that asks, for each."""
    text = (ROOT / "docs/deploy.md").read_text().split("| what | setting |")[1]
    rows: list[Any] = [line.split("|")[2] for line in text.splitlines()[2:] if line.startswith("|")]
    assert len(rows) == 8
    assert all(re.search(r"`[A-Z][A-Z0-9_]+`", row) for row in rows)
