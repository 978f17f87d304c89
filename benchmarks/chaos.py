"""How much the queue survives: python -m benchmarks.chaos [--jobs 50] [--seeds 1,2,3] [--results chaos.json]

The storm of `tests/acceptance`, longer: workers and the submitter are killed with SIGKILL at random moments, workers
are frozen past the takeover time, the webhook receiver refuses one message in three. With Postgres every worker has a
data folder of its own, and the store on S3 lets one write in ten fail. Every run checks that each job ended once, with
a whole output and one event, and that nothing finished was done again; a run that finds otherwise ends this program.
"""

import argparse
import json
import tempfile
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.stitch import machine
from tests.acceptance.chaos import run
from tests.acceptance.storm import Storm
from tests.jobs.postgres import Postgres


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--databases", default="sqlite,postgres")
    parser.add_argument("--storm", type=float, default=90.0, metavar="SECONDS")
    parser.add_argument("--results", type=Path)
    arguments = parser.parse_args()
    report: dict[str, Any] = {"date": date.today().isoformat(), "machine": machine(), "runs": []}
    for database in arguments.databases.split(","):
        postgres = database == "postgres"
        with Postgres.started() if postgres else nullcontext() as server:
            for seed in map(int, arguments.seeds.split(",")):
                storm = Storm(
                    seed=seed,
                    jobs=arguments.jobs,
                    workers=arguments.workers,
                    database_url=server.fresh() if server else "",
                    machines=postgres,
                    every_s=1.5,
                    storm_s=arguments.storm,
                    limit_s=arguments.storm + 240,
                )
                with tempfile.TemporaryDirectory(prefix="ugclab-chaos-") as folder:
                    report["runs"].append(run(storm, Path(folder)))
                print(json.dumps(report["runs"][-1]), flush=True)
    keys = ("jobs", "worker_kills", "submitter_kills", "freezes", "takeovers", "duplicates", "lost")
    report["in_all"] = {key: sum(r[key] for r in report["runs"]) for key in (*keys, "done_again_though_finished")}
    print(json.dumps(report["in_all"], indent=2))
    if arguments.results:
        arguments.results.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
