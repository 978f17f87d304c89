"""Make the sample clip and the sample avatar from two public photographs.

    python -m sample_media.make_sample                     the committed files, into ugclab/sample
    python -m sample_media.make_sample --reverse --to DIR  the same the other way round, for the quality benchmark

Needs the extra `sample` (pip install -e '.[sample]') and espeak-ng (apt-get install espeak-ng). The same versions of
these give the same pictures; another espeak-ng gives another voice and so another mouth.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Iterable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from sample_media.expression import Pose
from sample_media.motion import read_wav, speak, talk
from sample_media.portrait import Portrait, Still
from ugclab.settings import Settings
from ugclab.weights.hub import ensure

FPS = 25
SECONDS = 30
SEED = 7
LANDMARK_MODEL = "mediapipe/face_landmark.tflite"
NOTE = "Synthetic: a public photograph set in motion, with a synthetic voice. Not a recording of the person shown."


def packaged(package: str, path: str, sha256: str) -> Path:
    """Find a picture that a Python package ships, and make sure it is the one the face's place was measured in."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is missing: pip install -e '.[sample]'")
    file = Path(spec.origin).parent / path
    if not hashlib.sha256(file.read_bytes()).hexdigest().startswith(sha256):
        raise SystemExit(f"{file} is not the picture this script was made for")
    return file


def astronaut() -> Still:
    """Eileen Collins, NASA; shipped by scikit-image."""
    return Still(
        path=packaged("skimage", "data/astronaut.png", "88431cd9653ccd53"),
        face=(225, 115, 180),
        zoom=2.7,
        centre=(236, 138),
        head=(227, 100, 76, 86),
        smiles=True,
    )


def hopper() -> Still:
    """Grace Hopper, US Navy; shipped by matplotlib."""
    return Still(
        path=packaged("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "a8ca6d734765703b"),
        face=(256, 240, 330),
        zoom=2.7,
        centre=(258, 225),
        head=(262, 195, 125, 170),
        smiles=False,
    )


def write_avatar(still: Still, path: Path, size: float = 1.9) -> None:
    """Cut head and shoulders out of a picture, as a person would crop a portrait."""
    picture = cv2.imread(str(still.path))
    x, y, width = still.face
    half = width * size / 2
    rows, columns = picture.shape[:2]
    x0, x1 = max(0, int(x - half)), min(columns, int(x + half))
    y0, y1 = max(0, int(y - half)), min(rows, int(y + half))
    cv2.imwrite(str(path), picture[y0:y1, x0:x1], [cv2.IMWRITE_JPEG_QUALITY, 93])


def write_note(frame: NDArray[np.uint8]) -> None:
    """Write 'synthetic' into the lower left corner of a BGR frame."""
    place = (16, frame.shape[0] - 16)
    for colour, thickness in (((0, 0, 0), 3), ((235, 235, 235), 1)):
        cv2.putText(frame, "synthetic", place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, colour, thickness, cv2.LINE_AA)


def write_clip(
    path: Path, frames: Iterable[NDArray[np.uint8]], voice: tuple[NDArray[np.float64], int] | None, fps: int = FPS
) -> None:
    """Encode BGR frames as H.264 High with closed groups of two seconds, and the voice as AAC."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        out.metadata.update({"title": "ugclab sample", "comment": NOTE})
        video = None
        sound = None
        count = 0
        for frame in frames:
            if video is None:
                height, width = frame.shape[:2]
                video = out.add_stream("libx264", rate=fps, width=width, height=height, pix_fmt="yuv420p")
                video.time_base = video.codec_context.time_base = Fraction(1, fps)
                context = video.codec_context
                context.options = {
                    "preset": "fast",
                    "crf": "24",
                    "profile": "high",
                    "g": str(2 * fps),
                    "threads": "2",  # x264's output depends on their number
                    "x264-params": "open-gop=0:scenecut=0",
                }
                context.color_range, context.colorspace = 1, 1
                context.color_primaries, context.color_trc = 1, 1
                if voice is not None:
                    sound = out.add_stream("aac", rate=48000, layout="mono", bit_rate=96_000)
            write_note(frame)
            picture = av.VideoFrame.from_ndarray(frame, format="bgr24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", interpolation="BICUBIC"
            )
            picture.pts, count = count, count + 1
            out.mux(video.encode(picture))
        assert video is not None
        out.mux(video.encode(None))
        if sound is not None:
            out.mux(encode_voice(sound, voice, Fraction(count, fps)))


def encode_voice(sound, voice: tuple[NDArray[np.float64], int], length: Fraction) -> list[av.Packet]:
    """Encode the voice, padded with silence or cut to `length` seconds."""
    samples, rate = voice
    whole = np.zeros(int(length * rate), np.float32)
    whole[: len(samples)] = samples[: len(whole)]
    frame = av.AudioFrame.from_ndarray(whole[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    resampler = av.AudioResampler("fltp", "mono", 48000, frame_size=1024)
    packets = []
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        packets += sound.encode(piece)
    return packets + sound.encode(None)


def make_clip(
    still: Still, path: Path, model: Path, *, voice: str, seconds: float = SECONDS, seed: int = SEED
) -> list[Pose]:
    """Film a still that speaks; give what it did in each frame."""
    portrait = Portrait(still, model)
    with tempfile.TemporaryDirectory() as scratch:
        speak(Path(scratch) / "voice.wav", voice)
        samples, rate = read_wav(Path(scratch) / "voice.wav")
    print(f"the voice lasts {len(samples) / rate:.1f} s")
    lead_in = np.zeros(int(0.4 * rate))
    samples = np.concatenate([lead_in, samples])
    poses = talk(
        samples, rate, round(seconds * FPS), FPS, seed, smiling=still.smiles, jaw_scale=0.5 if still.smiles else 0.4
    )
    write_clip(path, (portrait.render(pose) for pose in poses), (samples, rate))
    return poses


def write_truth(poses: list[Pose], path: Path) -> None:
    """Write how far lids are shut in each frame, 0-1, for `benchmarks.quality --truth`."""
    path.write_text(json.dumps({"lids": [round(pose.lids, 3) for pose in poses]}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, help="another folder; the truth is written there, too")
    parser.add_argument("--reverse", action="store_true", help="Hopper speaks, and the astronaut is the avatar")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--weights", type=Path, help="folder of model files; by default the one ugclab uses")
    arguments = parser.parse_args()
    settings = Settings()
    folder = arguments.weights or settings.weights_dir
    model = ensure([LANDMARK_MODEL], folder, offline=settings.offline, mirror=settings.weights_mirror)[LANDMARK_MODEL]
    to = arguments.to or Path(__file__).parent.parent / "ugclab" / "sample"
    to.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    speaker, other = (hopper(), astronaut()) if arguments.reverse else (astronaut(), hopper())
    poses = make_clip(
        speaker,
        to / "talking_head.mp4",
        model,
        voice="en-us+f4" if arguments.reverse else "en-us+f3",
        seconds=arguments.seconds,
    )
    write_avatar(other, to / "avatar.jpg")
    if arguments.to:
        write_truth(poses, to / "talking_head.json")
    size_mb = (to / "talking_head.mp4").stat().st_size / 1e6
    print(f"{to}: {arguments.seconds:g} s, {size_mb:.1f} MB, in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
