"""How good is a face swap? Measured on a source clip, its swapped version and the avatar, whatever made them.

    python -m benchmarks.quality SOURCE RESULT AVATAR [--ranges 0-5,15-20] [--every 5] [--sheet sheet.png]

Identity is judged by dlib's ResNet, expression by our own mesh and by dlib's independent 68 points (`oracles`), the
rest as `signals` defines it. Any clips will do: footage that may not be shared stays where it is, only figures are
written.
"""

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import signals
from benchmarks.oracles import SAME_PERSON, Oracles
from ugclab.engines.mesh.detector import Detector
from ugclab.engines.mesh.landmarks import Face, Landmarker, Region
from ugclab.engines.mesh.sampling import Floats, Still, codes_of, to_rgb, window
from ugclab.errors import AvatarError, UgclabError
from ugclab.schema.media import Colour
from ugclab.settings import Settings
from ugclab.weights.hub import ensure

MODELS = ("mediapipe/face_landmark.tflite", "mediapipe/face_detection_full_range_sparse.tflite")
WINDOW_PX = 320
"""Side of the window in which dlib sees a face: the face is then about 210 px, more than the 150 its ResNet needs."""
PRESENT = 0.5
CHANGED = 4.0
"""Mean luma difference inside the face, in code values, above which it was swapped: re-encoding alone stays below 2."""
OUTSIDE = 1.4
"""The face's oval grown by this much about its centre bounds what a swap may touch."""
MATRICES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}

Ranges = Sequence[tuple[Fraction, Fraction]]


@dataclass(frozen=True, slots=True)
class QualityScores:
    """All figures of one swap. A ratio or correlation is None where the source gives nothing to compare with."""

    frames: int
    """Source frames inside the ranges."""
    faces: int
    """Those of them that show a face."""
    swapped: int
    """Those of them whose face was changed."""
    missing_frames: int
    """Source frames for which the result has none at that time."""
    exact_elsewhere: float | None
    """Share of the frames outside the ranges whose luma is the source's, bit for bit."""
    identity_mean: float | None
    """Distance to the avatar by dlib's ResNet, mean of the sampled swapped frames."""
    identity_below: float | None
    """Share of them under 0.6."""
    identity_nearer: float | None
    """Share of them nearer to the avatar than to the same frame of the source."""
    identity_before: float | None
    """Distance of the source's face to the avatar."""
    mouth: float | None
    """Correlation of the mouth's opening with the source's, by our mesh."""
    eyes: float | None
    brows: float | None
    mouth_68: float | None
    """The same by dlib's 68 points."""
    eyes_68: float | None
    mouth_amplitude: float | None
    """Deviation of the opening over the source's, by our mesh."""
    eyes_amplitude: float | None
    mouth_amplitude_68: float | None
    eyes_amplitude_68: float | None
    jitter: float | None
    """Shaking of the landmarks over the source's."""
    flicker: float | None
    """Flicker of the face's luma over the source's."""
    displacement_p95: float | None
    """95th percentile of the face's distance from the source's, in face widths."""
    displaced: float | None
    """Share of swapped frames in which it is more than 0.12 face widths away."""
    outside_exact: float | None
    """Share of luma samples outside the face of swapped frames that are the source's, mean."""
    outside_psnr_db: float | None
    """Luma PSNR outside the face of swapped frames, over all of them (99 if nothing differs)."""
    worst: tuple[tuple[float, float], ...] = field(default=())
    """(seconds, distance to the avatar) of the sampled frames with the least likeness."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a score has to be."""

    score: str
    least: float | None = None
    most: float | None = None

    def met(self, value: float | None) -> bool | None:
        """Whether a value is in bounds; None where there is no value."""
        if value is None:
            return None
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"


