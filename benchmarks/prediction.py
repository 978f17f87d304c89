"""Fits the model of Wan's time to some public measurements, judges it on the others, and writes calibration files.

    python -m benchmarks.prediction            # print the table
    python -m benchmarks.prediction --write    # and keep results/prediction.json, docs/cost.md's table, calibrations

The model is linear in the reciprocals of its rates: seconds = forwards · (linear / linear rate + attention / attention
rate) + VAE / VAE rate + offload. Rows marked "fit" in published.json decide the unknowns below, by least relative
error; what is not among them is published elsewhere or assumed. Rows marked "judge" gave no constant.
"""

import argparse
import datetime
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ugclab.bench.calibration import Calibration, Constant, Constants, load_calibrations
from ugclab.bench.estimate import Teller, footage
from ugclab.bench.fit import settings_of, tag
from ugclab.bench.prices import load_prices
from ugclab.bench.rates import STACKS, forward_s, rates_of
from ugclab.errors import InputError
from ugclab.schema.media import Colour, Gop, MediaInfo
from ugclab.wan.arithmetic import LOAD_S, Gpu, Work, find_gpu, forward_work, gpus, tokens, vae_tflop

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGE = ROOT / "docs/cost.md"
PUBLISHED = HERE / "published.json"
CALIBRATION = ROOT / "ugclab/bench/data/calibration"

MODELLED = "the effective rates of ugclab/wan/data/gpus.json, parted so that both of its sizes are met"
FA3 = "FlashAttention-3, arXiv 2407.08608: up to 740 TFLOP/s at 16 bits on an H100"
FITTED = "fitted to the rows marked 'fit' of benchmarks/published.json"
SLOW_5090 = "the two published runs on a 5090 took about 1.5 times as long as rates of this origin say"
COLUMNS = (
    ("480p", 30, 20, "bf16"),
    ("480p", 30, 4, "fp8"),
    ("480p", 16, 4, "fp8"),
    ("crop 512", 30, 4, "fp8"),
    ("crop 512", 16, 4, "fp8"),
    ("720p", 30, 4, "fp8"),
)
UNKNOWN = (
    ("H200", "bf16.linear"),
    ("H200", "bf16-sage.linear"),
    ("H200", "fp8.linear"),
    ("H200", "sage.attention"),
    ("H200", "vae"),
    ("RTX 4090", "fp8.linear"),
    ("RTX 4090", "sage.attention"),
    ("RTX 5090", "fp4.linear"),
    ("any", "offload_s"),
)
"""What the rows marked 'fit' decide: as many as there are rows."""


def published() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(PUBLISHED.read_text())
    return document


def work(row: dict[str, Any]) -> Work:
    """One forward: Animate has a latent frame of the reference and the face blocks beside what I2V has."""
    width, height = row["size"]
    if row["model"] == "animate":
        return forward_work(tokens(width, height, row["frames"]), row["frames"])
    return forward_work(tokens(width, height, row["frames"] - 4))


def vae(row: dict[str, Any]) -> float:
    return vae_tflop(*row["size"], row["frames"]) if "vae" in row["counted"] else 0.0


def assumed(gpu: Gpu) -> dict[str, Constant]:
    """Rates from the packaged table, where no measurement is published."""
    found: dict[str, Constant] = {}
    sizes = [forward_work(tokens(*size, 77), 77) for size in ((832, 464), (1280, 720))]
    for stack, pair in (("bf16", gpu.bf16), ("fp8", gpu.fp8)):
        if pair is None:
            continue
        try:
            rates = rates_of([(w, w.tflop / rate) for w, rate in zip(sizes, pair, strict=True)])
        except InputError:
            continue  # H200: its pairs are no two rates of two kernels
        for name, value in zip(STACKS[stack], rates, strict=True):
            found[name] = Constant(value=value, unit="TFLOP/s", provenance="assumed", source=MODELLED)
    found["vae"] = Constant(
        value=gpu.vae or 0, unit="TFLOP/s", provenance="assumed", source="ugclab/wan/data/gpus.json"
    )
    found["preprocess.factor"] = Constant(
        value=gpu.preprocess_factor, unit="", provenance="assumed", source="ugclab/wan/data/gpus.json"
    )
    return {name: c.model_copy(update={"value": float(f"{c.value:.4g}")}) for name, c in found.items()}


def known() -> dict[str, dict[str, Constant]]:
    """What is known before anything is fitted, by device."""
    found = {gpu.name: assumed(gpu) for gpu in gpus()}
    for name, constant in found["RTX 5090"].items():
        if constant.unit == "TFLOP/s":
            found["RTX 5090"][name] = constant.model_copy(update={"note": SLOW_5090})
    found["H200"]["flash.attention"] = Constant(value=740, unit="TFLOP/s", provenance="published", source=FA3)
    found["any"] = {}
    return found


