"""Measuring a machine: which scale fits, what becomes of what was timed, where it is kept; a toy model run for real."""

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from ugclab.bench import mesh_rates, wan_rates
from ugclab.bench.calibrate import calibrate_mesh, calibrate_wan, file_name, keep, known_name
from ugclab.bench.calibration import Calibration, Constant, Run, load_calibrations, read_calibration
from ugclab.bench.rates import forward_s
from ugclab.bench.wan_rates import SCALES, Scale, Size, choose_device, choose_scale, constants
from ugclab.engines.registry import catalogue
from ugclab.errors import Cancelled, EngineError, EngineUnavailable, InputError
from ugclab.settings import Settings
from ugclab.wan.arithmetic import BLOCKS, forward_work, tokens, vae_tflop
from ugclab.weights import hub

TOY = Scale(
    name="toy",
    layers=4,
    forwards=(Size(width=32, height=32, frames=5), Size(width=64, height=48, frames=9)),
    vae=Size(width=32, height=32, frames=5),
    memory_gb=0.1,
    options={
        "transformer": {
            "num_attention_heads": 2, "attention_head_dim": 12, "text_dim": 32, "freq_dim": 256, "ffn_dim": 32,
            "image_dim": 4, "added_kv_proj_dim": 24, "motion_encoder_channel_sizes": {"4": 16, "8": 16, "16": 16},
            "motion_encoder_size": 16, "motion_style_dim": 8, "motion_dim": 4, "motion_encoder_dim": 16,
            "face_encoder_hidden_dim": 16, "face_encoder_num_heads": 2, "inject_face_latents_blocks": 2,
        },
        "vae": {"base_dim": 3, "z_dim": 16, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1},
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "device", "free", "chosen"),
    [
        ("auto", "cuda", 139, "full"),
        ("auto", "cuda", 47, "blocks"),
        ("auto", "cuda", 15.5, "small"),
        ("auto", "cuda", 10, "tiny"),
        ("auto", "cpu", 500, "tiny"),
        ("blocks", "cuda", 139, "blocks"),
    ],
)
def test_the_scale_that_the_memory_allows(name: str, device: str, free: float, chosen: str) -> None:
    assert choose_scale(name, device, free).name == chosen


