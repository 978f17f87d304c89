"""What a cold start of the serverless worker costs: python -m benchmarks.serverless [--rounds 5] [--results FILE]

Each round starts a worker as the platform does, against a control plane and an S3 server on loopback, with the engine
`mesh`, and does three jobs: one second of the sample swapped. Seconds are wall time from the start of the process.

imports: seconds of a process that does nothing else, less those of one that does nothing at all.
start: `engine_set_up` and `runpod_imported` pass side by side in two processes; `ready` is the first request for a job.
jobs: from giving a job out to its answer; the engine is loaded already.

Run it where runpod is: .venv-serverless/bin/python -m benchmarks.serverless
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.engines.plugin import write_plugin
from tests.entrypoints.serverless.plane import serving
from tests.entrypoints.serverless.runpods import BUCKET, home
from tests.storage import rclone
from ugclab.pipeline.measure import environment
from ugclab.sample import AVATAR, CLIP

IMPORTS = {
    "nothing": "pass",
    "runpod": "import runpod",
    "of it: what the processor is called": "import cpuinfo; cpuinfo.get_cpu_info()",
    "the handler, without runpod": "import ugclab.entrypoints.runpod_handler",
    "both": "import ugclab.entrypoints.runpod_handler, runpod",
    "the engine's process": "import ugclab.entrypoints.engine_child",
}
JOBS = 3


def seconds_of(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun


def said_at(log: str, words: str, begun: float) -> float:
    """Seconds from `begun` (Unix time) to the line of the log that holds these words."""
    line = next(line for line in log.splitlines() if words in line)
    moment = datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).astimezone(UTC)
    return moment.timestamp() - begun


def cold_start(folder: Path, plugins: Path, store: str) -> dict[str, float]:
    (folder / "files").mkdir(parents=True)
    (folder / "files/clip.mp4").write_bytes(CLIP.read_bytes())
    (folder / "files/avatar.jpg").write_bytes(AVATAR.read_bytes())
    with serving(folder / "files") as plane, home(folder / "home", plane, plugins, store, "mesh") as container:
        order = {
            "source_video_url": plane.file("clip.mp4"),
            "avatar_image_url": plane.file("avatar.jpg"),
            "plan": "0-1:swap",
            "consent": "public-domain",
        }
        wall, begun = time.time(), time.perf_counter()
        container.start(**plane.environment)
        plane.until(lambda: any("/job-take/" in path for path in plane.asked), "it asks for no job")
        found = {"ready": time.perf_counter() - begun}
        for number in range(JOBS):
            given = time.perf_counter()
            plane.give(f"job-{number}", order | {"options": {"seed": number}})
            assert "error" not in plane.result(f"job-{number}")
            found[f"job {number + 1}"] = time.perf_counter() - given
        log = container.log()
        found["engine_set_up"] = said_at(log, "is set up", wall)
        found["runpod_imported"] = said_at(log, "ready for jobs", wall)
        found["of it: loading the engine"] = float(re.search(r"is set up, ([\d.]+) s", log)[1])  # type: ignore[index]
        fitness = re.search(r"fitness checks passed\. \(([\d.]+)ms\)", log)
        found["fitness_checks"] = float(fitness[1]) / 1000 if fitness else 0.0
        return found


def summary(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "median_s": round(statistics.median(one[name] for one in rounds), 3),
            "min_s": round(min(one[name] for one in rounds), 3),
            "max_s": round(max(one[name] for one in rounds), 3),
        }
        for name in rounds[0]
    }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--results", type=Path)
    given = words.parse_args()
    imports = [{name: seconds_of(code) for name, code in IMPORTS.items()} for _ in range(given.rounds + 1)][1:]
    for one in imports:
        nothing = one.pop("nothing")
        one |= {name: seconds - nothing for name, seconds in one.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugins = write_plugin(folder / "plugins")
        (folder / "store" / BUCKET).mkdir(parents=True)
        with rclone.serving(folder / "store") as store:
            starts = [cold_start(folder / f"round-{n}", plugins, store) for n in range(given.rounds + 1)][1:]
    made: dict[str, Any] = {
        "date": date.today().isoformat(),
        "rounds": given.rounds,
        "runpod": metadata.version("runpod"),
        "machine": environment().model_dump(),
        "imports": summary(imports),
        "start": summary(starts),
    }
    text = json.dumps(made, indent=1) + "\n"
    if given.results:
        given.results.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
