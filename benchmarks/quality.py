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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.judge import Judge, pull_models
from benchmarks.scores import QualityScores
from ugclab.errors import UgclabError


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
        Target("mouth_amplitude_scaled", 0.7, 1.2),
        Target("eyes_amplitude_scaled", 0.7, 1.2),
        Target("jitter", most=1.2),
        Target("flicker", most=1.1),
        Target("displaced", most=0.0),
        Target("wrong_face", most=0.0),
    )


def to_markdown(scores: QualityScores, aims: Sequence[Target]) -> str:
    """Write the scores as a table, with what they should be."""
    wanted = {target.score: target for target in aims}
    lines = ["| score | value | target | met |", "|---|---|---|---|"]
    for name, value in asdict(scores).items():
        if name == "worst":
            continue
        target = wanted.get(name)
        met = {True: "yes", False: "**no**", None: ""}[target.met(value) if target else None]
        values = value if isinstance(value, tuple) else (value,)
        shown = " / ".join("-" if v is None else str(v) if isinstance(v, int) else f"{v:.3f}" for v in values)
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
    parser.add_argument(
        "--truth", type=Path, help="JSON beside a clip of sample_media: which face is meant, or what lids did"
    )
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
            truth=arguments.truth,
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
