"""A running page with a worker of its own, and a browser that notes what it should not do."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

CHROMIUM = shutil.which("chromium")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@dataclass
class Site:
    """One installation's page, served by a process."""

    folder: Path
    port: int
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "page.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "app.py")], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        self.until(self._answers, "the page does not answer")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            assert self.process is None or self.process.poll() is None, self.log()
            return False

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the page; asked kindly, also workers that a killed page has left behind."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait(60)
        for pid in self.workers() if how == signal.SIGTERM else ():
            os.kill(pid, signal.SIGTERM)

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.folder.rglob("*.log"))

    def workers(self) -> list[int]:
        """Processes of the workers the page has started, by what they said."""
        said = re.findall(r"worker (\d+) started", self.log())
        return [int(pid) for pid in said if Path(f"/proc/{pid}").exists()]

    def until(self, true: Callable[[], Any], otherwise: str, limit_s: float = 60) -> Any:
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if found := true():
                return found
            time.sleep(0.1)
        raise AssertionError(f"{otherwise}\n{self.log()}")


def free_port() -> int:
    """One that nobody listens on right now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def open_site(folder: Path, **settings: str) -> Site:
    """A site that is not started yet; settings by their names without UGCLAB_."""
    port = free_port()
    given = {"DATA_DIR": str(folder / "data"), "PORT": str(port), "HEARTBEAT_S": "1", "TAKEOVER_S": "5"} | settings
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UGCLAB_") or "CACHE" in name}
    return Site(folder, port, kept | {f"UGCLAB_{name}": value for name, value in given.items()})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for a file's tests: every tab is a browser of its own, so none sees what another did."""
    site = open_site(tmp_path_factory.mktemp("site"))
    site.start()
    try:
        yield site
    finally:
        site.stop()


@dataclass
class Watched:
    """A browser's tab, and what it did that it should not have."""

    page: Any
    faults: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "CI has chromium"
        pytest.skip("there is no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def tab(site: Site, browser: Any) -> Watched:
    """A tab of a fresh browser on the site."""
    context = browser.new_context(base_url=site.url, viewport={"width": 1320, "height": 900})
    context.set_default_timeout(20_000)
    return watch(context.new_page(), site)


def watch(page: Any, site: Site) -> Watched:
    """Note errors of the page, and requests that leave the site."""
    watched = Watched(page)
    page.on("console", lambda said: said.type == "error" and watched.faults.append(f"console: {said.text}"))
    page.on("pageerror", lambda error: watched.faults.append(f"error: {error}"))
    page.on(
        "request",
        lambda asked: (
            asked.url.startswith((site.url, "data:", "blob:")) or watched.faults.append(f"elsewhere: {asked.url}")
        ),
    )
    return watched
