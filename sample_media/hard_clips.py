"""Make short clips that are hard for a face swap, for the quality benchmark. Nothing of them is committed.

    python -m sample_media.hard_clips --to DIR [NAME ...]

Beside each NAME.mp4 lies NAME.json with the truth: for every frame the middle of the face, px, or null where it is out
of the picture.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sample_media.cutout import Cutout, Layer, paste
from sample_media.expression import Pose
from sample_media.make_sample import FPS, LANDMARK_MODEL, SEED, astronaut, hopper, speak, write_clip
from sample_media.motion import read_wav, talk
from sample_media.portrait import Portrait
from ugclab.settings import Settings
from ugclab.weights.hub import ensure

MATTE_MODEL = "mediapipe/selfie_segmentation.tflite"
FRAMES = 4 * FPS
WIDTH, HEIGHT = 1280, 720
ANCHORS = (33, 133, 362, 263, 168, 6, 1, 2, 61, 291)
"""Corners of eyes and mouth, bridge and tip of the nose; their mean is the middle of the face."""

Shot = tuple[NDArray[np.uint8], tuple[float, float] | None]
"""A BGR frame and the middle of the face in it."""


@dataclass(frozen=True, slots=True)
class Studio:
    """What the clips are made of."""

    landmark_model: Path
    matte_model: Path
    poses: list[Pose]

    def portrait(self) -> Portrait:
        """The astronaut in front of her own background."""
        return Portrait(astronaut(), self.landmark_model)

    def cutouts(self) -> tuple[Cutout, Cutout]:
        """Astronaut and Hopper without background, their faces of one size."""
        return tuple(  # type: ignore[return-value]
            Cutout(replace(still, zoom=zoom), self.landmark_model, self.matte_model)
            for still, zoom in ((astronaut(), 2.0), (hopper(), 1.0))
        )


def backdrop() -> NDArray[np.uint8]:
    """Paint a dull wall with enough structure to see motion against."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    wall = 120 + 25 * np.sin(x / 170) * np.cos(y / 130) + 20 * (y / HEIGHT)
    grain = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 40, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 3)
    return np.clip((wall + grain)[..., None] * np.array([1.05, 1.0, 0.93], np.float32), 0, 255).astype(np.uint8)


