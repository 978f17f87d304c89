"""Answers hold no secret, no path of the machine and no traceback, wherever an error comes from."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from ugclab.entrypoints.serverless.answers import Discretion, StageFailed, error_of, failure, success
from ugclab.errors import EngineCrashed, FaceNotFound, OutputError, UgclabError
from ugclab.jobs.tasks import Failed
from ugclab.schema.contract import OrderOutput
from ugclab.settings import Settings

WEBHOOK, KEY, PASSWORD = "whsec_" + 32 * "Q", "rpa_0123456789ABCDEF", "pass-of-the-database"
CREDENTIAL = f"AKIA{'S3CRET' * 2}S3CR"  # in parts, so that no scanner takes it for a real one
SIGNED = f"https://bucket.example/a.mp4?X-Amz-Credential={CREDENTIAL}&X-Amz-Signature=feedfeed"


@pytest.fixture
def discretion(tmp_path: Path) -> Discretion:
    settings = Settings(
        data_dir=tmp_path / "data of ours",
        webhook_secret=SecretStr(WEBHOOK),
        database_url=f"postgresql://ugc:{PASSWORD}@db/x",
    )
    return Discretion(settings, [KEY, "aws+secret/key0123456789"])


def told(error: Exception, discretion: Discretion) -> str:
    return json.dumps(failure(error_of(error, "job1"), "rec1", discretion))


@pytest.mark.parametrize(
    "planted",
    [WEBHOOK, KEY, PASSWORD, "aws+secret/key0123456789", "feedfeed", CREDENTIAL, "hunter2hunter2"],
)
def test_planted_secrets_do_not_come_out(discretion: Discretion, planted: str) -> None:
    text = (
        f"{WEBHOOK} of {KEY} with {PASSWORD}, aws+secret/key0123456789, {SIGNED}, https://ann:hunter2hunter2@host/x,"
        " Authorization: Bearer hunter2hunter2"
    )
    for error in (OutputError(text, hint=text), StageFailed("swap", OutputError(text)), RuntimeError(text)):
        answer = told(error, discretion)
        assert planted not in answer
        assert "rec1" in answer


def test_paths_of_the_machine_do_not_come_out(discretion: Discretion, tmp_path: Path) -> None:
    places = [
        tmp_path / "data of ours" / "artefacts/made/a.mp4",
        Path.home() / "x.bin",
        Path("/opt/site-packages/y.py"),
    ]
    answer = told(OutputError("; ".join(map(str, places)) + " at 25 frames/s of https://host/a/b.mp4"), discretion)
    assert not any(str(place.parent) in answer for place in places)
    assert all(place.name in answer for place in places)
    assert "25 frames/s of https://host/a/b.mp4" in answer


def test_a_fault_of_ours_tells_its_kind_alone(discretion: Discretion) -> None:
    answer = failure(error_of(KeyError("the inner workings"), "job1"), "", discretion)
    assert "inner workings" not in json.dumps(answer)
    assert answer["code"] == "error"
    assert "KeyError" in answer["message"]
    assert "job=job1" in answer["hint"]


def test_a_fault_in_the_engines_process_tells_its_kind_alone(discretion: Discretion) -> None:
    fault = Failed.of(3, ValueError("the inner workings: of something")).error()
    assert isinstance(fault, UgclabError)
    answer = told(StageFailed("swap", fault, 2), discretion)
    assert "inner workings" not in answer
    assert "ValueError" in answer


def test_a_dying_engines_last_words_are_for_the_log(discretion: Discretion) -> None:
    died = EngineCrashed('the engine\'s process died (exit code 1): Traceback File "/a/b.py", line 3, in x MemoryError')
    answer = failure(error_of(StageFailed("swap", died, 2), "job1"), "", discretion)
    assert answer["message"] == "the engine's process died (exit code 1)"
    assert (answer["stage"], answer["segment"]) == ("swap", 2)
    quiet = EngineCrashed("the engine said nothing for 5 s in swap of segment 0 and was stopped")
    assert error_of(quiet, "job1").message == quiet.message


def test_an_error_is_one_line_that_begins_with_its_code_and_the_same_as_fields(discretion: Discretion) -> None:
    error = StageFailed("analyse", FaceNotFound("segment 0 shows no face", hint="choose another", segment=0))
    assert failure(error_of(error, "job1"), "rec1", discretion) == {
        "error": "face_not_found: segment 0 shows no face. choose another",
        "code": "face_not_found",
        "message": "segment 0 shows no face",
        "hint": "choose another",
        "stage": "analyse",
        "segment": 0,
        "record_id": "rec1",
    }


def test_a_success_is_the_contracts_document(discretion: Discretion) -> None:
    output = OrderOutput(
        video_url=SIGNED,
        sha256=64 * "0",
        size_bytes=1,
        media_type="video/mp4",
        cost_usd=0.01,
        seconds=1.5,
        warnings=(f"see {Path.home()}/x",),
    )
    answer = success(output, discretion)
    assert answer["videoUrl"] == SIGNED, "whom it is for may fetch it"
    assert OrderOutput.model_validate(answer).warnings == ("see x",)
