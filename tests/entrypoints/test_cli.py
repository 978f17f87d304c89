"""The command line as a person and a script meet it: exit codes, messages, JSON, Ctrl-C."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.face_clips import face_patch, write_clip
from ugclab import errors
from ugclab.entrypoints.cli import EXIT_CODES, main
from ugclab.media.images import encode_png, read_image
from ugclab.schema.report import Report

Run = Callable[..., subprocess.CompletedProcess[str]]
Capture = pytest.CaptureFixture[str]
PLAN = "0-0.8:swap,0.8-1.4:keep,1.4-end:swap"


@pytest.fixture
def environment(plugin_dir: Path, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": f"{ROOT}:{plugin_dir}",
        "UGCLAB_DATA_DIR": str(tmp_path / "data"),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }


@pytest.fixture
def run(
    environment: dict[str, str], tint: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> Run:
    """Call the command line in this process, in an empty folder: what a process would do, without its second."""
    monkeypatch.chdir(tmp_path)
    for name in ("UGCLAB_DATA_DIR", "COLUMNS", "NO_COLOR"):
        monkeypatch.setenv(name, environment[name])

    def call(*words: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch:
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            capfd.readouterr()
            with pytest.raises(SystemExit) as left:
                main([str(word) for word in words])
        said = capfd.readouterr()
        return subprocess.CompletedProcess(words, int(left.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def spawn(environment: dict[str, str], tmp_path: Path) -> Run:
    """Call it in a process of its own."""

    def call(*words: object, env: dict[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ugclab", *map(str, words)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment | (env or {}),
            timeout=60,
            check=False,
            **options,
        )

    return call


def all_errors(kind: type[errors.UgclabError]) -> list[type[errors.UgclabError]]:
    return [kind, *(e for sub in kind.__subclasses__() for e in all_errors(sub))]


def test_help_names_every_exit_code(spawn: Run) -> None:
    done = spawn("--help")
    assert done.returncode == 0
    for error in all_errors(errors.UgclabError):
        assert re.search(rf"\b{error.exit_code}\b", EXIT_CODES), error
        if error is not errors.UgclabError:
            assert re.search(rf"{error.__name__} +{error.exit_code} +{error.code}\b", str(errors.__doc__)), error
    assert "130 cancelled" in " ".join(done.stdout.split())


def test_import_and_help_are_light() -> None:
    heavy = "[m for m in ('av', 'cv2', 'pandas', 'ai_edge_litert', 'numpy') if m in sys.modules]"
    for code in ("import ugclab", "import ugclab.entrypoints.cli"):
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; {code}; print({heavy})"],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        assert done.stdout.strip() == "[]", code


def test_version_and_wrong_usage(run: Run) -> None:
    assert re.fullmatch(r"ugclab \d+\.\d+\.\d+\S*\n", run("--version").stdout)
    assert run("swap").returncode == 2
    assert run("no-such-command").returncode == 2
    assert run("swap", "a", "b", "-o", "c.mp4", "--crf", "99").returncode == 2


def test_swap_json_is_the_report_and_nothing_else(spawn: Run, clip: Path, avatar: Path, tmp_path: Path) -> None:
    done = spawn(
        "swap", clip, avatar, "-o", "out.mp4", "--plan", PLAN, "--engine", "tint", "--json",
        "--report-json", "report.json", "--contact-sheet", "sheet.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = Report.model_validate_json(done.stdout)
    assert report == Report.model_validate_json((tmp_path / "report.json").read_text())
    assert [o.swapped_frames for o in report.outcomes] == [20, 0, 15]
    assert {p.name for p in tmp_path.iterdir()} == {"out.mp4", "report.json", "sheet.png", "data"}


def test_swap_for_people_and_quiet(run: Run, clip: Path, avatar: Path) -> None:
    words = ("swap", clip, avatar, "-o", "out.mp4", "--plan", PLAN, "--engine", "tint")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "35 of 50 frames swapped" in done.stdout
    assert "smart" in done.stdout
    assert done.stderr == ""  # no progress where stderr is no terminal
    quiet = run(*words, "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_probe_plan_engines_models_doctor_speak_json(run: Run, clip: Path) -> None:
    info = json.loads(run("probe", clip, "--json").stdout)
    assert (info["frames"], info["frame_rate"]) == (50, "25/1")
    outline = json.loads(run("plan", clip, "--plan", PLAN, "--json").stdout)
    assert [(r["first_frame"], r["frames"]) for r in outline["rows"]] == [(0, 20), (20, 15), (35, 15)]
    assert outline["stitch_mode"] == "smart"
    engines = {e["name"]: e for e in json.loads(run("engines", "--json").stdout)}
    assert engines["tint"]["availability"]["ready"]
    assert all(
        {"name", "sha256", "licence", "state"} <= set(m) for m in json.loads(run("models", "list", "--json").stdout)
    )
    checks = {c["name"]: c for c in json.loads(run("doctor", "--json").stdout)}
    assert {"python", "packages", "ffmpeg", "encoders", "processor", "memory", "gpu", "model files", "sqlite"} <= set(
        checks
    )
    assert checks["ffmpeg"]["state"] == "ok"
    assert "GPL" in checks["ffmpeg"]["detail"]


@pytest.mark.parametrize("words", [("probe",), ("plan",), ("engines",), ("models", "list"), ("doctor",)])
def test_the_same_for_people(words: tuple[str, ...], run: Run, clip: Path) -> None:
    done = run(*words, *([clip] if words[0] in {"probe", "plan"} else []))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 2


def test_doctor_fails_where_nothing_can_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("doctor", env={"UGCLAB_CACHE_DIR": "/proc/nowhere"})
    assert done.returncode in {0, 32}  # root may write anywhere but /proc
    assert "cache folder" in done.stdout


def test_prepare_tells_what_to_type_next(run: Run, clip: Path, tmp_path: Path) -> None:
    done = run("prepare", str(clip), "-o", str(tmp_path / "ready.mp4"), "--plan", PLAN)
    assert (done.returncode, (tmp_path / "ready.mp4").exists()) == (0, True), done.stderr
    assert "--stitch prepared" in done.stdout


def test_preview_writes_before_and_after(run: Run, clip: Path, avatar: Path, tmp_path: Path) -> None:
    done = run("preview", clip, avatar, "-o", "frame.png", "--at", "0:00.30", "--engine", "tint", "--json")
    assert json.loads(done.stdout) == {"time": "7/25", "swapped": True, "out": "frame.png"}
    picture = read_image(tmp_path / "frame.png")
    assert picture.shape[1] > 640
    assert np.abs(picture[:240, :320].astype(int) - picture[:240, -320:]).mean() > 1


def make(kind: str, folder: Path, clip: Path) -> Path:
    """Sources and avatars as people have them when things go wrong."""
    path = folder / kind
    if kind == "empty.mp4":
        path.touch()
    elif kind == "truncated.mp4":
        path.write_bytes(clip.read_bytes()[:2000])
    elif kind == "text.mp4":
        path.write_text("this is no video\n" * 100)
    elif kind == "audio.mp4":
        import imageio_ffmpeg

        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(clip), "-vn", "-c", "copy", str(path)]
        subprocess.run(command, check=True)
    elif kind == "grey.png":
        path.write_bytes(encode_png(np.full((300, 300, 3), 99, np.uint8)))
    elif kind == "text.jpg":
        path.write_text("this is no picture")
    elif kind == "photo.heic":
        path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    return path


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("missing.mp4", 11, "does not exist"),
        ("empty.mp4", 11, "is empty"),
        ("truncated.mp4", 11, "truncated.mp4"),
        ("text.mp4", 11, "text.mp4"),
        ("audio.mp4", 11, "only audio"),
    ],
)
def test_bad_sources(source: str, code: int, message: str, run: Run, clip: Path, avatar: Path, tmp_path: Path) -> None:
    done = run("swap", make(source, tmp_path, clip), avatar, "-o", "out.mp4", "--engine", "tint")
    refused(done, code, message)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.jpg", "cannot be read"),
        ("empty.mp4", "is empty"),
        ("text.jpg", "is no picture"),
        ("grey.png", "no face"),
        ("photo.heic", "HEIC"),
    ],
)
def test_bad_avatars(name: str, message: str, run: Run, clip: Path, tmp_path: Path) -> None:
    refused(run("swap", clip, make(name, tmp_path, clip), "-o", "out.mp4", "--engine", "tint"), 13, message)


def refused(done: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    """One line of what is wrong, one of what to do, no traceback, nothing on stdout."""
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert "hint:" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--plan", "0-0:swap"), 12, "has no length; the footage is 2.00 s long"),
        (("--plan", "0-1:swap,0.5-2:keep"), 12, "overlaps"),
        (("--plan", "0-9:swap"), 12, "beyond the footage"),
        (("--plan", "0-1:keep"), 12, "swaps nothing"),
        (("--plan", "0.8-1.2:swap"), 12, "leaves a gap"),
        (("--plan", "0-0.8:keep,0.8-1.2:swap"), 21, "segment 1 (0.80-1.20 s) shows the face nowhere"),
        (("--engine", "tnit"), 31, "no engine is called 'tnit'"),
        (("--face", "middle"), 10, "'middle' does not say which face"),
        (("--out", "no/such/folder/out.mp4"), 50, "no/such/folder"),
        (("--out", "out.avi"), 50, ".avi"),
        (("--stitch", "prepared"), 10, "prepare"),
        (("--watermark", "x" * 81), 10, "watermark="),
    ],
)
def test_bad_requests(
    words: tuple[str, ...], code: int, message: str, run: Run, clip: Path, avatar: Path, tmp_path: Path
) -> None:
    refused(run("swap", clip, avatar, "-o", "out.mp4", "--engine", "tint", *words), code, message)


def test_the_nearest_engine_is_suggested(run: Run, clip: Path, avatar: Path) -> None:
    assert "did you mean 'tint'?" in run("swap", clip, avatar, "-o", "o.mp4", "--engine", "tnit").stderr


def test_an_avatar_turned_by_its_tag_is_read_upright(run: Run, clip: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.ascontiguousarray(np.rot90(face_patch(256)))
    Image.fromarray(turned).save(tmp_path / "turned.jpg", quality=95, exif=exif)
    done = run("swap", clip, "turned.jpg", "-o", "out.mp4", "--plan", "0-0.8:swap", "--engine", "tint")
    assert done.returncode == 0, done.stderr


def test_a_full_disk(spawn: Run, clip: Path, avatar: Path, tmp_path: Path) -> None:
    """A limit on the size of files does to a write what a full disk does."""
    words = ("swap", clip, avatar, "-o", "out.mp4", "--plan", PLAN, "--engine", "tint")
    done = spawn(*words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000)))
    refused(done, 51, "no space")
    assert not list(tmp_path.glob("*.mp4"))
    assert not list(tmp_path.glob(".*"))


def test_a_model_file_with_the_wrong_hash(run: Run, clip: Path, avatar: Path, tmp_path: Path) -> None:
    from ugclab.weights.catalog import CATALOG

    name, file = next((n, f) for n, f in CATALOG.items() if "mesh" in f.used_by)
    path = tmp_path / "cache/weights" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(file.size_bytes))
    changes = {"UGCLAB_CACHE_DIR": str(tmp_path / "cache"), "UGCLAB_OFFLINE": "1"}
    verified = run("models", "verify", name, env=changes)
    assert verified.returncode == 41
    assert "wrong hash" in verified.stdout
    assert run("models", "pull", name, env=changes).returncode == 41
    done = run("swap", clip, avatar, "-o", "out.mp4", env=changes)
    assert done.returncode in {32, 41}
    assert name in done.stderr


def test_an_unexpected_error_is_one_line_until_debug(spawn: Run, clip: Path, avatar: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import ugclab.media.probe as p\ndef boom(path): raise ZeroDivisionError('surprise')\np.probe = boom\n"
    )
    changes = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = spawn("probe", clip, env=changes)
    assert done.returncode == 1
    assert done.stderr.startswith("unexpected error: ZeroDivisionError: surprise\n")
    assert "--debug" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in spawn("probe", clip, "--debug", env=changes).stderr


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("long") / "long.mp4", frames=1000, keyint=250)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_ends_cleanly(
    number: int, times: int, environment: dict[str, str], long_clip: Path, avatar: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "ugclab", "swap", str(long_clip), str(avatar), "-o", "out.mp4", "--plan", "all"]
    process = subprocess.Popen(
        [*command, "--engine", "tint"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    segments = tmp_path / "data/artefacts/work"
    wait_for(lambda: any(segments.glob("*/.segment*")) or any(segments.glob("*/job.json")), process)
    for _ in range(times):
        process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("*.mp4"))
    if times == 1:
        assert "error: cancelled" in said
        assert not list(segments.iterdir())
        wait_for(lambda: not children_of(process.pid, str(tmp_path)), None)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str] | None) -> None:
    """Poll, with a deadline: what is waited for happens in another process."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        assert process is None or process.poll() is None, "the process ended before"
        time.sleep(0.01)


def children_of(pid: int, word: str) -> list[str]:
    """Command lines that mention the test's folder: what the killed command may have left behind."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and str(os.getpid()) != path.parent.name and str(pid) != path.parent.name:
            found.append(line)
    return found


@pytest.mark.slow
def test_demo(spawn: Run, tmp_path: Path) -> None:
    from ugclab.settings import Settings
    from ugclab.weights import hub

    if any(s.state != "ok" for s in hub.verify(["mediapipe/face_landmark.tflite"], Settings().weights_dir)):
        pytest.skip("the mesh engine's model files are not here: ugclab models pull")
    done = spawn("demo")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out/demo").iterdir()} == {"demo.mp4", "demo.png", "demo.json", "demo.md"}
    report = Report.model_validate_json((tmp_path / "out/demo/demo.json").read_text())
    assert report.swapped_frames >= 240
    shutil.rmtree(tmp_path / "out")
