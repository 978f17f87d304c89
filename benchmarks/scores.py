"""The scores of a swap, and how they come from what each frame gave."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import calibrate, signals
from benchmarks.oracles import SAME_PERSON
from ugclab.engines.mesh.sampling import Floats


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
    blinks: tuple[float | None, float | None] | None
    """Correlation of the eyes' opening with what the clip was made with, as read of source and result by our mesh; None
    without a truth. A source that is read no better cannot judge its result."""
    blinks_68: tuple[float | None, float | None] | None
    mouth_amplitude: float | None
    """Deviation of the opening over the source's, by our mesh, whose scale differs from face to face."""
    eyes_amplitude: float | None
    mouth_amplitude_scaled: float | None
    """The same in units of what the mesh reads of a known movement on each of the two faces (`calibrate`)."""
    eyes_amplitude_scaled: float | None
    mouth_amplitude_68: float | None
    eyes_amplitude_68: float | None
    jitter: float | None
    """Shaking of the landmarks over the source's."""
    flicker: float | None
    """Flicker of the face's luma over the source's."""
    light: float | None
    """Correlation of the face's mean luma with the source's: light that lags behind a lamp does not flicker."""
    displacement_p95: float | None
    """95th percentile of the face's distance from the source's, in face widths."""
    displaced: float | None
    """Share of swapped frames in which it is more than 0.12 face widths away."""
    wrong_face: float | None
    """Share of swapped frames in which another face than the truth's was changed; None without a truth."""
    outside_exact: float | None
    """Share of luma samples outside the face of swapped frames that are the source's, mean."""
    outside_psnr_db: float | None
    """Luma PSNR outside the face of swapped frames, over all of them (99 if nothing differs)."""
    worst: tuple[tuple[float, float], ...] = ()
    """(seconds, distance to the avatar) of the sampled frames with the least likeness."""


@dataclass(slots=True)
class Sample:
    """What one swapped frame gave, source first."""

    number: int
    time: float
    meshes: tuple[Floats, Floats]
    luma: tuple[float, float]
    points: tuple[Floats, Floats]
    outside: tuple[float, float, int]
    """(equal samples, sum of squared differences, samples) outside the face."""
    embeddings: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    answers: tuple[calibrate.Answers, calibrate.Answers] | None = None


def score(
    samples: list[Sample],
    wanted: NDArray[np.float64],
    *,
    frames: int,
    faces: int,
    missing_frames: int,
    exact_elsewhere: float | None,
    wrong_face: float | None,
    lids: Sequence[float] | None = None,
) -> QualityScores:
    """Boil the samples down; `lids` is how far they are shut in each of the source's frames, 0-1, where it is known."""

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
    blinks, blinks_68 = (_against(lids, samples, both) for both in (eyes, eyes_68))
    asked = [i for i, sample in enumerate(samples) if sample.answers is not None]
    answers = np.array([samples[i].answers for i in asked]).reshape(len(asked), 2, 2)
    eyes_scaled, mouth_scaled = (
        calibrate.amplitude(*both, both[0][asked], answers[..., i]) for i, both in enumerate((eyes, mouth))
    )
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
        blinks=blinks,
        blinks_68=blinks_68,
        mouth_amplitude=signals.amplitude(*mouth),
        eyes_amplitude=signals.amplitude(*eyes),
        mouth_amplitude_scaled=mouth_scaled,
        eyes_amplitude_scaled=eyes_scaled,
        mouth_amplitude_68=signals.amplitude(*mouth_68),
        eyes_amplitude_68=signals.amplitude(*eyes_68),
        jitter=ratio((shaking[0], shaking[1])),
        flicker=ratio((flickering[0], flickering[1])),
        light=signals.correlation(*(np.array([s.luma[side] for s in samples]) / 255 for side in (0, 1))),
        displacement_p95=float(np.percentile(moved, 95)) if moved else None,
        displaced=mean([m > 0.12 for m in moved]),
        wrong_face=wrong_face,
        outside_exact=mean([s.outside[0] / s.outside[2] for s in samples]),
        outside_psnr_db=psnr if samples else None,
        worst=tuple(sorted(distances, key=lambda pair: -pair[1])[:5]),
    )


def _against(
    lids: Sequence[float] | None, samples: list[Sample], openings: tuple[signals.Series, signals.Series]
) -> tuple[float | None, float | None] | None:
    """How well openings of source and result go with lids that were really open."""
    if lids is None:
        return None
    inside = [i for i, sample in enumerate(samples) if sample.number < len(lids)]
    open_by = 1 - np.array([lids[samples[i].number] for i in inside], float)
    before, after = (signals.correlation(open_by, opening[inside]) for opening in openings)
    return before, after