def fit(rows: list[dict[str, Any]], constants: dict[str, dict[str, Constant]]) -> dict[str, dict[str, Constant]]:
    """The constants with the unknown ones decided by `rows`."""
    index = {name: number for number, name in enumerate(UNKNOWN)}
    matrix, right = np.zeros((len(rows), len(UNKNOWN))), np.zeros(len(rows))
    for number, row in enumerate(rows):
        one, seconds = work(row), row["seconds"]
        linear, attention = STACKS[row["stack"]]
        terms = [((row["gpu"], linear), row["forwards"] * one.linear)]
        terms += [((row["gpu"], attention), row["forwards"] * one.attention), ((row["gpu"], "vae"), vae(row))]
        terms += [(("any", "offload_s"), 1.0)] if "offload" in row["counted"] else []
        right[number] = 1.0
        for (device, name), amount in terms:
            if (device, name) in index:
                matrix[number, index[device, name]] += amount / seconds
            else:
                right[number] -= amount / constants[device][name].value / seconds
    solved = np.linalg.lstsq(matrix, right, rcond=None)[0]
    assert (solved > 0).all(), dict(zip(UNKNOWN, solved, strict=True))
    made = {device: dict(values) for device, values in constants.items()}
    for (device, name), value in zip(UNKNOWN, solved, strict=True):
        unit, figure = ("s", value) if name.endswith("_s") else ("TFLOP/s", 1 / value)
        made[device][name] = Constant(value=float(f"{figure:.4g}"), unit=unit, provenance="published", source=FITTED)
    same = ("bf16.linear", "bf16-sage.linear", "fp8.linear", "flash.attention", "sage.attention", "vae")
    for name in same:
        made["H100"][name] = made["H200"][name].model_copy(
            update={"provenance": "assumed", "source": "as the H200, which has the same processor"}
        )
    return made


def predicted_s(row: dict[str, Any], constants: dict[str, dict[str, Constant]]) -> tuple[float, list[str]]:
    """Seconds by the model, and the constants used."""
    device = Constants(row["gpu"], constants["any"] | constants[row["gpu"]])
    seconds = row["forwards"] * forward_s(work(row), device, row["stack"])
    seconds += vae(row) / device["vae"] if "vae" in row["counted"] else 0.0
    seconds += device["offload_s"] if "offload" in row["counted"] else 0.0
    return seconds, sorted(f"{name} ({c.provenance})" for name, c in device.used.items())


def simple_s(row: dict[str, Any]) -> float | None:
    """Seconds by one effective rate, that of 480p, whatever the number of tokens: what the better model is to beat."""
    gpu = find_gpu(row["gpu"])
    rates = {"bf16": gpu.bf16, "fp8": gpu.fp8}.get(row["stack"])
    if rates is None or gpu.vae is None:
        return None
    return float(row["forwards"] * work(row).tflop / rates[0] + vae(row) / gpu.vae)


def judge() -> dict[str, Any]:
    """The whole document of results/prediction.json."""
    document = published()
    constants = fit([row for row in document["rows"] if row["use"] == "fit"], known())
    rows = []
    for row in document["rows"]:
        seconds, used = predicted_s(row, constants)
        simple = simple_s(row)
        rows.append(
            row
            | {
                "predicted_s": round(seconds, 1),
                "error": round(seconds / row["seconds"] - 1, 3),
                "one_rate_error": None if simple is None else round(simple / row["seconds"] - 1, 3),
                "constants": used,
            }
        )
    judged = [abs(row["error"]) for row in rows if row["use"] == "judge"]
    return {
        "schema_version": 1,
        "fitted": [f"{device} {name}" for device, name in UNKNOWN],
        "judged": {
            "rows": len(judged),
            "median_error": round(float(np.median(judged)), 3),
            "worst_error": max(judged),
            "within_15_percent": sum(e <= 0.15 for e in judged),
        },
        "rows": rows,
        "not_judged": document["not_judged"],
    }


