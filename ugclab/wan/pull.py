"""Fetch what Wan2.2-Animate needs, and verify it: `ugclab models pull wan2.2-animate`."""

from pathlib import Path

from ugclab.errors import WeightsCorrupt, WeightsError
from ugclab.wan.checkpoint import CheckpointReport, verify
from ugclab.wan.manifest import REPLACEMENT, Use, manifest, patterns
from ugclab.weights import hf

NAME = "wan2.2-animate"
"""Its name in the weights catalogue."""


def pull_wan_animate(
    folder: Path,
    uses: tuple[Use, ...] = REPLACEMENT,
    *,
    revision: str | None = None,
    endpoint: str | None = None,
    token: str | bool | None = None,
    offline: bool = False,
    progress: hf.Progress = lambda path, done, size: None,
) -> CheckpointReport:
    """Fetch the files some uses need (about 53.7 GiB for replacement instead of 67.4) and verify the folder.

    Interrupted, it goes on where it stopped. Raises WeightsError, WeightsCorrupt or DiskFull.
    """
    expected = manifest()
    if not offline:
        wanted = patterns(uses)
        hf.pull(
            expected.repository,
            revision or expected.revision,
            wanted,
            folder,
            endpoint=endpoint,
            token=token,
            progress=progress,
        )
    elif not folder.is_dir():
        raise WeightsError(f"{folder} is not there, and nothing is fetched offline", hint="unset UGCLAB_OFFLINE")
    report = verify(folder, uses)
    if not report.whole:
        first = next(problem for problem in report.problems if problem.severity == "error")
        raise WeightsCorrupt(f"{folder} is not whole: {first.what}", hint=first.fix)
    return report
