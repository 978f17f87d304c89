"""A stand-in for Wan2.2's preprocess_data.py: its flags, and the streams it leaves for replacement.

A "person" is the middle of the picture. `FAULT` at the root of the checkout names what goes wrong.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import av
import numpy as np

ROOT = Path(__file__).parents[4]


def _parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ckpt_path", type=str, default=None)
    parser.add_argument("--video_path", type=str, default=None)
    parser.add_argument("--refer_path", type=str, default=None)
    parser.add_argument("--save_path", type=str, default=None)
    parser.add_argument("--resolution_area", type=int, nargs=2, default=[1280, 720])
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--replace_flag", action="store_true", default=False)
    parser.add_argument("--retarget_flag", action="store_true", default=False)
    parser.add_argument("--use_flux", action="store_true", default=False)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--k", type=int, default=7)
    parser.add_argument("--w_len", type=int, default=1)
    parser.add_argument("--h_len", type=int, default=1)
    return parser.parse_args()


def write(path, pictures):
    with av.open(str(path), "w") as out:
        height, width = pictures[0].shape[:2]
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.options = {"crf": "12", "preset": "veryfast"}
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def main():
    args = _parse_args()
    fault = (ROOT / "FAULT").read_text().strip() if (ROOT / "FAULT").exists() else ""
    with (ROOT / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(["preprocess", sys.argv[1:]]) + "\n")
    assert Path(args.ckpt_path).name == "process_checkpoint"
    if fault == "no face":
        print("Traceback (most recent call last):\nValueError: cannot convert float NaN to integer", file=sys.stderr)
        sys.exit(1)
    with av.open(args.video_path) as container:
        assert container.streams.video[0].average_rate == 30
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    height, width = frames[0].shape[:2]
    wide = args.resolution_area[0] * args.resolution_area[1]
    assert wide * 0.9 < height * width <= wide * 1.05, (height, width, args.resolution_area)
    mask = np.zeros((height, width, 3), np.uint8)
    mask[height // 8 :, width // 5 : -width // 5] = 255
    folder = Path(args.save_path)
    folder.mkdir()
    shutil.copy(args.refer_path, folder / "src_ref.png")
    write(folder / "src_pose.mp4", frames)
    write(folder / "src_face.mp4", [np.zeros((512, 512, 3), np.uint8)] * len(frames))
    write(folder / "src_bg.mp4", [np.where(mask > 0, 0, frame).astype(np.uint8) for frame in frames])
    write(folder / "src_mask.mp4", [mask] * len(frames))


if __name__ == "__main__":
    main()
