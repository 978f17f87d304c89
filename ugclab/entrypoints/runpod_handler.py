"""The door for Runpod serverless: `python -m ugclab.entrypoints.runpod_handler`, also with runpod's own words.

    --rp_serve_api --rp_api_port 8100      its local API server
    --test_input '{"input": {…}}'          one job; exit code 0 or 1

The engine's process is started before `runpod` is imported: the two seconds that takes are those it loads its model in.
"""

import logging
import signal
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, NoReturn

from ugclab.entrypoints.serverless.answers import Discretion
from ugclab.entrypoints.serverless.desk import Desk
from ugclab.entrypoints.serverless.fitness import checks
from ugclab.entrypoints.serverless.performing import Performer
from ugclab.entrypoints.serverless.progress import Send
from ugclab.errors import EngineUnavailable, UgclabError
from ugclab.jobs import logs
from ugclab.settings import Settings

_LOG = logging.getLogger("ugclab.entrypoints.runpod_handler")  # run as a program its own name is another


def serve(settings: Settings) -> None:
    """Take jobs until the platform ends the worker, or do the one that the command line holds."""
    if find_spec("runpod") is None:
        raise EngineUnavailable(
            "the package runpod is not here",
            hint="pip install 'ugclab[runpod]', in an environment without gradio: they want different tomlkits",
        )
    performer = Performer(settings)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # until runpod's loop drains by it
    try:
        performer.warm()
        _start(settings, performer)
    finally:
        performer.close()


def _start(settings: Settings, performer: Performer) -> None:
    import runpod.serverless
    from runpod.http_client import get_auth_header
    from runpod.serverless.modules.rp_logger import RunPodLogger
    from runpod.serverless.modules.worker_state import IS_LOCAL_TEST

    secrets = [get_auth_header()["Authorization"], *_store_secrets(settings)]
    logs.configure(json=settings.log_json, stream=sys.stderr, secrets=[settings.webhook_secret, *secrets])
    RunPodLogger().level = "INFO"  # at its DEBUG it prints each job and each answer, signed addresses and all
    discretion = Discretion(settings, secrets)
    for check in checks(performer, discretion):
        runpod.serverless.register_fitness_check(check)
    desk = Desk(performer, discretion, _nobody if IS_LOCAL_TEST else _sender, unique_ids=not IS_LOCAL_TEST)
    _LOG.info("ready for jobs")
    runpod.serverless.start({"handler": desk.handle})


def _nobody(job: Mapping[str, Any]) -> None:
    """At a terminal nobody is told of progress: runpod would post it to an address that is none."""


def _sender(job: Mapping[str, Any]) -> Send:
    """What posts progress: as `runpod.serverless.progress_update` does, but so that it can be waited for."""
    from runpod.http_client import AsyncClientSession
    from runpod.serverless.modules.rp_http import send_result

    async def send(document: dict[str, Any]) -> None:
        async with AsyncClientSession() as session:
            await send_result(session, {"status": "IN_PROGRESS", "output": document}, job)

    return send


def _store_secrets(settings: Settings) -> list[str]:
    """The store's credentials, so that no text of ours ever holds them."""
    if not settings.s3_bucket:
        return []
    from boto3.session import Session

    found = Session().get_credentials()
    if found is None:
        return []
    frozen = found.get_frozen_credentials()
    return [value for value in (frozen.secret_key, frozen.token) if value]


def main() -> NoReturn:
    """Serve, and exit with the error's code where that cannot be."""
    from ugclab.entrypoints import terminal

    settings = Settings()
    logs.configure(json=settings.log_json, stream=sys.stderr, secrets=[settings.webhook_secret])
    try:
        serve(settings)
    except UgclabError as error:
        terminal.show_error(error)
        sys.exit(error.exit_code)
    sys.exit(0)


if __name__ == "__main__":
    main()
