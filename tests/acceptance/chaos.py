"""The whole trial: a storm over an installation of its own, and a look at what it left."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.acceptance.aftermath import look
from tests.acceptance.storm import Storm, logs, rage, raised


def run(storm: Storm, folder: Path) -> dict[str, Any]:
    """Let the storm pass over an installation in `folder`, and look at what is left; figures of both.

    Raises AssertionError with the seed, what is wrong, and the ends of the logs.
    """
    begun = time.monotonic()
    with raised(storm, folder) as scene:
        try:
            rage(scene)
            ended_s = time.monotonic() - begun
            found = look(scene)
        except AssertionError as error:
            raise AssertionError(f"seed {storm.seed}: {error}\n{logs(scene)}") from error
    figures: dict[str, Any] = {"seed": storm.seed, "jobs": storm.jobs, "workers": storm.workers}
    figures |= {"database": "postgres" if storm.database_url else "sqlite", "own_data_folders": storm.machines}
    figures |= asdict(scene.count) | found
    return figures | {"ended_s": round(ended_s, 1), "wall_s": round(time.monotonic() - begun, 1)}
