"""`wan-cli` against a stand-in of the official repository: its flags, its files, its faults, through the whole job."""

import os
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.engines.wan.standin import calls, furnish
from tests.face_clips import number_of, write_clip
from ugclab.engines import registry
from ugclab.engines.wan_cli.engine import WanCli
from ugclab.engines.wan_cli.process import Bars, run_logged
from ugclab.errors import (
    Cancelled,
    EngineError,
    EngineUnavailable,
    FaceAmbiguous,
    FaceNotFound,
    InputError,
    UgclabError,
)
from ugclab.media.frames import read_frames
from ugclab.media.probe import probe
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.run import run
from ugclab.pipeline.steps import Progress
from ugclab.schema.job import FaceSelector, SwapOptions
from ugclab.settings import Settings
from ugclab.weights import hub

SLOW = pytest.mark.slow
Make = Callable[..., Settings]


@pytest.fixture
def make(tmp_path: Path, settings: Settings) -> Make:
    """Settings with a stand-in in a folder of its own."""
    try:
        hub.ensure(WanCli.info.weights, settings.weights_dir, offline=settings.offline)
    except UgclabError as error:
        pytest.skip(f"no model files: {error}")
    return lambda **changes: furnish(tmp_path / "wan", settings, **changes)


@pytest.fixture
def ask(clip: Path, avatar: Path, tmp_path: Path) -> SwapRequest:
    return SwapRequest(source=clip, avatar=avatar, out=tmp_path / "out.mp4", plan="0-0.4:swap", engine="wan-cli")


def words_of(settings: Settings, script: str) -> list[dict[str, str]]:
    found = []
    for name, words in calls(settings):
        if name == script:
            pairs = zip(words, [*words[1:], ""], strict=True)
            found.append({a: "" if b.startswith("--") else b for a, b in pairs if a.startswith("--")})
    return found


@pytest.mark.slow
def test_two_segments_through_the_whole_job(ask: SwapRequest, make: Make) -> None:
    settings = make()
    told: list[Progress] = []
    request = ask.model_copy(update={"plan": "0-0.8:swap,0.8-1.4:keep,1.4-end:swap"})
    report = run(request, settings, on_progress=told.append)
    assert [name for name, _ in calls(settings)] == ["preprocess", "generate"] * 2
    assert sum(m.step == "setup" for m in report.measurements) == 1
    assert [(o.frames, o.swapped_frames) for o in report.outcomes] == [(20, 20), (15, 0), (15, 15)]
    before, after = probe(request.source), probe(request.out)
    assert (after.width, after.height, after.frames) == (before.width, before.height, 50)
    assert after.has_audio
    old, new = (list(read_frames(path, probe(path))) for path in (request.source, request.out))
    assert [f.time for f in new] == [f.time for f in old]
    assert [number_of(f.y) for f in new] == list(range(50))
    assert sound(request.out) == sound(request.source)
    # the stand-in paints blue where the head is
    blue = [float(n.u[60:80, 60:80].mean()) - float(o.u[60:80, 60:80].mean()) for o, n in zip(old, new, strict=True)]
    assert min(blue[:20] + blue[35:]) > 8
    assert max(map(abs, blue[21:34])) < 3
    shares = [p.done / p.total for p in told if p.step == "swap" and p.segment == 0 and p.total]
    assert shares == sorted(shares)
    assert any(0.1 < share < 0.9 for share in shares)  # while the scripts work, too
    again = run(request.model_copy(update={"out": ask.out.with_name("again.mp4")}), settings)
    assert len(calls(settings)) == 4
    assert again.output.sha256 == report.output.sha256


def sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.slow
def test_the_commands_are_those_that_were_verified(ask: SwapRequest, make: Make) -> None:
    settings = make(wan_steps=0)
    report = run(ask.model_copy(update={"options": SwapOptions(seed=5)}), settings)
    assert not any("T" in warning for warning in report.warnings)
    (before,), (generate,) = words_of(settings, "preprocess"), words_of(settings, "generate")
    assert "--fps" not in before
    assert before["--ckpt_path"].endswith("ckpt/process_checkpoint")
    assert before["--save_path"] == generate["--src_root_path"]
    assert generate["--task"] == "animate-14B"
    assert generate["--refert_num"] == "1"
    assert generate["--frame_num"] == "13"  # ten frames with a face: the fewest of 4n+1 that hold them
    assert generate["--base_seed"] == "5"
    assert {"--replace_flag", "--use_relighting_lora"} <= set(generate)
    assert "--replace_flag" in before
    assert not {"--prompt", "--size", "--sample_guide_scale"} & set(generate)


@pytest.mark.slow
def test_a_person_is_put_in_by_the_preprocessings_own_mask(ask: SwapRequest, make: Make) -> None:
    settings = make()
    run(ask.model_copy(update={"options": SwapOptions(replace="person")}), settings)
    old = next(read_frames(ask.source, probe(ask.source)))
    new = next(read_frames(ask.out, probe(ask.out)))
    changed = np.abs(new.u.astype(int) - old.u) > 12
    height, width = changed.shape
    assert changed[height // 4 :, width // 4 : -width // 4].mean() > 0.9
    assert changed[:, : width // 8].mean() < 0.02


@pytest.mark.slow
def test_footage_of_another_rate_keeps_its_frames(avatar: Path, make: Make, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "fast.mp4", frames=60, rate=60)
    settings = make(wan_rate=24)
    request = SwapRequest(source=source, avatar=avatar, out=tmp_path / "o.mp4", plan="0-0.5:swap", engine="wan-cli")
    report = run(request, settings)
    assert report.outcomes[0].swapped_frames == 30
    assert words_of(settings, "generate")[0]["--frame_num"] == "13"  # half a second at 24
    assert [number_of(f.y) for f in read_frames(request.out, probe(request.out))] == list(range(60))


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("no face", FaceNotFound, "finds no face"),
        ("memory", EngineError, "the memory of H100 does not suffice at 832x480. set UGCLAB_WAN_AREA=512x512"),
        pytest.param("crash", EngineError, "generate.py failed with exit code 1.*illegal memory", marks=SLOW),
        pytest.param("nothing", EngineError, "exit code 0 and wrote no video", marks=SLOW),
        pytest.param("rate", EngineError, "wrote 5 frames at 30 a second, 10 at 30", marks=SLOW),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_told(
    fault: str, error: type[UgclabError], words: str, ask: SwapRequest, make: Make
) -> None:
    settings = make(fault=fault, wan_area="832x480")
    with pytest.raises(error) as caught:
        run(ask, settings)
    assert re.search(words, str(caught.value), re.S), caught.value
    assert not ask.out.exists()
    assert not list((settings.artefacts_dir / "work").iterdir())


def test_cancelling_ends_the_whole_process_group(ask: SwapRequest, make: Make) -> None:
    settings = make(fault="hang")
    stop, noted = threading.Event(), Path(str(settings.wan_repo)) / "child.pid"

    def wait() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not (noted.exists() and noted.read_text()):
            time.sleep(0.05)
        stop.set()

    thread = threading.Thread(target=wait)
    thread.start()
    with pytest.raises(Cancelled):
        run(ask, settings, cancelled=stop.is_set)
    thread.join()
    assert not running(int(noted.read_text()))


def running(pid: int) -> bool:
    """Whether a process is there and no zombie: its parent is gone, and nobody may have looked after it yet."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        with suppress(OSError):
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: s.model_copy(update={"wan_repo": None}), "UGCLAB_WAN_REPO is not set"),
        (lambda s: s.model_copy(update={"wan_python": Path("/nowhere/python")}), "UGCLAB_WAN_PYTHON leads nowhere"),
        (lambda s: s.model_copy(update={"wan_ckpt": Path("/nowhere")}), "the checkpoint is not here"),
        (lambda s: s.model_copy(update={"wan_gpu": "abacus"}), "no GPU 'abacus' is known"),
    ],
)
def test_what_is_missing_is_named(spoil: Callable[[Settings], Settings], words: str, make: Make) -> None:
    state = registry.availability(WanCli, spoil(make()))
    assert not state.ready
    assert words in state.reason
    assert state.hint


def test_a_checkpoint_is_looked_at_before(make: Make) -> None:
    settings = make()
    assert registry.availability(WanCli, settings).ready
    (settings.wan_checkpoint / "Wan2.1_VAE.pth").write_bytes(b"cut off")
    state = registry.availability(WanCli, settings)
    assert "Wan2.1_VAE.pth is cut off" in state.reason


def test_traps_stop_a_run_before_its_first_script(ask: SwapRequest, make: Make) -> None:
    settings = make()
    site = Path(str(settings.wan_python)).parents[1] / "lib/python3.11/site-packages"
    (site / "flash_attn-2.8.3.dist-info").rename(site.parent / "gone")
    with pytest.raises(EngineUnavailable, match=r"flash-attn is missing \(T23\)"):
        run(ask, settings)
    assert calls(settings) == []


def test_a_gpu_that_would_be_left_unused_is_an_error(ask: SwapRequest, make: Make) -> None:
    settings = make()
    site = Path(str(settings.wan_python)).parents[1] / "lib/python3.11/site-packages"
    info = site / "onnxruntime_gpu-1.23.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.23.0\n")
    with pytest.raises(EngineUnavailable, match="T27"):
        run(ask, settings)


def test_a_card_that_is_too_small_is_told_with_the_next_smaller_setting(ask: SwapRequest, make: Make) -> None:
    with pytest.raises(EngineUnavailable, match=r"GB of GPU memory are needed at 1280x720 .* UGCLAB_WAN_AREA=832x480"):
        run(ask, make(wan_gpu="A40", wan_area="1280x720"))


def test_one_person_at_a_time(ask: SwapRequest, make: Make, tmp_path: Path) -> None:
    two = tmp_path / "two.mp4"
    frames = list(read_frames(ask.source, probe(ask.source)))[:10]
    with av.open(str(two), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height = 640, 240
        for frame in frames:
            picture = frame.buffer.to_ndarray(format="rgb24")
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.hstack([picture, picture]), format="rgb24")))
        out.mux(stream.encode(None))
    settings = make()
    request = ask.model_copy(update={"source": two, "options": SwapOptions(face=FaceSelector(kind="all"))})
    with pytest.raises(FaceAmbiguous, match="2 people are meant"):
        run(request, settings)
    with pytest.raises(FaceAmbiguous, match="shows 2 people"):
        run(request.model_copy(update={"options": SwapOptions(replace="person")}), settings)
    assert calls(settings) == []


def test_other_engines_refuse_what_they_cannot_replace(ask: SwapRequest, settings: Settings) -> None:
    request = ask.model_copy(update={"engine": "mesh", "options": SwapOptions(replace="person")})
    with pytest.raises(InputError, match="cannot replace a person: it replaces the face"):
        run(request, settings)


def test_bars_are_counted() -> None:
    bars = Bars()
    assert bars.read("  0%|   | 0/20 [00:00<?]\r 50%|## | 10/20 [00:05<00:05]") == 0.5
    assert bars.read("\r100%|####| 20/20 [00:10<00:00]\n  0%|  | 0/20 [00:00<?]") == 1.0
    assert bars.read(" 25%|# | 5/20 [") == 1.25
    assert Fraction(bars.read("no bar")) == Fraction(5, 4)


def test_a_program_that_is_not_ours_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = (
        *("AWS_SECRET_ACCESS_KEY", "UGCLAB_WEBHOOK_SECRET", "DATABASE_URL"),
        *("HF_TOKEN", "RUNPOD_AI_API_KEY", "PGPASSWORD"),
    )
    for name in (*secret, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "planted")
    run_logged(
        [sys.executable, "-c", "import os; print(*os.environ)"],
        tmp_path,
        tmp_path / "log",
        lambda text: None,
        lambda: None,
    )
    shown = (tmp_path / "log").read_text().split()
    assert not set(secret) & set(shown)
    assert {"CUDA_VISIBLE_DEVICES", "PATH"} <= set(shown)