def targets(identity: float) -> tuple[Target, ...]:
    """List what is aimed at, with the mean identity distance that this pair of faces can reach."""
    return (
        Target("identity_mean", most=identity),
        Target("identity_below", least=0.95),
        Target("identity_nearer", least=0.90),
        Target("mouth", least=0.90),
        Target("eyes", least=0.85),
        Target("mouth_68", least=0.80),
        Target("eyes_68", least=0.75),
        Target("mouth_amplitude", 0.7, 1.2),
        Target("eyes_amplitude", 0.7, 1.2),
        Target("jitter", most=1.2),
        Target("flicker", most=1.1),
        Target("displaced", most=0.0),
    )


@dataclass(slots=True)
class _Sample:
    """What one swapped frame gave, source first."""

    number: int
    time: float
    meshes: tuple[Floats, Floats]
    luma: tuple[float, float]
    points: tuple[Floats, Floats]
    outside: tuple[float, float, int]
    """(equal samples, sum of squared differences, samples) outside the face."""
    embeddings: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None


class Judge:
    """The models, loaded once for any number of clips."""

    def __init__(self, weights: Path) -> None:
        self._landmarker = Landmarker(weights / MODELS[0])
        self._detector = Detector(weights / MODELS[1])
        self._oracles = Oracles()

    def measure(
        self,
        source: Path,
        result: Path,
        avatar: Path,
        ranges: Ranges | None = None,
        *,
        every: int = 5,
        sheet: Path | None = None,
    ) -> QualityScores:
        """Score the frames inside `ranges` (seconds, half-open; None means wherever the face was changed).

        Identity is taken from every `every`th swapped frame, all else from each. `sheet` receives a picture of pairs.
        Raises AvatarError if the avatar shows no face.
        """
        wanted = self._embed_avatar(avatar)
        frames = faces = missing = exact = elsewhere = 0
        samples: list[_Sample] = []
        pairs: list[tuple[_Sample, NDArray[np.uint8]]] = []
        for number, (time, before, after) in enumerate(_paired(source, result)):
            inside = ranges is None or any(start <= time < end for start, end in ranges)
            if after is None:
                missing += 1
                continue
            if not inside:
                elsewhere += 1
                exact += np.array_equal(before.y, after.y)
                continue
            frames += 1
            seen = self._find_pair(before, after)
            if seen is None:
                continue
            faces += 1
            sample, views = self._compare(number, float(time), before, after, *seen, embed=len(samples) % every == 0)
            if sample is not None:
                samples.append(sample)
                if sample.embeddings is not None:
                    pairs.append((sample, np.vstack(views)))
        if sheet is not None:
            _write_sheet(sheet, pairs, wanted)
        exact_share = exact / elsewhere if elsewhere else None
        return _score(samples, wanted, frames=frames, faces=faces, missing_frames=missing, exact_elsewhere=exact_share)

    def _embed_avatar(self, path: Path) -> NDArray[np.float64]:
        picture = cv2.imread(str(path))
        if picture is None:
            raise AvatarError(f"{path} is not a picture", hint="give a JPEG or PNG file")
        still = Still.from_rgb(np.ascontiguousarray(picture[..., ::-1]))
        found = self._detector.find(still, thorough=True)
        if not found:
            raise AvatarError(f"{path} shows no face", hint="give a photo of one person, seen from the front")
        face, region = self._look(still, Region.of_detection(max(found, key=lambda d: d.size)))
        view, mesh = _view(still, region, face)
        return self._oracles.embed(view, self._oracles.find_shape(view, mesh))

    def _look(self, picture: Still, region: Region) -> tuple[Face, Region]:
        """Find landmarks in two passes, the second through a window centred by the first."""
        region = Region.of_landmarks(self._landmarker.see(picture, region).points)
        return self._landmarker.see(picture, region), region

    def _find_pair(self, before: Still, after: Still) -> tuple[Face, Face, Region] | None:
        """Find the face of the source that changed most, and the result's face through the same window."""
        best: tuple[float, Face, Region] | None = None
        for found in self._detector.find(before):
            face, region = self._look(before, Region.of_detection(found))
            if face.presence < PRESENT:
                continue
            change = _change(before, after, face)
            if best is None or change > best[0]:
                best = change, face, region
        if best is None:
            return None
        _, face, region = best
        return face, self._landmarker.see(after, region), region

    def _compare(
        self,
        number: int,
        time: float,
        before: Still,
        after: Still,
        face: Face,
        other: Face,
        region: Region,
        *,
        embed: bool,
    ) -> tuple[_Sample | None, tuple[NDArray[np.uint8], NDArray[np.uint8]] | tuple[()]]:
        """Measure one frame; no sample if its face was left as it is."""
        if _change(before, after, face) < CHANGED:
            return None, ()
        views = [_view(picture, region, seen) for picture, seen in ((before, face), (after, other))]
        shapes = [self._oracles.find_shape(view, mesh) for view, mesh in views]
        oval = _oval_mask(before, face, 1.0)
        sample = _Sample(
            number,
            time,
            (face.points, other.points),
            (float(before.y[oval].mean()), float(after.y[oval].mean())),
            (self._oracles.points(shapes[0]), self._oracles.points(shapes[1])),
            _compare_outside(before, after, ~_oval_mask(before, face, OUTSIDE)),
        )
        if embed:
            first, second = (self._oracles.embed(view, shape) for (view, _), shape in zip(views, shapes, strict=True))
            sample.embeddings = first, second
        return sample, (views[0][0], views[1][0])


