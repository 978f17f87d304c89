"""docs/wan22.md: the traps table is the rules', and what it shows runs."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ugclab.entrypoints.wan_cli import app
from ugclab.wan.checks.catalogue import markdown, rows

PAGE = Path(__file__).parents[2] / "docs" / "wan22.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = [
    line.removeprefix("ugclab wan ")
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("ugclab wan ")
]


def test_the_table_is_made_from_the_rules() -> None:
    table = TEXT.partition("<!-- traps -->\n")[2].partition("\n<!-- /traps -->")[0]
    assert table == markdown(), "renew it: ugclab wan traps --markdown"


def test_every_rule_has_a_sentence_and_a_source() -> None:
    for row in rows():
        assert row.summary.endswith("."), row
        assert row.source, row


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, shlex.split(example))
    assert result.exit_code in {0, 4}, result.output
    assert result.exit_code == 0 or "T1" in result.output


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {})  # noqa: S102
    assert "T1 error" in capsys.readouterr().out