def middle(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Take the middle of a face's mesh."""
    return points[list(ANCHORS), :2].mean(0)


def within(place: NDArray[np.floating]) -> tuple[float, float] | None:
    """Give a place if it is in the picture."""
    x, y = (float(v) for v in place)
    return (x, y) if 0 <= x < WIDTH and 0 <= y < HEIGHT else None


def fast(studio: Studio) -> Iterator[Shot]:
    """Swing by up to 0.45 face widths a frame, leave the picture at 0.35, and come back."""
    person = studio.cutouts()[0]
    f = person.face_width
    swing = 1.5 * f * np.sin(0.3 * np.arange(50))
    out = swing[-1] + 0.35 * f * np.arange(1, 21)
    back = np.linspace(out[-1], 0, 20)
    track = np.concatenate([swing, out, np.full(10, out[-1]), back])
    wall = backdrop()
    for pose, dx in zip(studio.poses, track, strict=True):
        pose = replace(pose, pan=(0, 0), zoom=1)
        canvas = wall.copy()
        left, top = WIDTH / 2 - person.points[1, 0] + dx, 60.0
        paste(canvas, person.film(pose), left, top)
        face = middle(person.project(pose, person.points[:, :2]).astype(np.float32))
        yield canvas, within(face + [left, top])


def crossing(studio: Studio) -> Iterator[Shot]:
    """Let two people pass each other; the one in front is the one to swap."""
    front, behind = studio.cutouts()
    wall = backdrop()
    for i, pose in enumerate(studio.poses):
        pose = replace(pose, pan=(0, 0), zoom=1)
        other = studio.poses[-1 - i]
        other = replace(other, pan=(0, 0), zoom=1, relax=0.0, jaw=0.6 * other.jaw)
        dx = 380 * np.cos(np.pi * i / (FRAMES - 1))
        canvas = wall.copy()
        paste(canvas, behind.film(other), WIDTH / 2 + dx - behind.points[1, 0], HEIGHT - behind.height)
        corner = np.array([WIDTH / 2 - dx - front.points[1, 0], 330 - front.points[1, 1]])
        paste(canvas, front.film(pose), *corner)
        yield canvas, within(middle(front.project(pose, front.points[:, :2]).astype(np.float32)) + corner)


def turned(studio: Studio) -> Iterator[Shot]:
    """Turn the head by 60 degrees to either side."""
    person = studio.cutouts()[0]
    wall = backdrop()
    corner = np.array([WIDTH / 2 - person.points[1, 0], 330 - person.points[1, 1]])
    for i, pose in enumerate(studio.poses):
        pose = replace(pose, yaw=60 * float(np.sin(2 * np.pi * i / FRAMES)), roll=0.0)
        canvas = wall.copy()
        paste(canvas, person.turn_far(pose), *corner)
        yield canvas, within(middle(person.project_far(pose, person.points)) + corner)


def glasses(studio: Studio) -> Iterator[Shot]:
    """Put dark-rimmed glasses on the nose."""
    person = studio.portrait()
    f = person.face_width
    ring = np.linspace(0, 2 * np.pi, 48)
    eyes = [person.points[list(pair), :2].mean(0) for pair in ((33, 133), (362, 263))]
    rims = [eye + np.stack([0.155 * f * np.cos(ring), 0.115 * f * np.sin(ring)], 1) + [0, 0.02 * f] for eye in eyes]
    bridge = np.stack([rims[0][0], (rims[0][0] + rims[1][24]) / 2 - [0, 0.025 * f], rims[1][24]])
    temples = [np.stack([rims[0][24], person.points[127, :2]]), np.stack([rims[1][0], person.points[356, :2]])]
    for pose in studio.poses:
        frame = person.render(pose)
        for line in (*rims, bridge, *temples):
            drawn = person.project(pose, line.astype(np.float32))
            shape = [np.round(drawn * 16).astype(np.int32)]
            cv2.polylines(frame, shape, False, (28, 24, 30), max(3, round(0.022 * f)), cv2.LINE_AA, 4)
        yield frame, within(middle(person.project(pose, person.points[:, :2]).astype(np.float32)))


def hand(studio: Studio) -> Iterator[Shot]:
    """Bring a hand before the mouth and take it away again."""
    person = studio.portrait()
    f = person.face_width
    layer = draw_hand(round(1.5 * f))
    size = layer[1].shape[1]
    for i, pose in enumerate(studio.poses):
        frame = person.render(pose)
        points = person.project(pose, person.points[:, :2]).astype(np.float32)
        covered = np.clip(min(i - 15, 85 - i) / 20, 0, 1)
        below = (1 - covered * covered * (3 - 2 * covered)) * 2.5 * f
        mouth = points[[13, 14]].mean(0)
        paste(frame, layer, mouth[0] - 0.5 * size, mouth[1] - 0.38 * size + below)
        yield frame, within(middle(points))


def draw_hand(size: int) -> Layer:
    """Draw a forearm and a hand with closed fingers, `size` px wide and twice as high."""
    shape = np.zeros((2 * size, size), np.uint8)

    def stroke(start: tuple[float, float], end: tuple[float, float], width: float) -> None:
        points = [(round(x * size), round(y * size)) for x, y in (start, end)]
        cv2.line(shape, *points, 255, round(width * size), cv2.LINE_AA)

    for i, (lean, length) in enumerate(((-0.07, 0.42), (-0.02, 0.5), (0.03, 0.47), (0.08, 0.38))):
        root = 0.335 + 0.11 * i
        stroke((root, 0.65), (root + lean, 0.65 - length), 0.105)
    stroke((0.66, 0.85), (0.86, 0.55), 0.11)  # the thumb
    stroke((0.5, 0.78), (0.5, 0.85), 0.44)
    stroke((0.5, 0.9), (0.54, 2.0), 0.3)
    rim = np.clip(cv2.distanceTransform((shape > 127).astype(np.uint8), cv2.DIST_L2, 5) / (0.06 * size), 0, 1)
    shade = cv2.GaussianBlur((0.6 + 0.4 * np.sqrt(rim)).astype(np.float32), (0, 0), 2)
    grain = cv2.GaussianBlur(np.random.default_rng(2).normal(0, 14, shape.shape).astype(np.float32), (0, 0), 1.5)
    skin = shade[..., None] * np.array([140, 168, 214], np.float32) + grain[..., None]
    return np.clip(skin, 0, 255).astype(np.uint8), cv2.GaussianBlur(shape, (0, 0), 1.2).astype(np.float32) / 255


def light(studio: Studio) -> Iterator[Shot]:
    """Dim and colour the light slowly, let it come from one side, and switch it once."""
    person = studio.portrait()
    x = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :, None]
    for i, pose in enumerate(studio.poses):
        frame = person.render(pose).astype(np.float32)
        gain = 0.75 + 0.35 * np.cos(2 * np.pi * i / 70) if i < 60 else 0.45
        warmth = 0.12 * np.sin(2 * np.pi * i / 90)
        side = 1 + 0.35 * np.sin(2 * np.pi * i / 80) * x
        frame *= gain * side * np.array([1 - warmth, 1.0, 1 + warmth], np.float32)
        points = person.project(pose, person.points[:, :2]).astype(np.float32)
        yield np.clip(frame, 0, 255).astype(np.uint8), within(middle(points))


CLIPS: dict[str, Callable[[Studio], Iterator[Shot]]] = {
    "fast": fast,
    "crossing": crossing,
    "turned": turned,
    "glasses": glasses,
    "hand": hand,
    "light": light,
}


def make(name: str, folder: Path, studio: Studio) -> Path:
    """Write one clip and its truth; give the clip's path."""
    truth: list[tuple[float, float] | None] = []

    def frames() -> Iterator[NDArray[np.uint8]]:
        for frame, face in CLIPS[name](studio):
            truth.append(face)
            yield frame

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.mp4"
    write_clip(path, frames(), None)
    path.with_suffix(".json").write_text(json.dumps({"fps": FPS, "face": truth}))
    return path


def open_studio(weights: Path | None = None) -> Studio:
    """Have the models, and let the poses follow the first seconds of the sample's voice."""
    settings = Settings()
    models = ensure(
        [LANDMARK_MODEL, MATTE_MODEL],
        weights or settings.weights_dir,
        offline=settings.offline,
        mirror=settings.weights_mirror,
    )
    with tempfile.TemporaryDirectory() as scratch:
        speak(Path(scratch) / "voice.wav")
        samples, rate = read_wav(Path(scratch) / "voice.wav")
    poses = talk(samples, rate, FRAMES, FPS, SEED, smiling=True, jaw_scale=0.5)
    return Studio(models[LANDMARK_MODEL], models[MATTE_MODEL], poses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(CLIPS), metavar="NAME", help=", ".join(CLIPS))
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="folder of model files; by default the one ugclab uses")
    arguments = parser.parse_args()
    studio = open_studio(arguments.weights)
    for name in arguments.names:
        print(make(name, arguments.to, studio))


if __name__ == "__main__":
    main()