def measure(
    source: Path,
    result: Path,
    avatar: Path,
    ranges: Ranges | None = None,
    *,
    every: int = 5,
    weights: Path | None = None,
) -> QualityScores:
    """Score one swap; see Judge.measure. Model files are fetched if they are not in `weights` yet."""
    return Judge(weights or pull_models()).measure(source, result, avatar, ranges, every=every)


def pull_models() -> Path:
    """Have the mesh's models where ugclab keeps them."""
    settings = Settings()
    ensure(MODELS, settings.weights_dir, offline=settings.offline, mirror=settings.weights_mirror)
    return settings.weights_dir


def _decode(path: Path) -> Iterator[tuple[Fraction, Still]]:
    """Yield (seconds from the first frame, planes) of each frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        start: int | None = None
        for frame in container.decode(stream):
            assert frame.pts is not None
            start = frame.pts if start is None else start
            whole = frame.to_ndarray(format="yuv420p") if frame.format.name != "yuv420p" else frame.to_ndarray()
            width, height = frame.width, frame.height
            half = np.s_[height * width :]
            chroma = whole.reshape(-1)[half].reshape(2, -(-height // 2), -(-width // 2))
            colour = Colour(
                matrix=MATRICES.get(int(frame.colorspace), "unknown"), full_range=int(frame.color_range) == 2
            )
            y = whole.reshape(-1)[: height * width].reshape(height, width)
            yield Fraction(frame.pts - start) * stream.time_base, Still(y, chroma[0], chroma[1], colour)


def _paired(source: Path, result: Path) -> Iterator[tuple[Fraction, Still, Still | None]]:
    """Pair each source frame with the result's frame shown at that time, within 4 ms."""
    results = _decode(result)
    waiting = next(results, None)
    tolerance = Fraction(4, 1000)
    for time, before in _decode(source):
        while waiting is not None and waiting[0] < time - tolerance:
            waiting = next(results, None)
        if waiting is not None and waiting[0] <= time + tolerance:
            yield time, before, waiting[1]
            waiting = next(results, None)
        else:
            yield time, before, None


def _oval_mask(picture: Still, face: Face, grown: float) -> NDArray[np.bool_]:
    """Mark the px inside the face's oval, grown about its centre."""
    oval = face.points[list(signals.OVAL), :2]
    centre = oval.mean(0)
    mask = np.zeros(picture.y.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(centre + (oval - centre) * grown).astype(np.int32)], 1)
    return mask.astype(bool)


def _change(before: Still, after: Still, face: Face) -> float:
    """Mean absolute luma difference inside the face's oval."""
    oval = _oval_mask(before, face, 0.9)
    if not oval.any():
        return 0.0
    return float(np.abs(before.y[oval].astype(np.int16) - after.y[oval]).mean())


