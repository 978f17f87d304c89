"""An unfit worker says why, under a name, in words that may be shown."""

from pathlib import Path

import pytest

from tests.engines.ledger import Ledger
from ugclab.engines import registry
from ugclab.entrypoints.serverless import fitness
from ugclab.entrypoints.serverless.answers import Discretion
from ugclab.entrypoints.serverless.performing import Performer
from ugclab.errors import EngineUnavailable, OutputError, StoreError
from ugclab.settings import Settings
from ugclab.storage.local import LocalStore


def test_a_full_disk_is_told(settings: Settings) -> None:
    fitness.room_on_disk(settings, least_mb=1)
    with pytest.raises(OutputError, match="MB are free"):
        fitness.room_on_disk(settings, least_mb=2**40)


def test_a_worker_without_a_store_takes_no_jobs(settings: Settings) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        fitness.store_takes(Performer(settings))


def test_the_store_is_written_to(settings: Settings, tmp_path: Path) -> None:
    served = settings.model_copy(update={"public_prefix": "https://files.example"})
    store = LocalStore(tmp_path / "store")
    fitness.store_takes(Performer(served, store=store))
    assert [one.key for one in store.list("users/runpod")] == ["users/runpod/fitness.txt"]


def test_an_engine_for_a_gpu_needs_one(settings: Settings, tmp_path: Path) -> None:
    gpus = tmp_path / "gpus"
    wan = settings.model_copy(update={"serverless_engine": "wan-diffusers"})
    with pytest.raises(EngineUnavailable, match="needs a GPU"):
        fitness.gpu_is_there(wan, gpus)
    fitness.gpu_is_there(settings, gpus)
    (gpus / "0000:01:00.0").mkdir(parents=True)
    fitness.gpu_is_there(wan, gpus)


def test_an_engine_that_is_not_there_is_told_by_the_check_that_waits_for_it(settings: Settings) -> None:
    wan = settings.model_copy(update={"serverless_engine": "wan-cli"})
    with pytest.raises(EngineUnavailable):
        fitness.engine_is_ready(Performer(wan))


def test_checks_have_names_and_their_words_are_discreet(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tint: None
) -> None:
    performer = Performer(settings.model_copy(update={"serverless_engine": "ledger"}))
    monkeypatch.setattr(
        fitness, "engine_is_ready", lambda performer: registry.require(Ledger, settings) or _fail(settings)
    )
    found = {check.__name__: check for check in fitness.checks(performer, Discretion(settings))}
    assert list(found) == ["ugclab_disk", "ugclab_gpu", "ugclab_store", "ugclab_engine"]
    with pytest.raises(RuntimeError, match=r"^store: there is no store"):
        found["ugclab_store"]()
    with pytest.raises(RuntimeError) as told:
        found["ugclab_engine"]()
    assert str(settings.data_dir) not in str(told.value)
    assert "model.bin" in str(told.value)


def _fail(settings: Settings) -> None:
    raise OutputError(f"{settings.data_dir}/model.bin cannot be written")