@pytest.mark.parametrize(
    ("name", "free", "message", "hint"),
    [
        ("full", 23.5, "scale 'full' wants 58 GB, 24 are free", "--scale blocks"),
        ("blocks", 4.0, "wants 22 GB, 4 are free", "--only mesh"),
        ("auto", 4.0, "4 GB are free, the smallest scale 'tiny' wants 9", "--only mesh"),
        ("huge", 139, "there is no scale 'huge'", "auto, full, blocks, small, tiny"),
    ],
)
def test_no_memory_names_the_smaller_scale(name: str, free: float, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        choose_scale(name, "cuda", free)
    assert hint in raised.value.hint


def test_the_scales_can_give_two_rates() -> None:
    assert [s.memory_gb for s in SCALES] == sorted((s.memory_gb for s in SCALES), reverse=True)
    for scale in SCALES:
        counts = [tokens(s.width, s.height, s.frames) for s in scale.forwards]
        assert counts == sorted(counts)
        assert counts[-1] > 3 * counts[0]
        assert scale.layers % 5 == 0
        assert all(s.width % 16 == s.height % 16 == 0 and s.frames % 4 == 1 for s in (*scale.forwards, scale.vae))


def runs_at(linear: float, attention: float, vae: float, scale: Scale) -> list[Run]:
    """What a device of these TFLOP/s would take."""
    made = []
    for size in scale.forwards:
        work = forward_work(tokens(size.width, size.height, size.frames), size.frames)
        whole = work.linear / linear + work.attention / attention
        part = whole * scale.layers / BLOCKS
        made.append(Run(what="forward", **size.model_dump(), layers=scale.layers, seconds=part, whole_s=whole))
    seconds = vae_tflop(scale.vae.width, scale.vae.height, scale.vae.frames) / vae
    return [Run(what="vae", **scale.vae.model_dump(), layers=0, seconds=seconds, whole_s=seconds), *made]


@pytest.mark.parametrize("scale", SCALES, ids=lambda s: s.name)
def test_rates_from_what_was_timed(scale: Scale) -> None:
    found = constants(runs_at(400, 600, 90, scale), scale)
    assert found["bf16.linear"].value == pytest.approx(400, rel=1e-3)
    assert found["flash.attention"].value == pytest.approx(600, rel=1e-3)
    assert found["vae"].value == pytest.approx(90, rel=1e-3)
    assert all(c.provenance == "measured" for c in found.values())
    assert bool(found["bf16.linear"].note) == (scale.name != "full"), "an extrapolation is labelled"
    assert ("40 blocks from 5" in found["flash.attention"].note) == (scale.layers == 5)
    assert ("real sizes" in found["bf16.linear"].note) == (scale.name == "tiny")


def test_times_that_no_rates_explain() -> None:
    runs = runs_at(400, 600, 90, SCALES[0])
    odd = [run.model_copy(update={"whole_s": 10.0 + place}) for place, run in enumerate(runs)]
    with pytest.raises(EngineError, match="no positive rates") as raised:
        constants(odd, SCALES[0])
    assert "idle" in raised.value.hint


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name in ("torch", "diffusers"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(EngineUnavailable, match="diffusers is not installed") as raised:
        choose_device("auto")
    assert "pip install 'ugclab[calibrate]'" in raised.value.hint


def calibration(device: str = "NVIDIA H100 80GB HBM3", kind: str = "gpu", **values: float) -> Calibration:
    constants = {
        name: Constant(value=value, unit="TFLOP/s", provenance="measured", source="a test")
        for name, value in values.items()
    }
    return Calibration.model_validate(
        {"device": device, "kind": kind, "measured_at": "2026-11-21", "constants": constants}
    )


def test_a_file_is_taken_by_estimate_and_keeps_what_was_not_measured_anew(tmp_path: Path) -> None:
    scale = SCALES[0]
    made = calibration().model_copy(update={"constants": constants(runs_at(300, 500, 80, scale), scale)})
    path = keep(made, tmp_path)
    assert path == tmp_path / "calibration/nvidia-h100-80gb-hbm3.json"
    known = load_calibrations(tmp_path).gpu("H100")
    work = forward_work(tokens(832, 480), 77)
    assert forward_s(work, known, "bf16") == pytest.approx(work.linear / 300 + work.attention / 500, rel=1e-3)
    assert known.used["bf16.linear"].provenance == "measured"
    keep(calibration(vae=70), tmp_path)
    again = read_calibration(path.read_text(), "it")
    assert again.constants["vae"].value == 70
    assert again.constants["bf16.linear"] == made.constants["bf16.linear"]
    with pytest.raises(InputError, match="is of another device"):
        keep(calibration(kind="cpu"), tmp_path)


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA B200", "NVIDIA B200"),
    ],
)
def test_the_drivers_names_are_those_of_the_tables(driver: str, name: str) -> None:
    assert known_name(driver) == name


def test_file_names() -> None:
    assert file_name("Intel(R) Xeon(R) Processor") == "intel-xeon-processor"


def quiet(settings: Settings) -> Callable[[], bool]:
    weights = [n for e in catalogue() if e.info.name == "mesh" for n in e.info.weights]
    if any(s.state != "ok" for s in hub.verify(weights, settings.weights_dir)):
        pytest.skip("the mesh engine's model files are not here: ugclab models pull")
    return lambda: False


