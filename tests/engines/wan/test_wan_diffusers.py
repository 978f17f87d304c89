"""`wan-diffusers` with a pipeline of random weights: the whole job, LoRAs, memory, and what goes wrong."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engines.wan import standin, tiny
from tests.face_clips import number_of
from tests.media.harness import check_same_pictures
from ugclab.engines import registry
from ugclab.engines.wan_diffusers import loading, lora, memory
from ugclab.engines.wan_diffusers.engine import WanDiffusers
from ugclab.engines.wan_diffusers.memory import Strategy
from ugclab.errors import Cancelled, EngineError, EngineUnavailable, FaceNotFound, WeightsCorrupt, WeightsError
from ugclab.media.frames import read_frames
from ugclab.media.probe import probe
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.run import run
from ugclab.pipeline.steps import Progress
from ugclab.schema.job import SwapOptions
from ugclab.settings import Settings

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

ITEM_BYTES = 4  # the tiny pipeline computes in float32


@pytest.fixture(scope="module")
def patch() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Settings:
    return tiny.furnish(tmp_path_factory.mktemp("tiny"), Settings(), patch)


@pytest.fixture
def here(furnished: Settings, tmp_path: Path) -> Settings:
    return furnished.model_copy(update={"data_dir": tmp_path / "data"})


@pytest.fixture
def ask(clip: Path, avatar: Path, tmp_path: Path) -> SwapRequest:
    return SwapRequest(source=clip, avatar=avatar, out=tmp_path / "out.mp4", plan="0-0.4:swap", engine="wan-diffusers")


def test_two_segments_through_the_whole_job(ask: SwapRequest, here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ugclab.wan.arithmetic.LONGEST_CLIP", 13)  # two clips a segment
    told: list[Progress] = []
    request = ask.model_copy(update={"plan": "0-0.8:swap,0.8-1.4:keep,1.4-end:swap"})
    report = run(request, here, on_progress=told.append)
    assert sum(m.step == "setup" for m in report.measurements) == 1
    assert [(o.frames, o.swapped_frames) for o in report.outcomes] == [(20, 20), (15, 0), (15, 15)]
    after = probe(request.out)
    assert (after.width, after.height, after.frames, after.has_audio) == (320, 240, 50, True)
    old, new = (list(read_frames(path, probe(path))) for path in (request.source, request.out))
    assert [f.time for f in new] == [f.time for f in old]
    assert [number_of(f.y) for f in new] == list(range(50))
    moved = [float(np.abs(a.y.astype(int) - b.y)[60:160, 80:180].mean()) for a, b in zip(old, new, strict=True)]
    assert min(moved[:20] + moved[35:]) > 8  # noise where the head was
    assert max(moved[22:33]) < 3
    assert [w for w in report.warnings if "T17" in w]
    shares = [p.done / p.total for p in told if p.step == "swap" and p.segment == 0 and p.total]
    assert shares == sorted(shares)
    again = run(request.model_copy(update={"fresh": True, "out": ask.out.with_name("again.mp4")}), here)
    assert not any(m.reused for m in again.measurements)
    check_same_pictures(request.out, ask.out.with_name("again.mp4"))


def test_other_settings_are_other_artefacts(ask: SwapRequest, here: Settings) -> None:
    run(ask, here)
    report = run(ask, here)
    assert all(m.reused for m in report.measurements if m.step in {"analyse", "swap"})
    report = run(ask, here.model_copy(update={"wan_steps": 3}))
    assert not any(m.reused for m in report.measurements)


def test_the_prompt_is_encoded_once_and_the_text_encoder_never_read_again(here: Settings, tmp_path: Path) -> None:
    folder = shutil.copytree(here.wan_diffusers_folder, tmp_path / "model")
    settings = here.model_copy(update={"wan_diffusers": folder})
    first = loading.load(settings)
    assert first.prompt.shape[:2] == (1, 512)
    assert first.pipe.text_encoder is None
    for path in (folder / "text_encoder").glob("*.safetensors"):
        path.unlink()
    again = loading.load(settings)
    assert torch.equal(first.prompt, again.prompt)
    whole = torch.tensor(first.prompt.tolist())
    assert whole.abs().sum(-1).bool().sum() < 20  # words, then zeros


def test_timesteps_are_those_the_distilled_loras_were_made_for(here: Settings) -> None:
    pipe = loading.load(here).pipe
    pipe.scheduler.set_timesteps(4)
    assert pipe.scheduler.timesteps.tolist() == [999, 937, 833, 625]


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [("base_model.model.", ""), ("base_model.model.", ".default"), ("diffusion_model.", ""), ("", "")],
)
def test_a_lora_of_any_dialect_is_merged_and_counted(prefix: str, suffix: str, here: Settings, tmp_path: Path) -> None:
    settings = here.model_copy(update={"wan_relight": False})
    pipe = loading.load(settings).pipe
    layer = pipe.transformer.blocks[2].attn1.to_q
    before = layer.weight.detach().clone()
    path = tiny.lora(tmp_path, prefix=prefix, suffix=suffix)
    state = torch.load(path, weights_only=True)
    assert lora.merge(pipe, path, "relighting") == 20
    key = f"{prefix}blocks.2.self_attn.q.lora_{{}}{suffix}.weight"
    wanted = before + state[key.format("B")] @ state[key.format("A")]
    merged = pipe.transformer.blocks[2].attn1.to_q
    assert torch.allclose(merged.weight, wanted, atol=1e-4)
    assert lora.adapted(pipe.transformer, "relighting") == 0  # nothing is left to compute beside the weights


def test_loras_that_do_not_fit_are_errors(here: Settings, tmp_path: Path) -> None:
    pipe = loading.load(here.model_copy(update={"wan_relight": False})).pipe
    with pytest.raises(WeightsError, match="is not there"):
        lora.merge(pipe, tmp_path / "none.safetensors", "a")
    (tmp_path / "cut.ckpt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(WeightsCorrupt, match="cannot be read"):
        lora.merge(pipe, tmp_path / "cut.ckpt", "a")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.ckpt")
    with pytest.raises(WeightsError, match="holds no LoRA"):
        lora.merge(pipe, tmp_path / "other.ckpt", "a")
    with pytest.raises(WeightsError):  # made for a model of more blocks
        lora.merge(pipe, tiny.lora(tmp_path, blocks=6), "b")


def test_a_lora_that_loads_nothing_is_an_error(here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What diffusers does with keys it does not know: nothing, silently."""
    pipe = loading.load(here.model_copy(update={"wan_relight": False})).pipe
    monkeypatch.setattr(type(pipe), "load_lora_weights", lambda self, state, adapter_name: None)
    with pytest.raises(WeightsError, match="only 0 of the 20 layers"):
        lora.merge(pipe, tiny.lora(tmp_path), "a")


