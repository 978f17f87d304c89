"""Write what each image installs, without ugclab itself: page.txt, worker.txt and serverless.txt for pip.

`python deploy/docker/needs.py cpu|gpu [FOLDER]`; needs nothing but Python. Constraints are named in the files.
"""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGES = {"page": ("app", ("ui",)), "worker": ("app", ()), "serverless": ("serverless", ("runpod",))}
"""The constraints and the extras of each image."""
VARIANTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cpu": ((), ()),
    "gpu": (("animate", "inswapper-gpu"), ("animate", "inswapper-gpu")),
}
"""What a variant adds: constraints and extras."""


def needs(image: str, variant: str) -> list[str]:
    """The lines of one image's file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    constraints, extras = (first + more for first, more in zip(_pair(image), VARIANTS[variant], strict=True))
    wanted = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return [*(f"--constraint {ROOT / 'constraints' / name}.txt" for name in constraints), *wanted]


def _pair(image: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    pinned, extras = IMAGES[image]
    return (pinned,), extras


def main(variant: str, folder: str = ".") -> None:
    """Write the three files."""
    for image in IMAGES:
        (Path(folder) / f"{image}.txt").write_text("\n".join(needs(image, variant)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