def _compare_outside(before: Still, after: Still, outside: NDArray[np.bool_]) -> tuple[float, float, int]:
    difference = before.y[outside].astype(np.int32) - after.y[outside]
    return float((difference == 0).sum()), float((difference**2).sum()), int(outside.sum())


def _view(picture: Still, region: Region, face: Face) -> tuple[NDArray[np.uint8], Floats]:
    """Cut the upright window out of a picture: RGB, and the mesh in its px."""
    affine = region.to_window(WINDOW_PX)
    rgb = to_rgb(window(picture, affine, (WINDOW_PX, WINDOW_PX)), codes_of(picture))
    mesh = face.points[:, :2] @ affine[:, :2].T + affine[:, 2]
    return np.ascontiguousarray((rgb * 255 + 0.5).astype(np.uint8)), mesh.astype(np.float32)


def _score(
    samples: list[_Sample],
    wanted: NDArray[np.float64],
    *,
    frames: int,
    faces: int,
    missing_frames: int,
    exact_elsewhere: float | None,
) -> QualityScores:
    """Boil the samples down."""

    def series(measure, attribute: str) -> tuple[signals.Series, signals.Series]:
        both = [[measure(getattr(sample, attribute)[side]) for sample in samples] for side in (0, 1)]
        return np.array(both[0], float), np.array(both[1], float)

    def mean(values: Sequence[float]) -> float | None:
        return float(np.mean(values)) if len(values) else None

    def ratio(values: tuple[float, float]) -> float | None:
        return values[1] / values[0] if values[0] > 0 and np.isfinite(values).all() else None

    judged = [(sample.time, *sample.embeddings) for sample in samples if sample.embeddings is not None]
    distances = [(time, float(np.linalg.norm(after - wanted))) for time, _, after in judged]
    kept = [float(np.linalg.norm(after - before)) for _, before, after in judged]
    mouth, eyes, brows = (
        series(m, "meshes") for m in (signals.mouth_opening, signals.eye_opening, signals.brow_height)
    )
    mouth_68, eyes_68 = (series(m, "points") for m in (signals.mouth_opening_68, signals.eye_opening_68))
    numbers = np.array([sample.number for sample in samples])
    moved = [signals.displacement(*sample.meshes) for sample in samples]
    shaking = [signals.jitter(np.array([s.meshes[side] for s in samples]), numbers) for side in (0, 1)]
    flickering = [signals.flicker(np.array([s.luma[side] for s in samples]), numbers) for side in (0, 1)]
    squares, count = sum(s.outside[1] for s in samples), sum(s.outside[2] for s in samples)
    psnr = 99.0 if not squares else min(99.0, 10 * float(np.log10(255**2 * count / squares)))
    return QualityScores(
        frames=frames,
        faces=faces,
        swapped=len(samples),
        missing_frames=missing_frames,
        exact_elsewhere=exact_elsewhere,
        identity_mean=mean([d for _, d in distances]),
        identity_below=mean([d < SAME_PERSON for _, d in distances]),
        identity_nearer=mean([d < k for (_, d), k in zip(distances, kept, strict=True)]),
        identity_before=mean([float(np.linalg.norm(before - wanted)) for _, before, _ in judged]),
        mouth=signals.correlation(*mouth),
        eyes=signals.correlation(*eyes),
        brows=signals.correlation(*brows),
        mouth_68=signals.correlation(*mouth_68),
        eyes_68=signals.correlation(*eyes_68),
        mouth_amplitude=signals.amplitude(*mouth),
        eyes_amplitude=signals.amplitude(*eyes),
        mouth_amplitude_68=signals.amplitude(*mouth_68),
        eyes_amplitude_68=signals.amplitude(*eyes_68),
        jitter=ratio((shaking[0], shaking[1])),
        flicker=ratio((flickering[0], flickering[1])),
        displacement_p95=float(np.percentile(moved, 95)) if moved else None,
        displaced=mean([m > 0.12 for m in moved]),
        outside_exact=mean([s.outside[0] / s.outside[2] for s in samples]),
        outside_psnr_db=psnr if samples else None,
        worst=tuple(sorted(distances, key=lambda pair: -pair[1])[:5]),
    )