def markdown(result: dict[str, Any]) -> str:
    """The table of docs/cost.md."""
    lines = [
        "| measurement | published s | predicted s | error | with one rate | used to |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        one = "" if row["one_rate_error"] is None else f"{row['one_rate_error']:+.0%}"
        error = f"{row['error']:+.1%}"
        error = f"**{error}**" if row["use"] == "judge" and abs(row["error"]) > 0.15 else error
        seconds = f"{row['predicted_s']:.4g}"
        lines.append(f"| {row['id']} | {row['seconds']} | {seconds} | {error} | {one} | {row['use']} |")
    lines += [f"| {r['id']} | {r['says']} | | | | not judged: {r['why']} |" for r in result["not_judged"]]
    found = result["judged"]
    lines += [
        "",
        f"{found['rows']} rows judged: median error {found['median_error']:.1%}, worst {found['worst_error']:.1%}, "
        f"{found['within_15_percent']} within 15 %.",
    ]
    return "\n".join(lines)


def calibrations() -> dict[str, Calibration]:
    """The packaged files of GPUs and of "any", by file name; that of a CPU is made by ugclab bench calibrate."""
    constants = fit([row for row in published()["rows"] if row["use"] == "fit"], known())
    constants["any"] |= everywhere()
    made = {}
    for device, values in constants.items():
        kind = "any" if device == "any" else "gpu"
        name = device.lower().replace(" ", "-")
        made[f"{name}.json"] = Calibration(device=device, kind=kind, constants=dict(sorted(values.items())))
    return made


def everywhere() -> dict[str, Constant]:
    """What no public measurement tells."""

    def constant(value: float, unit: str, source: str) -> Constant:
        return Constant(value=float(f"{value:.4g}"), unit=unit, provenance="assumed", source=source)

    stitch = "benchmarks/results/swap.json, floor and stitching on 2 cores, taken for the cores beside a GPU"
    return {
        "load.nvme": constant(54 / LOAD_S["nvme"], "GB/s", "about 54 GB in 30-90 s from a local NVMe"),
        "load.network": constant(54 / LOAD_S["network"], "GB/s", "about 54 GB in 135-270 s from a network volume"),
        "preprocess.frame_s": constant(
            1 / 67 + 1 / 29 + 1 / 6.5 + 0.02, "s", "detector, pose, mask and writing of a frame on an H200"
        ),
        "preprocess.segment_s": constant(4, "s", "start of the preprocessing of a segment"),
        "segment_s": constant(3, "s", "picture encoding and writing of a segment"),
        "transfer.mb_s": constant(25, "MB/s", "source in, result out"),
        "idle_s": constant(5, "s", "what a serverless worker waits, paid, before it sleeps"),
        "hosted.rtf": constant(16.5, "s/s", "5-6 min for 20 s of video, Wan-Video/Wan2.2#174; which host is not said"),
        "stitch.frame_s": constant(0.00058, "s", stitch),
        "stitch.mpx_s": constant(0.00818, "s", stitch),
        "stitch.start_s": constant(0.25, "s", stitch),
        "stitch.media_s": constant(0.0012, "s/s", stitch),
    }


def write(result: dict[str, Any]) -> None:
    (HERE / "results/prediction.json").write_text(json.dumps(result, indent=1) + "\n")
    for name, calibration in calibrations().items():
        (CALIBRATION / name).write_text(calibration.model_dump_json(indent=1) + "\n")
    PAGE.write_text(page(PAGE.read_text(), result))


def page(text: str, result: dict[str, Any]) -> str:
    """docs/cost.md with its two tables made anew."""
    for name, table in (("prediction", markdown(result)), ("answer", answer())):
        start, end = text.index(f"<!-- {name} -->\n"), text.index(f"<!-- /{name} -->")
        text = text[:start] + f"<!-- {name} -->\n{table}\n" + text[end:]
    return text


def answer() -> str:
    """Seconds and dollars of a warm worker for 30 s of 720p at 30 frames a second, two times 5 s swapped."""
    info = MediaInfo(
        container="mp4",
        size_bytes=10_000_000,
        width=1280,
        height=720,
        frame_rate=Fraction(30),
        variable_frame_rate=False,
        time_base=Fraction(1, 90_000),
        start=Fraction(0),
        duration=Fraction(30),
        frames=900,
        video_codec="h264",
        pixel_format="yuv420p",
        colour=Colour(),
        gop=Gop(keyframes=3, longest_s=Fraction(10), closed=True),
    )
    given, teller = footage(info, "default"), Teller(load_prices(), load_calibrations())
    head = ["GPU, rented as", *(f"{picture}, {rate} fps, {steps} {stack}" for picture, rate, steps, stack in COLUMNS)]
    rows: dict[tuple[str, str], dict[tuple[str, int, int, str], str]] = {}
    for price, setting in settings_of(given, teller):
        column = (setting.picture, int(setting.frame_rate), setting.steps, setting.precision)
        if setting.state != "warm" or column not in COLUMNS:
            continue
        found = teller.predict(given, setting, tag(price, setting, datetime.date.today()))
        usd, seconds = found.usd or 0.0, found.seconds or 0.0
        cell = f"{seconds:.0f} s, ${usd:.3f}"
        both = usd <= 0.05 and seconds <= 300
        rows.setdefault((setting.gpu, setting.provision), {})[column] = f"**{cell}**" if both else cell
    lines = [head, ["---"] * len(head)]
    lines += [[f"{gpu} {how}", *(cells.get(column, "") for column in COLUMNS)] for (gpu, how), cells in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="keep results, table and calibration files")
    found = judge()
    if parser.parse_args().write:
        write(found)
    print(markdown(found))


if __name__ == "__main__":
    main()
