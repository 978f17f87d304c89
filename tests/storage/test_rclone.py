"""Which rclone the tests take."""

from pathlib import Path

import pytest

from tests.storage import rclone


@pytest.mark.parametrize(("says", "taken"), [("--auth-key stringArray", True), ("rclone serve [command]", False)])
def test_an_rclone_that_cannot_serve_s3_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, taken: bool
) -> None:
    installed, fetched = tmp_path / "bin" / "rclone", tmp_path / "fetched"
    installed.parent.mkdir()
    installed.write_text(f"#!/bin/sh\necho '{says}'\n")
    installed.chmod(0o755)
    fetched.touch()
    monkeypatch.setenv("PATH", str(installed.parent))
    monkeypatch.setenv("UGCLAB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(rclone, "_unpack", lambda _: fetched)
    assert (rclone.program() == installed) == taken
