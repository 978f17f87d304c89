"""Arguments are read as argparse reads them: it refuses exactly what we refuse, and values are the same."""

import argparse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugclab.wan.arguments import read_arguments
from ugclab.wan.contract import Flag, Script, snapshot

GENERATE = snapshot().generate
assert snapshot().preprocess is not None
PREPROCESS: Script = snapshot().preprocess  # type: ignore[assignment]


class Refused(Exception):
    pass


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise Refused(message)


def boolean(text: str) -> bool:
    if text.lower() in {"yes", "true", "t", "y", "1"}:
        return True
    if text.lower() in {"no", "false", "f", "n", "0"}:
        return False
    raise argparse.ArgumentTypeError("boolean")


def parser_of(script: Script) -> Parser:
    parser = Parser(add_help=False)
    parser.add_argument("-h", "--help", action="store_true")  # the real one prints and exits: not a refusal
    for flag in script.flags:
        parser.add_argument(*flag.options, **_keywords(flag))
    return parser


def _keywords(flag: Flag) -> dict[str, Any]:
    if flag.switch:
        return {"action": flag.action, "default": flag.default}
    kinds = {"str": str, "int": int, "float": float, "bool": boolean}
    return {"type": kinds[flag.kind], "nargs": flag.nargs, "default": flag.default, "choices": flag.choices}


OPTIONS = [option for script in (GENERATE, PREPROCESS) for flag in script.flags for option in flag.options]
WORDS = st.one_of(
    st.sampled_from(OPTIONS),
    st.sampled_from(OPTIONS).flatmap(lambda o: st.integers(3, len(o)).map(lambda n: o[:n])),
    st.sampled_from(
        ["1", "-1", "77", "1.5", "-0.5", "True", "no", "1280*720", "x", "-", "-x", "-h", "--h", "", "a b", "-a b"]
    ),
    st.tuples(st.sampled_from(OPTIONS), st.sampled_from(["1", "", "True", "x", "-1"])).map("=".join),
    st.text(st.characters(exclude_characters="$", codec="ascii"), max_size=6),
).filter(lambda word: word != "--" and "$" not in word)


@given(st.sampled_from(["generate", "preprocess"]), st.lists(WORDS, max_size=8))
def test_refusals_and_values_are_argparses(name: str, words: list[str]) -> None:
    script = GENERATE if name == "generate" else PREPROCESS
    read = read_arguments(script, words)
    values = by_argparse(script, words)
    assert (values is None) == bool(read.refusals), (words, read.refusals)
    if values is not None:
        assert {key: value for key, value in read.values.items() if key != "help"} == values


def by_argparse(script: Script, words: list[str]) -> dict[str, Any] | None:
    """The values argparse reads; None where it refuses."""
    try:
        values = vars(parser_of(script).parse_args(words))
    except Refused:
        return None
    del values["help"]
    return values


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--refert", "5"], ("refert_num", 5)),
        (["--src_root", "w"], ("src_root_path", "w")),
        (["--offload_model=n"], ("offload_model", False)),
        (["--base_seed", "-1"], ("base_seed", -1)),
        (["--sample_shift", "5"], ("sample_shift", 5.0)),
        (["--frame_num", "77", "--frame_num", "81"], ("frame_num", 81)),
    ],
)
def test_values(words: list[str], value: tuple[str, Any]) -> None:
    read = read_arguments(GENERATE, words)
    assert not read.refusals
    assert read.values[value[0]] == value[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--seed", "4"], "--base_seed"),
        (["--src_root_dir", "w"], "--src_root_path"),
        (["--replace-flag"], "--replace_flag"),
        (["--size", "1280x720"], "did you mean 1280*720"),
        (["--task", "animate"], "did you mean animate-14B"),
        (["--replace_flag", "True"], "write --replace_flag alone"),
    ],
)
def test_refusals_say_what_was_probably_meant(words: list[str], text: str) -> None:
    (refusal,) = read_arguments(GENERATE, words).refusals
    assert text in refusal.finding.fix


def test_every_refusal_is_told_not_only_the_first() -> None:
    read = read_arguments(GENERATE, ["--sample_s", "3", "--nope", "--frame_num", "x", "--task", "y", "--save_file"])
    assert [refusal.id for refusal in read.refusals] == ["A5", "A1", "A3", "A2", "A4"]


@pytest.mark.parametrize(
    ("word", "text"),
    [(" ", "last character"), ("\u2013\u2013replace_flag", "write --replace_flag"), ("\u2014task", "write --task")],
)
def test_words_that_copying_spoils(word: str, text: str) -> None:
    (refusal,) = read_arguments(GENERATE, ["--replace_flag", "--save_file", "r.mp4", word]).refusals
    assert text in refusal.finding.fix


def test_unresolved_words() -> None:
    read = read_arguments(GENERATE, ["--frame_num", "$N", "--ckpt_dir", "${D}/x"])
    assert (read.unresolved, read.open, read.refusals) == ({"frame_num", "ckpt_dir"}, False, ())
    assert read_arguments(GENERATE, ["--replace_flag", "$MORE"]).open


def test_double_dash_ends_the_flags() -> None:
    assert [r.id for r in read_arguments(GENERATE, ["--", "--replace_flag"]).refusals] == ["A6"]
