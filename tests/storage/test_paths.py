"""Keys of users, projects and jobs: no name leaves its folder, no prefix reaches a neighbour."""

import re
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugclab.errors import InputError
from ugclab.storage import paths
from ugclab.storage.store import checked_folder, checked_key

NAMES = st.from_regex(r"[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,63}", fullmatch=True)
HASH = "ab" * 32


def test_where_things_lie() -> None:
    assert paths.user_prefix("ann") == "users/ann/"
    assert paths.project_prefix("ann", "ad") == "users/ann/projects/ad/"
    assert paths.folder("ann", "ad", "clips") == "users/ann/projects/ad/clips"
    assert paths.asset("ann", "ad", HASH, ".mp4") == f"users/ann/projects/ad/source/{HASH}.mp4"
    assert paths.asset("ann", "ad", HASH, ".wav", kind="audio") == f"users/ann/projects/ad/audio/{HASH}.wav"
    assert paths.render("ann", "ad", "01J") == "users/ann/projects/ad/renders/01J.mp4"
    assert paths.contact_sheet("ann", "ad", "01J") == "users/ann/projects/ad/thumbnails/01J.png"
    assert paths.consent("ann", "ad", "01J") == "users/ann/projects/ad/metadata/01J/consent.json"
    assert paths.report("ann", "ad", "01J") == "users/ann/projects/ad/metadata/01J/report.json"


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "a/b", "/a", "a/", "..\\a", "a\n", "a\0", "a b", "ä", "*", "a" * 65, "%2e%2e", "ａ"]
)
def test_what_is_no_name_becomes_no_folder(name: str) -> None:
    asked: list[Callable[[], object]] = [
        lambda: paths.user_prefix(name),
        lambda: paths.project_prefix("ann", name),
        lambda: paths.render("ann", "ad", name),
        lambda: paths.contact_sheet("ann", "ad", name),
        lambda: paths.consent("ann", "ad", name),
        lambda: paths.report(name, "ad", "01J"),
    ]
    for ask in asked:
        with pytest.raises(InputError):
            ask()


@pytest.mark.parametrize(("sha256", "suffix"), [("..", ""), (HASH.upper(), ""), (HASH, "/x"), (HASH, "mp4"), ("", "")])
def test_an_asset_has_a_hash_and_a_suffix(sha256: str, suffix: str) -> None:
    with pytest.raises(InputError):
        paths.asset("ann", "ad", sha256, suffix)
    with pytest.raises(InputError):
        paths.render("ann", "ad", "01J", "/../x")


@given(NAMES, NAMES, NAMES)
def test_no_name_leaves_its_prefix(user: str, project: str, job: str) -> None:
    prefix = paths.project_prefix(user, project)
    assert prefix.startswith(paths.user_prefix(user))
    assert str(checked_folder(prefix)) + "/" == prefix
    for key in (*paths.of_job(user, project, job), paths.asset(user, project, HASH, ".mp4")):
        assert key.startswith(prefix)
        assert len(checked_key(key).parts) in (6, 7)
    assert all(paths.folder(user, project, kind).startswith(prefix) for kind in get_args(paths.Kind))


@given(st.text(max_size=70), NAMES)
def test_whatever_a_user_is_called(text: str, project: str) -> None:
    try:
        key = paths.render(text, project, "01J")
    except InputError:
        return
    assert re.fullmatch(r"users/[^/.][^/]*/projects/[^/]+/renders/01J\.mp4", key)


@given(NAMES, NAMES)
def test_no_users_prefix_reaches_anothers(one: str, other: str) -> None:
    assert one == other or not paths.user_prefix(other).startswith(paths.user_prefix(one))
    assert one == other or not paths.project_prefix("a", other).startswith(paths.project_prefix("a", one))


def test_suffixes_and_types_are_one_table() -> None:
    assert paths.suffix_of("video/mp4") == ".mp4"
    assert paths.suffix_of("application/x-unknown") == ""
    assert paths.media_type_of("a/b.MOV") == "video/quicktime"
    assert paths.media_type_of("a.mp4/b") == "application/octet-stream"
