"""The API against its own description: schemathesis makes requests of every kind, and judges the answers."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.entrypoints.server.conftest import ASKED
from ugclab.entrypoints.server.server import Server
from ugclab.jobs.keys import Keys, NewKey
from ugclab.schema.contract import OrderInput
from ugclab.settings import Settings

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
]
"""All that apply to single requests, but for those that take the description for all there is to know: of an input we
understand more than it says (short names, empty fields), and much that fits it cannot be done (footage not there)."""
EXAMPLES = 12


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server that nobody waits at, with somebody's key and an order."""
    data = tmp_path_factory.mktemp("fuzz")
    most = {"requests_per_minute": 10**6, "max_active_jobs": 10**5, "max_waiting_jobs": 10**5}
    server = Server(Settings(data_dir=data, needs_worker=False, **most))
    server.door.longest_wait_s = server.door.longest_stream_s = 0
    key, view = Keys(server.queue.database).create(NewKey(user="ann", scopes=("admin",)))
    server.door.orders.place(OrderInput.model_validate(ASKED), view.principal, door="execute", name="o-1")
    yield server, key
    server.queue.close()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_described(served: tuple[Server, str], mode: GenerationMode) -> None:
    server, key = served
    api = schemathesis.openapi.from_asgi("/openapi.json", server.app)
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) == sum(len(item) for item in server.app.openapi()["paths"].values())
    asked = set()
    faults = []
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not (operation.body or list(operation.iter_parameters())):
            continue  # nothing in it that could be wrong

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @seed(1)
        def judged(case: Any) -> None:
            asked.add(case.operation.label)
            case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)

        try:
            judged()
        except (Exception, FailureGroup) as fault:
            faults.append(f"{operation.label}: {fault}")
    assert not faults, "\n".join(faults)[:6000]
    assert len(asked) >= 25
