"""The command line: tables, JSON, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.wan.media import write_environment
from ugclab.entrypoints.wan_cli import app

GOOD = "python generate.py --task animate-14B --ckpt_dir m --src_root_path w --refert_num 1 --save_file r.mp4"
FEW = GOOD + " --sample_steps 4"
BAD = "python generate.py --task animate-14B --ckpt_dir m --src_root_path w"
run = CliRunner().invoke


@pytest.mark.parametrize(("command", "code"), [(GOOD, 0), (FEW, 3), (BAD, 4)])
def test_check_exits_by_severity(command: str, code: int) -> None:
    result = run(app, ["check", command])
    assert result.exit_code == code
    assert "1 command:" in result.output


def test_check_prints_json() -> None:
    problems = json.loads(run(app, ["check", BAD, "--json"]).output)["problems"]
    first = problems[0]
    assert (first["id"], first["severity"], first["flag"], first["stage"]) == ("T1", "error", "--refert_num", "load")
    assert first["fix"] == "--refert_num 1"


def test_check_reads_files_and_stdin(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(f"# a script\n{GOOD}\n{BAD}\n")
    problems = json.loads(run(app, ["check", str(tmp_path / "run.sh"), "--json"]).output)["problems"]
    assert [p["where"].rpartition(":")[2] for p in problems if p["severity"] == "error"] == ["3"]
    assert run(app, ["check", "-"], input=BAD).exit_code == 4


def test_check_takes_a_pair_from_two_arguments() -> None:
    prepare = (
        "python preprocess_data.py --ckpt_path p --video_path v.mp4 --refer_path r.png --save_path w --replace_flag"
    )
    assert "T7" in run(app, ["check", prepare, GOOD]).output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["check", "ls -l"], "no Wan2.2 command"),
        (["check", "missing.sh"], "does not exist"),
        (["check", GOOD, "--gpu", "abacus"], "no GPU 'abacus'"),
        (["check", GOOD, "--python", "."], "no Python environment"),
        (["checkpoint", ".", "--use", "nothing"], "no use 'nothing'"),
        (["command", "replace", "--video", "a", "--avatar", "b", "--gpus", "3"], "cannot share 40 heads"),
    ],
)
def test_errors_say_what_to_do(
    arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(app, arguments)
    assert (result.exit_code, text in result.stderr) == (10, True), result.stderr


def test_check_with_environment_gpu_and_checkpoint(tmp_path: Path) -> None:
    environment = write_environment(tmp_path / "env", {"peft": "0.17.1"})
    (tmp_path / "m").mkdir()
    result = run(
        app, ["check", GOOD, "--python", str(environment), "--gpu", "L4", "--ckpt", str(tmp_path / "m"), "--json"]
    )
    assert {"T23", "T24", "T25", "G1", "C1"} <= {p["id"] for p in json.loads(result.output)["problems"]}


def test_contract() -> None:
    assert "--refert_num" in run(app, ["contract"]).output
    found = json.loads(run(app, ["contract", "--json"]).output)
    assert len(found["generate"]["flags"]) == 35
    assert run(app, ["contract", "--diff"]).output.strip() == "no difference"


def test_command_prints_a_pair_that_is_right() -> None:
    result = run(app, ["command", "replace", "--video", "my video.mp4", "--avatar", "me.png", "--gpus", "2"])
    assert result.exit_code == 0
    assert "--video_path 'my video.mp4'" in result.stdout
    assert "torchrun --nproc_per_node=2" in result.stdout
    assert run(app, ["check", result.stdout]).exit_code == 0


def test_checkpoint(tmp_path: Path) -> None:
    result = run(app, ["checkpoint", str(tmp_path), "--json"])
    assert result.exit_code == 40
    found = json.loads(result.stdout)
    assert (found["whole"], found["vram_gb"]) == (False, 60.0)
    (tmp_path / "config.json").write_text("{")
    assert run(app, ["checkpoint", str(tmp_path)]).exit_code == 41


@pytest.mark.parametrize("name", ["torch", "av", "cv2", "numpy", "huggingface_hub", "typer"])
def test_importing_wan_is_light(name: str) -> None:
    code = f"import sys, ugclab.wan, ugclab.wan.checkpoint, ugclab.wan.pull; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
