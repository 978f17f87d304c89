"""The code's own arithmetic, and the model beside the figures it was calibrated on."""

import pytest

from ugclab.errors import InputError
from ugclab.wan.arithmetic import (
    clips,
    effective_size,
    estimate,
    find_gpu,
    forward_tflop,
    gpus,
    peak_memory_gb,
    sampled_frames,
    tokens,
    vae_tflop,
)
from ugclab.wan.problems import Stage


@pytest.mark.parametrize(
    ("size", "area", "expected"),
    [
        ((1080, 1920), (832, 480), (464, 832, 8)),
        ((480, 854), (1280, 720), (704, 1280, 28)),
        ((1280, 720), (1280, 720), (1280, 720, 0)),
        ((10_000, 10), (64, 64), (2016, 0, 0)),
    ],
)
def test_effective_size(size: tuple[int, int], area: tuple[int, int], expected: tuple[int, int, int]) -> None:
    found = effective_size(*size, area)
    assert (found.width, found.height, found.bars_px) == expected


@pytest.mark.parametrize(
    ("frames", "length", "overlap", "count", "wasted"),
    [
        (150, 77, 1, 2, 3),  # as get_valid_len and the loop of the official code gave, executed
        (150, 77, 5, 3, 71),
        (120, 61, 1, 2, 1),
        (80, 81, 1, 1, 1),
        (80, 77, 1, 2, 73),
        (77, 77, 5, 1, 0),
        (5, 77, 5, 0, 0),
        (1, 77, 1, 0, 0),
    ],
)
def test_clips(frames: int, length: int, overlap: int, count: int, wasted: int) -> None:
    cut = clips(frames, length, overlap)
    assert (cut.count, cut.wasted) == (count, wasted)


def test_sampled_frames() -> None:
    assert sampled_frames(125, 25.0, 30) == 150
    assert sampled_frames(125, 25.0, -1) == 125
    assert sampled_frames(1, 60.0, 30) == 0


@pytest.mark.parametrize(
    ("size", "count", "tflop", "vae"),
    [
        ((1280, 720), 75_600, 6607, 1320),
        ((832, 480), 32_760, 1717.0, 572),  # torch's FlopCounter
        ((832, 464), 31_668, 1631, 553),
        ((640, 640), 33_600, 1784, 587),
        ((512, 512), 21_504, 931.0, 375),  # torch's FlopCounter
    ],
)
def test_work_of_a_clip(size: tuple[int, int], count: int, tflop: float, vae: float) -> None:
    assert tokens(*size) == count
    assert forward_tflop(*size) == pytest.approx(tflop, rel=3e-4)
    assert vae_tflop(*size) == pytest.approx(vae, rel=2e-3)


@pytest.mark.parametrize(
    ("gpu", "seconds"), [("H200", 458), ("A100", 908), ("L40S", 838), ("RTX 4090", 1356), ("A40", 2001), ("L4", 3014)]
)
def test_seconds_of_two_segments_are_the_models(gpu: str, seconds: float) -> None:
    one = estimate(find_gpu(gpu), 153, 832, 464)
    assert 2 * (one.preprocess_s + one.generate_s) == pytest.approx(seconds, rel=0.005)


def test_four_steps_in_fp8() -> None:
    one = estimate(find_gpu("H200"), 153, 832, 464, steps=4, fp8=True)
    assert 2 * (one.preprocess_s + one.generate_s) == pytest.approx(143, rel=0.01)


def test_a_mistake_costs_what_ran_before_it_shows() -> None:
    one = estimate(find_gpu("H100"), 150, 1280, 720)
    stages = [one.until(stage) for stage in (Stage.START, Stage.PREPROCESS, Stage.LOAD, Stage.RESULT)]
    assert stages == sorted(stages)
    assert stages[0] == 0
    assert stages[3] == pytest.approx(one.preprocess_s + one.load_s + one.generate_s)


def test_peak_memory() -> None:
    assert peak_memory_gb(832 * 480) == pytest.approx(48.8, abs=0.05)
    assert peak_memory_gb(832 * 480, t5_cpu=True) == pytest.approx(44)
    assert peak_memory_gb(1280 * 720) == pytest.approx(60)
    assert peak_memory_gb(1280 * 720, t5_stays=True) == pytest.approx(71.4, abs=0.05)
    assert peak_memory_gb(1280 * 720, gpus=8, shard_transformer=True, shard_t5=True) < 12


@pytest.mark.parametrize(
    ("name", "expected"),
    [("NVIDIA H100 80GB HBM3", "H100"), ("rtx4090", "RTX 4090"), ("l4", "L4"), ("NVIDIA L40S", "L40S"), ("a40", "A40")],
)
def test_gpus_are_found_by_what_people_call_them(name: str, expected: str) -> None:
    assert find_gpu(name).name == expected


def test_unknown_gpus() -> None:
    with pytest.raises(InputError, match="no GPU 'TPU'"):
        find_gpu("TPU")
    other = find_gpu("Tesla T4", 15_360)
    assert (other.name, other.memory_mib) == ("Tesla T4", 15_360)
    with pytest.raises(InputError, match="no rates"):
        estimate(other, 150, 832, 480)


def test_every_gpu_of_the_table_has_rates() -> None:
    assert all(gpu.bf16 and gpu.fp8 and gpu.vae and gpu.memory_gb > 20 for gpu in gpus())
