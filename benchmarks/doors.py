"""What the HTTP door carries and survives: python -m benchmarks.doors [--jobs 100] [--results doors.json]

Two servers and three workers, processes with a data folder each, on one Postgres and one S3 server (rclone).
storm: jobs by HTTP, while servers and workers are killed with SIGKILL; then every result is fetched and compared, and
jobs are counted that were lost, doubled or ended twice. throughput: jobs a second from 1 to 3 workers, with an engine
that darkens 14 frames (what is left is the queue, the store and the stitching) and with the embedded one. All of it
shares this machine's cores: what more workers bring ends where those are used up.
"""

import argparse
import json
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.stitch import machine
from tests.acceptance.doors import PLAN, opened, storm, throughput
from tests.jobs.postgres import Postgres
from ugclab.sample import AVATAR, CLIP

MESH_PLAN = "0-1:swap,1-end:keep"
LIMIT_S = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--strikes", type=int, default=30)
    parser.add_argument("--noop-jobs", type=int, default=24)
    parser.add_argument("--mesh-jobs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--results", type=Path)
    arguments = parser.parse_args()
    report: dict[str, Any] = {"date": date.today().isoformat(), "machine": machine()}
    with Postgres.started() as server, tempfile.TemporaryDirectory(prefix="ugclab-doors-") as name:
        top = Path(name)
        with opened(top / "storm", server.fresh(), servers=2, workers=3, seed=arguments.seed) as doors:
            doors.work(3)
            report["storm"] = storm(doors, arguments.jobs, every_s=1.5, strikes=arguments.strikes, limit_s=LIMIT_S)
        print(json.dumps(report["storm"]), flush=True)
        with opened(top / "noop", server.fresh(), servers=2, workers=3, seed=arguments.seed) as doors:
            report["noop"] = [
                throughput(doors, "ledger", n, arguments.noop_jobs, plan=PLAN, limit_s=LIMIT_S) for n in (1, 2, 3)
            ]
        print(json.dumps(report["noop"]), flush=True)
        given = {"clip": CLIP, "avatar": AVATAR}
        with opened(top / "mesh", server.fresh(), servers=2, workers=3, seed=arguments.seed, **given) as doors:
            report["mesh"] = [
                throughput(doors, "mesh", n, arguments.mesh_jobs, plan=MESH_PLAN, limit_s=LIMIT_S) for n in (1, 2, 3)
            ]
        print(json.dumps(report["mesh"]), flush=True)
    if arguments.results:
        arguments.results.write_text(json.dumps(report, indent=2) + "\n")
    wrong = ("lost", "doubled", "ended_twice", "not_the_same_again", "broken")
    if any(report["storm"][name] for name in wrong):
        sys.exit("something was lost, doubled or broken")


if __name__ == "__main__":
    main()
