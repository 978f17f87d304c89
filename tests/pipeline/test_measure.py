"""Measurements: threads and subprocesses count, the peak is the block's own."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ugclab.pipeline import measure
from ugclab.pipeline.measure import environment, measured


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_threads_and_subprocesses_count() -> None:
    with measured() as idle:
        pass
    with measured() as cost:
        thread = threading.Thread(target=burn, args=(0.2,))
        thread.start()
        code = "import time\nwhile time.process_time() < 0.3: pass"
        subprocess.run([sys.executable, "-c", code], check=True)
        thread.join()
    assert cost.cpu_s >= 0.5 > idle.cpu_s
    assert cost.wall_s >= 0.3 > idle.wall_s


@pytest.mark.parametrize("sampled", [False, True])
def test_the_peak_is_of_the_block(sampled: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if sampled:  # as where the kernel does not let its mark be set back
        (tmp_path / "statm").symlink_to("/proc/self/statm")
        (tmp_path / "clear_refs").mkdir()
        monkeypatch.setattr(measure, "_PROC", tmp_path)
    with measured() as before:
        pass
    with measured() as large:
        block = bytearray(200 * 2**20)
        block[::4096] = b"x" * len(block[::4096])
        time.sleep(0.05 if sampled else 0)
        del block
    with measured() as after:
        pass
    assert before.peak_rss_mb > 10
    assert large.peak_rss_mb > before.peak_rss_mb + 150
    assert after.peak_rss_mb < large.peak_rss_mb - 100


def test_the_environment_names_the_machine() -> None:
    described = environment()
    assert described.cores >= 1
    assert described.cpu
    assert "av" in described.packages