def allocated(module: Any) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())


@pytest.mark.parametrize("strategy", [Strategy.NONE, Strategy.FP8])
def test_memory_is_predicted_from_the_configuration(strategy: Strategy, here: Settings) -> None:
    from diffusers import WanAnimateTransformer3DModel

    config = json.loads((here.wan_diffusers_folder / "transformer/config.json").read_text())
    with torch.device("meta"):
        hollow = WanAnimateTransformer3DModel.from_config(config)
    predicted = memory.weight_bytes(hollow, strategy, ITEM_BYTES)
    held = loading.load(here.model_copy(update={"wan_memory": strategy.value})).pipe.transformer
    assert predicted == allocated(held)
    assert (allocated(held) < 0.7 * memory.weight_bytes(hollow, Strategy.NONE, ITEM_BYTES)) == (
        strategy is Strategy.FP8
    )


def test_in_8_bits_it_still_runs(ask: SwapRequest, here: Settings) -> None:
    assert run(ask, here.model_copy(update={"wan_memory": "fp8"})).outcomes[0].swapped_frames == 10


REAL: dict[str, Any] = {
    "motion_encoder_channel_sizes": None, "num_layers": 40, "added_kv_proj_dim": 5120, "image_dim": 1280,
}  # fmt: skip


def test_the_real_models_memory_and_what_is_chosen_for_a_card() -> None:
    assert memory.predict_gb(REAL, Strategy.NONE, 0) - 3.9 == pytest.approx(34.55, abs=0.01)  # CLIP, VAE, at least 1
    pixels = memory.area_pixels("832x480")
    needed = {strategy: memory.predict_gb(REAL, strategy, pixels) for strategy in Strategy}
    assert needed[Strategy.NONE] > needed[Strategy.FP8] > needed[Strategy.GROUP]
    for free_gb, chosen in ((80, Strategy.NONE), (32, Strategy.FP8), (24, Strategy.GROUP)):
        assert memory.choose(REAL, free_gb, pixels, "auto", "832x480") is chosen
    with pytest.raises(EngineUnavailable, match="set UGCLAB_WAN_AREA=512x512"):
        memory.choose(REAL, 6, pixels, "auto", "832x480")
    with pytest.raises(EngineUnavailable, match="set UGCLAB_WAN_MEMORY=fp8"):
        memory.choose(REAL, 24, pixels, "none", "832x480")