@pytest.mark.slow
def test_the_embedded_engine_is_measured(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    cancelled = quiet(settings)
    plans = ("all", "0-0.5:swap,0.5-end:keep", "0-0.3:keep,0.3-0.8:swap,0.8-end:keep")
    clips = [
        mesh_rates.Clip(width=w, height=h, seconds=2, crf=crf, grain=grain, keyframe_every=every, plans=plans)
        for w, h, crf, grain, every in ((240, 240, 30, 0, 250), (480, 320, 18, 12, 250), (640, 360, 24, 0, 25))
    ]
    made = calibrate_mesh(settings, clips=clips, rounds=1, cancelled=cancelled)
    assert made.kind == "cpu"
    assert made.environment["cores"]
    packaged = load_calibrations().cpu("")
    asked = {name for name in made.constants if name.startswith("mesh.")}
    assert asked >= {"mesh.swap_s", "mesh.swap_cores", "mesh.start_s", "mesh.lead_mpx_s"}
    assert all(name in packaged for name in asked)
    assert 0.0003 < made.constants["mesh.swap_s"].value + made.constants["mesh.analyse_s"].value < 0.1


def test_a_calibration_can_be_cancelled(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    quiet(settings)
    clip = mesh_rates.Clip(width=240, height=240, seconds=1, plans=("all",))
    with pytest.raises(Cancelled):
        mesh_rates.measure(settings, clips=[clip], rounds=1, cancelled=lambda: True)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_toy_model_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("diffusers", reason="diffusers is not installed: make test-heavy does that")
    steps: list[str] = []
    runs = wan_rates.measure("cpu", TOY, on_progress=lambda progress: steps.append(progress.step))
    assert steps == ["wan: VAE", "wan: 4 blocks", "wan: forward 32x32x5", "wan: forward 64x48x9"]
    vae, small, large = runs
    assert (vae.what, vae.seconds > 0, vae.whole_s) == ("vae", True, vae.seconds)
    for run in (small, large):
        assert run.layers == 4
        assert run.seconds < run.whole_s < run.seconds * BLOCKS / 4
    monkeypatch.setattr(wan_rates, "_time_vae", lambda *_: vae)
    monkeypatch.setattr(wan_rates, "_transformer", lambda *_: None)
    with pytest.raises(InputError, match="0 s do not suffice") as raised:
        wan_rates.measure("cpu", TOY, limit_s=0)
    assert "--scale" in raised.value.hint
    with pytest.raises(Cancelled):
        wan_rates.measure("cpu", TOY, cancelled=lambda: True)
    monkeypatch.setattr(wan_rates, "measure", lambda *_, **__: runs)
    monkeypatch.setattr(wan_rates, "constants", lambda runs, scale: {})  # a toy's times are no rates
    made = calibrate_wan("cpu", TOY)
    assert made.kind == "cpu"
    assert len(made.runs) == 3
    assert made.environment["torch"]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_memory_that_runs_out_names_the_smaller_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: make test-heavy does that")

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(wan_rates, "_transformer", full)
    monkeypatch.setattr(wan_rates, "_time_vae", lambda *_: runs_at(1, 1, 1, TOY)[0])
    with pytest.raises(InputError, match="does not suffice for scale 'blocks'") as raised:
        wan_rates.measure("cpu", SCALES[1])
    assert raised.value.hint == "--scale small"


@pytest.mark.slow
def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: make test-heavy does that")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(InputError, match="sees no CUDA GPU") as raised:
        choose_device("cuda")
    assert "--device cpu" in raised.value.hint


def test_the_packaged_calibration_of_a_cpu_is_one_that_calibrate_made() -> None:
    cpus = [c for c in load_calibrations().files if c.kind == "cpu"]
    assert cpus
    folder = ROOT / "ugclab/bench/data/calibration"
    for made in cpus:
        assert (folder / f"{file_name(made.device)}.json").read_text() == made.model_dump_json(indent=1) + "\n"
        assert {"mesh.start_cores", "mesh.analyse_cores", "mesh.swap_cores", "mesh.stitch_cores"} <= set(made.constants)
        assert all(c.provenance == "measured" for c in made.constants.values())
