"""The two files the platform's hub reads: their shapes, and that what they name is there."""

import json
from typing import Any

import pytest

from tests.conftest import ROOT
from ugclab.engines import registry
from ugclab.entrypoints.serverless.orders import admitted, read_order
from ugclab.entrypoints.start import MODES
from ugclab.settings import Settings

HUB: dict[str, Any] = json.loads((ROOT / ".runpod/hub.json").read_text())
TESTS: dict[str, Any] = json.loads((ROOT / ".runpod/tests.json").read_text())
STORE = {"AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def test_the_hub_has_the_documented_shape() -> None:
    assert set(HUB) == {"title", "description", "type", "category", "config"}
    assert (HUB["type"], HUB["category"]) == ("serverless", "video")
    config = HUB["config"]
    assert config["runsOn"] in {"GPU", "CPU"}
    assert isinstance(config["containerDiskInGb"], int)
    assert isinstance(config["gpuCount"], int)
    assert all(pool.strip() for pool in config["gpuIds"].split(","))
    for preset in config["presets"]:
        assert set(preset) == {"name", "defaults"}


@pytest.mark.parametrize("entry", HUB["config"]["env"], ids=lambda entry: str(entry["key"]))
def test_a_variable_of_the_hub_is_one_that_is_read(entry: dict[str, Any]) -> None:
    assert set(entry) in ({"key", "value"}, {"key", "input"})
    settings = {f"UGCLAB_{name.upper()}" for name in Settings.model_fields}
    assert entry["key"] in settings | STORE
    given = entry.get("input", {})
    assert {"name", "type", "description"} <= set(given) or "value" in entry
    assert given.get("type", "string") in {"string", "number", "boolean"}
    if "SECRET" in entry["key"] or "ACCESS_KEY" in entry["key"]:
        assert not entry.get("value")
        assert not given.get("default"), "no secret in a file"


def test_the_presets_name_engines_that_there_are() -> None:
    for preset in HUB["config"]["presets"]:
        assert set(preset["defaults"]) <= {entry["key"] for entry in HUB["config"]["env"]}
        registry.find(preset["defaults"]["UGCLAB_SERVERLESS_ENGINE"])


def test_the_hubs_tests_have_the_documented_shape_and_are_orders(settings: Settings) -> None:
    assert set(TESTS) == {"tests", "config"}
    assert {"gpuTypeId", "gpuCount", "env", "allowedCudaVersions"} >= set(TESTS["config"])
    for test in TESTS["tests"]:
        assert set(test) == {"name", "input", "timeout"}
        assert test["timeout"] >= 1000, "milliseconds"
        admitted(read_order(test["input"]), settings)
    modes = {
        entry["value"] for entry in [*HUB["config"]["env"], *TESTS["config"]["env"]] if entry["key"] == "UGCLAB_MODE"
    }
    assert modes <= set(MODES)