@pytest.mark.parametrize(
    ("strategy", "area", "hint"),
    [
        (Strategy.NONE, "832x480", "set UGCLAB_WAN_MEMORY=fp8"),
        (Strategy.FP8, "832x480", "set UGCLAB_WAN_MEMORY=group"),
        (Strategy.GROUP, "832x480", "set UGCLAB_WAN_AREA=512x512"),
        (Strategy.GROUP, "512x512", "use a GPU with more memory"),
    ],
)
def test_out_of_memory_names_the_next_smaller_setting(
    strategy: Strategy, area: str, hint: str, ask: SwapRequest, here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ready(here)

    def full(**given: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    engine._resident = replace(engine._resident, pipe=full, strategy=strategy)
    monkeypatch.setattr(loading.Resident, "face_px", 16)
    engine._settings = here.model_copy(update={"wan_area": area})
    with pytest.raises(EngineError, match="memory does not suffice") as caught:
        run(ask, here, engine=engine)
    assert caught.value.hint == hint


def ready(settings: Settings) -> WanDiffusers:
    engine = registry.make(WanDiffusers, settings)
    assert isinstance(engine, WanDiffusers)
    engine.setup(settings.weights_dir)
    return engine


def test_numbers_that_are_none_are_an_error(ask: SwapRequest, here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ready(here)
    with torch.no_grad():
        engine._resident.pipe.transformer.proj_out.weight.fill_(float("nan"))
    with pytest.raises(EngineError, match="NaN"):
        run(ask, here, engine=engine)


def test_it_can_be_cancelled_between_steps(ask: SwapRequest, here: Settings) -> None:
    seen: list[float] = []

    def listen(progress: Progress) -> None:
        if progress.step == "swap" and progress.total:
            seen.append(progress.done / progress.total)

    with pytest.raises(Cancelled):
        run(ask, here, on_progress=listen, cancelled=lambda: any(share > 0.3 for share in seen))
    assert max(seen) < 0.9


def test_without_a_gpu_it_does_not_run(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = here.model_copy(update={"wan_cpu": False})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(loading, "detect_gpu", lambda: None)
    with pytest.raises(EngineUnavailable, match="no GPU is here"):
        loading.device_of(strict)
    monkeypatch.setattr(loading, "detect_gpu", lambda: ("NVIDIA H100", 81559))
    with pytest.raises(EngineUnavailable, match=r"NVIDIA H100 is here, but torch .* cannot use it"):
        loading.device_of(strict)


def test_what_is_missing_is_named(here: Settings, tmp_path: Path) -> None:
    for changes, words in (
        ({"wan_diffusers": tmp_path}, "model_index.json is missing"),
        ({"wan_ckpt": tmp_path}, "relighting_lora.ckpt is not there"),
        ({"wan_lora": tmp_path / "none.safetensors"}, "none.safetensors is not there"),
        ({"wan_cpu": False, "wan_gpu": "abacus"}, "no GPU 'abacus' is known"),
    ):
        state = registry.availability(WanDiffusers, here.model_copy(update=changes))
        assert not state.ready
        assert words in state.reason
        assert state.hint


def test_a_person_needs_the_official_preprocessing(ask: SwapRequest, here: Settings) -> None:
    with pytest.raises(EngineUnavailable, match="whole persons need the official preprocessing"):
        run(ask.model_copy(update={"options": SwapOptions(replace="person")}), here)


@pytest.fixture
def equipped(here: Settings, tmp_path: Path) -> Settings:
    """With a stand-in of the official scripts and their checkpoint as well."""
    settings = standin.furnish(tmp_path / "wan", here, wan_steps=2, wan_area="512x512")
    tiny.lora(settings.wan_checkpoint)
    return settings.model_copy(update={"wan_relight": False})


def test_official_streams_are_made_once_and_taken_up_after_a_fault(ask: SwapRequest, equipped: Settings) -> None:
    engine = ready(equipped)
    resident = engine._resident

    def full(**given: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    full.transformer = resident.pipe.transformer  # type: ignore[attr-defined]
    engine._resident = replace(resident, pipe=full)
    with pytest.raises(EngineError, match="memory does not suffice"):
        run(ask, equipped, engine=engine)
    engine._resident = resident
    run(ask, equipped, engine=engine)
    assert [name for name, _ in standin.calls(equipped)] == ["preprocess"]


def test_a_person_is_put_in_by_the_preprocessings_mask(ask: SwapRequest, equipped: Settings) -> None:
    run(ask.model_copy(update={"options": SwapOptions(replace="person")}), equipped)
    old, new = (next(read_frames(path, probe(path))) for path in (ask.source, ask.out))
    changed = np.abs(new.y.astype(int) - old.y) > 12
    height, width = changed.shape
    assert changed[height // 4 :, width // 4 : -width // 4].mean() > 0.6
    assert changed[:, : width // 8].mean() < 0.02


def test_no_face_in_the_preprocessing_is_told(ask: SwapRequest, equipped: Settings) -> None:
    (Path(str(equipped.wan_repo)) / "FAULT").write_text("no face")
    with pytest.raises(FaceNotFound, match="finds no face"):
        run(ask, equipped)


def test_another_version_of_diffusers_is_found_out(
    ask: SwapRequest, here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ready(here)
    real = engine._resident.pipe

    class Short:
        transformer = real.transformer

        def __call__(self, **given: Any) -> Any:
            given["pose_video"] = given["pose_video"][:-1]
            return real(**given)

    engine._resident = replace(engine._resident, pipe=Short())
    with pytest.raises(EngineError, match=r"9 pictures of .* were generated, 10 of"):
        run(ask, here, engine=engine)