def _write_sheet(path: Path, pairs: list[tuple[_Sample, NDArray[np.uint8]]], wanted: NDArray[np.float64]) -> None:
    """Draw up to 32 pairs, source above result, with time and distance."""
    tiles = []
    for sample, pair in pairs[:: max(1, -(-len(pairs) // 32))]:
        tile = np.ascontiguousarray(pair[..., ::-1])
        assert sample.embeddings is not None
        text = f"{sample.time:.2f} s  {np.linalg.norm(sample.embeddings[1] - wanted):.2f}"
        cv2.putText(tile, text, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 255, 0), 2, cv2.LINE_AA)
        tiles.append(tile)
    while tiles and len(tiles) % 8:
        tiles.append(np.zeros_like(tiles[0]))
    if tiles:
        cv2.imwrite(str(path), np.vstack([np.hstack(tiles[i : i + 8]) for i in range(0, len(tiles), 8)]))


def to_markdown(scores: QualityScores, aims: Sequence[Target]) -> str:
    """Write the scores as a table, with what they should be."""
    wanted = {target.score: target for target in aims}
    lines = ["| score | value | target | met |", "|---|---|---|---|"]
    for name, value in asdict(scores).items():
        if name == "worst":
            continue
        target = wanted.get(name)
        met = {True: "yes", False: "**no**", None: ""}[target.met(value) if target else None]
        shown = "-" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"
        lines.append(f"| {name} | {shown} | {target or ''} | {met} |")
    worst = ", ".join(f"{time:.2f} s ({distance:.2f})" for time, distance in scores.worst)
    return "\n".join([*lines, "", f"Least like the avatar: {worst}"])


def describe_machine() -> dict[str, str]:
    """Say what the figures were taken on."""
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "av": av.__version__,
    }
    return {"machine": f"{platform.machine()}, {platform.system()}", **versions}


def parse_ranges(text: str) -> list[tuple[Fraction, Fraction]]:
    """Read '0-5,15-20' as seconds."""
    pairs = [part.split("-") for part in text.split(",")]
    return [(Fraction(start), Fraction(end)) for start, end in pairs]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("avatar", type=Path)
    parser.add_argument(
        "--ranges", type=parse_ranges, help="swapped seconds, as 0-5,15-20; otherwise found by their change"
    )
    parser.add_argument("--every", type=int, default=5, help="identity on every Nth swapped frame (5)")
    parser.add_argument("--identity", type=float, default=0.55, help="mean distance to the avatar aimed at (0.55)")
    parser.add_argument("--sheet", type=Path, help="write a PNG with pairs of faces")
    parser.add_argument("--weights", type=Path, help="folder of model files; by default the one ugclab uses")
    parser.add_argument("--name", help="write benchmarks/results/quality-NAME.json and .md")
    arguments = parser.parse_args()
    try:
        judge = Judge(arguments.weights or pull_models())
        scores = judge.measure(
            arguments.source,
            arguments.result,
            arguments.avatar,
            arguments.ranges,
            every=arguments.every,
            sheet=arguments.sheet,
        )
    except UgclabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    aims = targets(arguments.identity)
    table = to_markdown(scores, aims)
    print(table)
    if arguments.name:
        write_results(Path(__file__).parent / "results", arguments.name, scores, table)
    return 0 if all(target.met(getattr(scores, target.score)) is not False for target in aims) else 1


def write_results(folder: Path, name: str, scores: QualityScores, table: str) -> None:
    """Keep the figures with the day and the machine."""
    folder.mkdir(parents=True, exist_ok=True)
    day, machine = datetime.now(UTC).date().isoformat(), describe_machine()
    document = {"schema_version": 1, "name": name, "date": day, "machine": machine, "scores": asdict(scores)}
    (folder / f"quality-{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    described = ", ".join(f"{key} {value}" for key, value in machine.items())
    (folder / f"quality-{name}.md").write_text(f"# Quality: {name}\n\n{day}; {described}\n\n{table}\n")


if __name__ == "__main__":
    sys.exit(main())
