"""What the doctor says of a GPU that a package for CPUs would leave idle."""

from pathlib import Path

import pytest

from ugclab.entrypoints import doctor


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose nvidia-smi lists one."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA Example, 24564 MiB, 550.54'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ({"onnxruntime"}, True),
        ({"onnxruntime-gpu"}, False),
        ({"onnxruntime", "onnxruntime-gpu"}, False),
        (set(), False),
    ],
)
def test_a_build_for_cpus_beside_a_gpu(installed: set[str], told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_distributions", lambda: installed)
    checks = {check.name: check for check in doctor._gpu()}
    assert checks["gpu"].detail.startswith("NVIDIA Example")
    assert ("onnxruntime" in checks) == told
    if told:
        assert "ugclab[inswapper-gpu]" in checks["onnxruntime"].hint
