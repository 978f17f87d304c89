"""Counts the FLOPs of one forward of Wan2.2-Animate's transformer with torch's FlopCounterMode, on the meta device.

    python -m benchmarks.flops            # compare the count with the formula
    python -m benchmarks.flops --write    # and keep results/flops.json

Needs torch (a CPU build is enough); no weights, no memory: tensors on "meta" have a shape and no data. The transformer
is written here from its published dimensions: 40 blocks of self-attention, attention to 512 text and 257 picture tokens
with keys and values of their own, and a feed-forward layer; 8 face blocks that read a few motion tokens a latent frame.
The motion encoder is not counted: the formula's 3.02e12 FLOPs of 77 frames stand for it and for the face tokens. Where
diffusers is installed too, its own WanAnimateTransformer3DModel is counted beside, motion encoder and all.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from ugclab.wan.arithmetic import BLOCKS, CONTEXT, FEED_FORWARD, WIDTH, forward_work, tokens

RESULTS = Path(__file__).parent / "results/flops.json"
SIZES = (
    (832, 480, 77),
    (512, 512, 77),
    (832, 464, 77),
    (640, 640, 77),
    (1280, 720, 77),
    (832, 464, 61),
    (832, 464, 81),
)
HEADS, TEXT, FACE_BLOCKS = 40, 512, 8


def counted(width: int, height: int, frames: int) -> dict[str, float]:
    """TFLOP of one forward as torch counts it: matrix products with weights, and attention."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention
    from torch.utils.flop_counter import FlopCounterMode

    length = tokens(width, height, frames)
    with torch.device("meta"), torch.no_grad():
        x = torch.empty(1, length, WIDTH, dtype=torch.bfloat16)
        text, picture = (x.new_empty(1, n, WIDTH) for n in (TEXT, CONTEXT - TEXT))
        square = x.new_empty(WIDTH, WIDTH)
        up, down = x.new_empty(FEED_FORWARD, WIDTH), x.new_empty(WIDTH, FEED_FORWARD)

        def heads(value: Any) -> Any:
            return value.unflatten(2, (HEADS, -1)).transpose(1, 2)

        def attend(query: Any, key: Any, value: Any) -> Any:
            return scaled_dot_product_attention(heads(query), heads(key), heads(value)).transpose(1, 2).flatten(2)

        linear = torch.nn.functional.linear
        with FlopCounterMode(display=False) as counter:
            for block in range(BLOCKS):
                seen = attend(linear(x, square), linear(x, square), linear(x, square))
                x = x + linear(seen, square)
                query = linear(x, square)
                seen = attend(query, linear(text, square), linear(text, square))
                seen = seen + attend(query, linear(picture, square), linear(picture, square))
                x = x + linear(seen, square)
                x = x + linear(linear(x, up), down)
                if block % (BLOCKS // FACE_BLOCKS) == 0:
                    x = x + linear(linear(x, square), square)  # query and output; its few keys are not worth counting
    flops = {str(name).rpartition(".")[2]: n for name, n in counter.get_flop_counts()["Global"].items()}
    attention = sum(n for name, n in flops.items() if "attention" in name or name in ("bmm", "baddbmm"))
    return {"linear": (sum(flops.values()) - attention) / 1e12, "attention": attention / 1e12}


def of_diffusers(width: int, height: int, frames: int) -> float:
    """TFLOP of one forward of the transformer of diffusers, everything in it. Raises ImportError without diffusers."""
    import torch
    from diffusers import WanAnimateTransformer3DModel
    from torch.utils.flop_counter import FlopCounterMode

    latents = (frames - 1) // 4 + 1
    with torch.device("meta"), torch.no_grad():
        model = WanAnimateTransformer3DModel()
        inputs = {
            "hidden_states": torch.empty(1, 36, latents + 1, height // 8, width // 8),
            "pose_hidden_states": torch.empty(1, 16, latents, height // 8, width // 8),
            "timestep": torch.empty(1),
            "encoder_hidden_states": torch.empty(1, TEXT, 4096),
            "encoder_hidden_states_image": torch.empty(1, CONTEXT - TEXT, 1280),
            "face_pixel_values": torch.empty(1, 3, frames, 512, 512),
        }
        with FlopCounterMode(display=False) as counter:
            model(**inputs)
    return float(counter.get_total_flops() / 1e12)


def compared() -> list[dict[str, Any]]:
    """Count and formula of every size; the formula without the motion encoder."""
    rows = []
    for width, height, frames in SIZES:
        work, count = forward_work(tokens(width, height, frames), frames), counted(width, height, frames)
        encoder = 3.02 * frames / 77
        rows.append(
            {
                "size": [width, height],
                "frames": frames,
                "tokens": tokens(width, height, frames),
                "counted_linear_tflop": round(count["linear"], 2),
                "counted_attention_tflop": round(count["attention"], 2),
                "formula_linear_tflop": round(work.linear - encoder, 2),
                "formula_attention_tflop": round(work.attention, 2),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="keep results/flops.json")
    rows = compared()
    if parser.parse_args().write:
        import diffusers
        import torch

        for row in rows:
            row["diffusers_tflop"] = round(of_diffusers(*row["size"], row["frames"]), 2)
        versions = {"torch": torch.__version__, "diffusers": diffusers.__version__}
        RESULTS.write_text(json.dumps({"schema_version": 1, **versions, "rows": rows}, indent=1) + "\n")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
