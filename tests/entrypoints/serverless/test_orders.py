"""What is let in from outside, and under which names."""

import pytest

from ugclab.entrypoints.serverless.orders import CALLER, admitted, job_name, read_order
from ugclab.errors import ConsentError, InputError, IntakeError
from ugclab.settings import Settings

SOURCE, AVATAR = "https://files.example/a.mp4?X-Amz-Signature=feed", "https://files.example/b.jpg"
ORDER = {"source_video_url": SOURCE, "avatar_image_url": AVATAR, "consent": "own-face"}


def test_either_names_and_either_wrapper_make_the_same_order() -> None:
    short = {"video_url": SOURCE, "avatar_url": AVATAR, "consent": "own-face"}
    orders = [read_order(given) for given in (ORDER, {"input": ORDER}, short, {"input": short})]
    assert len(set(map(repr, orders))) == 1
    assert orders[0].source_video_url == SOURCE


@pytest.mark.parametrize("wrap", [False, True])
def test_an_unknown_field_is_named(wrap: bool) -> None:
    given = ORDER | {"sorce_video": "x", "options": {"crf": 18, "sharpness": 2}}
    with pytest.raises(InputError, match="'sorce_video'") as found:
        read_order({"input": given} if wrap else given)
    assert "'options.sharpness'" in found.value.message
    assert "source_video_url" in found.value.hint


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InputError, match="lacks 'avatar_image_url'"):
        read_order({"source_video_url": SOURCE})


@pytest.mark.parametrize("given", [None, "text", [1], 7])
def test_what_is_no_object_is_an_input_error(given: object) -> None:
    with pytest.raises(InputError, match="not an object"):
        read_order(given)


def test_a_fault_does_not_repeat_what_was_given() -> None:
    with pytest.raises(InputError) as found:
        read_order(ORDER | {"source_video_url": "ftp://user:secret@host/x?X-Amz-Signature=feed"})
    assert "source_video_url" in found.value.message
    assert "secret" not in str(found.value)
    assert "feed" not in str(found.value)


def test_the_request_is_a_services(settings: Settings) -> None:
    request = admitted(read_order(ORDER | {"record_id": "rec1", "priority": "high"}), settings)
    assert request.principal == CALLER
    assert request.principal.trust == "service"
    assert (request.record_id, int(request.priority)) == ("rec1", 10)


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"source_video_url": "http://127.0.0.1/a.mp4"}, IntakeError, "127.0.0.1"),
        ({"source_video_url": "https://169.254.1.1/a.mp4"}, IntakeError, "169.254.1.1"),
        ({"avatar_image_url": "s3://somebodys/b.jpg"}, IntakeError, "not open to jobs"),
        ({"avatar_image_url": "asset:" + 64 * "a"}, IntakeError, "the avatar names a file"),
        ({"webhook_url": "http://localhost/hook"}, IntakeError, "webhook"),
        ({"options": {"face": {"kind": "like"}}}, InputError, "photo_url"),
        ({"photo_url": AVATAR}, InputError, "photo_url"),
        ({"consent": ""}, ConsentError, "nobody is named"),
        ({"consent": "yes"}, ConsentError, "who agreed"),
    ],
)
def test_what_is_refused_before_anything_is_fetched(
    settings: Settings, changes: dict[str, object], kind: type[InputError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        admitted(read_order(ORDER | changes), settings)


def test_the_operator_may_vouch_for_callers_who_name_no_consent(settings: Settings) -> None:
    vouching = settings.model_copy(update={"service_consent": "ACME Ltd, 2026-11-01"})
    given = {name: value for name, value in ORDER.items() if name != "consent"}
    assert admitted(read_order(given), vouching).consent.agreed_by == "ACME Ltd"
    assert admitted(read_order(ORDER), vouching).consent.kind == "own-face"


def test_a_path_of_this_machine_cannot_come_in_by_the_options(settings: Settings) -> None:
    given = ORDER | {"options": {"face": {"kind": "largest", "photo": "/etc/hostname"}}}
    assert admitted(read_order(given), settings).options.face.photo == ""


@pytest.mark.parametrize(
    ("given", "name"),
    [("a1b2-u1", "a1b2-u1"), ("sync-0f-e1", "sync-0f-e1"), ("../../etc", None), ("", None), (None, None), (7, "7")],
)
def test_a_jobs_id_is_a_name_in_the_store(given: object, name: str | None) -> None:
    made = job_name(given)
    assert made == name if name else len(made) == 32 and made.isalnum()
    assert job_name(given) == made
