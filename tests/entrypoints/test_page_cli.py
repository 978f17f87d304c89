"""`ugclab app` and `ugclab account`."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from ugclab.entrypoints import page_cli, ui
from ugclab.entrypoints.cli import main
from ugclab.entrypoints.ui.identity import read_accounts, verify_password
from ugclab.settings import Settings


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return int(left.value.code or 0)


def test_an_account_is_a_line_that_lets_one_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
    assert run("account", "ada@example.org") == 0
    line = capsys.readouterr().out
    assert "correct horse" not in line
    file = tmp_path / "accounts"
    file.write_text("# who may come in\n\n" + line)
    assert verify_password("correct horse", read_accounts(file)["ada@example.org"])
    assert not verify_password("correct horse ", read_accounts(file)["ada@example.org"])


@pytest.mark.parametrize(("name", "typed"), [("ada", "short"), ("a/b", "correct horse"), (".ada", "correct horse")])
def test_a_short_password_and_a_bad_name_are_refused(name: str, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed + "\n"))
    assert run("account", name) == 10


def test_a_password_is_asked_for_twice_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    typed = iter(["correct horse", "correct horse", "correct horse", "another horse"])
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(page_cli.getpass, "getpass", lambda prompt: next(typed))
    assert run("account", "ada") == 0
    assert capsys.readouterr().out.startswith("ada:scrypt:")
    assert run("account", "ada") == 10


def test_the_page_listens_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Settings] = []

    class Page:
        def launch(self) -> None:
            pass

    def build(settings: Settings) -> Any:
        opened.append(settings)
        return Page()

    monkeypatch.setattr(ui, "build_app", build)
    assert run("app", "--host", "0.0.0.0", "--port", "7999") == 0  # noqa: S104
    assert run("app") == 0
    assert [(s.host, s.port) for s in opened] == [("0.0.0.0", 7999), ("127.0.0.1", 7860)]  # noqa: S104
