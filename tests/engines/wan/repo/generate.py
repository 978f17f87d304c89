"""A stand-in for Wan2.2's generate.py: its flags, its asserts, its files and its faults, and a picture to check.

It paints the reference's colour where the mask is, lets colours drift from clip to clip, and writes 30 frames a second.
`FAULT` beside it names what goes wrong.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np

HERE = Path(__file__).parent
SIZE_CONFIGS = ["720*1280", "1280*720", "480*832", "832*480", "704*1280", "1280*704", "1024*704", "704*1024"]
DRIFT = 9  # code values a clip adds to everything


def str2bool(text):
    return {"true": True, "false": False}[text.lower()]


def _parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--task", type=str, default="t2v-A14B", choices=["t2v-A14B", "i2v-A14B", "ti2v-5B", "animate-14B", "s2v-14B"]
    )
    parser.add_argument("--size", type=str, default="1280*720", choices=list(SIZE_CONFIGS))
    parser.add_argument("--frame_num", type=int, default=None)
    parser.add_argument("--ckpt_dir", type=str, default=None)
    parser.add_argument("--offload_model", type=str2bool, default=None)
    parser.add_argument("--ulysses_size", type=int, default=1)
    parser.add_argument("--t5_fsdp", action="store_true", default=False)
    parser.add_argument("--t5_cpu", action="store_true", default=False)
    parser.add_argument("--dit_fsdp", action="store_true", default=False)
    parser.add_argument("--save_file", type=str, default=None)
    parser.add_argument("--prompt", type=str, default=None)
    parser.add_argument("--base_seed", type=int, default=-1)
    parser.add_argument("--image", type=str, default=None)
    parser.add_argument("--sample_solver", type=str, default="unipc", choices=["unipc", "dpm++"])
    parser.add_argument("--sample_steps", type=int, default=None)
    parser.add_argument("--sample_shift", type=float, default=None)
    parser.add_argument("--sample_guide_scale", type=float, default=None)
    parser.add_argument("--convert_model_dtype", action="store_true", default=False)
    parser.add_argument("--src_root_path", type=str, default=None)
    parser.add_argument("--refert_num", type=int, default=77)
    parser.add_argument("--replace_flag", action="store_true", default=False)
    parser.add_argument("--use_relighting_lora", action="store_true", default=False)
    return parser.parse_args()


def read(name, root):
    with av.open(str(Path(root) / name)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def main():
    args = _parse_args()
    fault = (HERE / "FAULT").read_text().strip() if (HERE / "FAULT").exists() else ""
    with (HERE / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(["generate", sys.argv[1:]]) + "\n")
    assert args.ckpt_dir is not None, "Please specify the checkpoint directory."
    assert args.task == "animate-14B", args.task
    assert args.refert_num == 1 or args.refert_num == 5, "refert_num should be 1 or 5."
    length = args.frame_num or 77
    assert length % 4 == 1
    if fault == "memory":
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB.", flush=True)
        sys.exit(1)
    if fault == "hang":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
        (HERE / "child.pid").write_text(str(child.pid))
        print("  0%|          | 0/20 [00:00<?, ?it/s]", end="\r", flush=True)
        time.sleep(300)
    poses, faces = read("src_pose.mp4", args.src_root_path), read("src_face.mp4", args.src_root_path)
    backgrounds, masks = read("src_bg.mp4", args.src_root_path), read("src_mask.mp4", args.src_root_path)
    assert len({len(stream) for stream in (poses, faces, backgrounds, masks)}) == 1
    reference = np.frombuffer((Path(args.src_root_path) / "src_ref.png").read_bytes()[:8], np.uint8)
    assert bytes(reference) == b"\x89PNG\r\n\x1a\n"
    rng = np.random.default_rng(args.base_seed)
    tint = np.array([60, 90, 200]) + rng.integers(-20, 21, 3)
    step = length - args.refert_num
    count = max(1, math.ceil((len(poses) - args.refert_num) / step))
    made = []
    for clip in range(count):
        steps = args.sample_steps or 20
        for number in range(steps + 1):
            if fault == "crash" and clip == 0 and number == steps // 2:
                raise RuntimeError("an illegal memory access was encountered")
            print(f"{100 * number // steps:3d}%|###   | {number}/{steps} [00:01<00:01, 1.0it/s]", end="\r", flush=True)
        print(flush=True)
        for index in range(clip * step + (1 if clip else 0), min(clip * step + length, len(poses))):
            inside = masks[index] > 127
            painted = np.where(inside, 0.4 * poses[index] + 0.6 * tint, backgrounds[index]).astype(np.float32)
            made.append(np.clip(painted + DRIFT * clip, 0, 255).astype(np.uint8))
    if fault == "nothing":
        return
    if fault == "rate":
        made = made[::2]
    with av.open(args.save_file, "w") as out:
        height, width = made[0].shape[:2]
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.options = {"crf": "12", "preset": "veryfast"}
        for picture in made:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))


if __name__ == "__main__":
    main()
