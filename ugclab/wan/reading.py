"""Find the Wan2.2 commands in what people write them in: a command, a shell script, a notebook, a README, a Dockerfile,
a Python file. Nothing is executed.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Literal

from ugclab.errors import InputError
from ugclab.wan.launching import SCRIPTS, FoundCommand, recognise, starts_programs
from ugclab.wan.shell import Variables, split_commands

MOST_CHARACTERS = 4_000_000
"""A text above this is no document somebody wrote commands in."""

_SHELL_LANGUAGES = {"", "sh", "bash", "shell", "zsh", "console", "shell-session", "terminal", "text", "txt", "cmd"}


def find_commands(text: str, name: str = "") -> list[FoundCommand]:
    """Every Wan2.2 command of a text, in order. `name` is the file's, and decides how it is read.

    Raises InputError for a text too large to be read, or a notebook that is none.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"{name or 'the text'} is too large to look for commands in", hint="give the part with them")
    readers: dict[str, Callable[[str, str, int], Iterator[FoundCommand]]] = {
        "notebook": _notebook,
        "markdown": _markdown,
        "dockerfile": _dockerfile,
        "python": _python,
        "shell": _shell,
    }
    return list(readers[kind_of(text, name)](text, name, 1))


def commands_of(text: str) -> list[FoundCommand]:
    """The commands of a text that somebody typed or pasted: as `find_commands`, and flags alone are a command, too."""
    found = find_commands(text)
    alone = None if found else recognise(text.split())
    return [alone] if alone else found


def kind_of(text: str, name: str = "") -> Literal["notebook", "markdown", "dockerfile", "python", "shell"]:
    """How a text is read: by its file's name, else by what stands in it."""
    base = PurePosixPath(name).name.lower()
    if base.endswith(".ipynb") or (not base and text.lstrip().startswith("{") and '"cells"' in text):
        return "notebook"
    if base.endswith((".md", ".markdown", ".rst")) or base.startswith("readme") or (not base and "```" in text):
        return "markdown"
    if base.startswith(("dockerfile", "containerfile")) or base.endswith((".dockerfile", ".containerfile")):
        return "dockerfile"
    if not base and re.search(r"^\s*FROM \S+", text, re.MULTILINE) and re.search(r"^(RUN|CMD|ENTRYPOINT) ", text, re.M):
        return "dockerfile"
    return "python" if base.endswith(".py") else "shell"


def _where(name: str, line: int) -> str:
    return f"{name}:{line}" if name else f"line {line}"


def _shell(text: str, name: str, line: int, variables: Variables | None = None) -> Iterator[FoundCommand]:
    for command in split_commands(text, variables):
        if found := recognise(command.words):
            yield FoundCommand(
                found.script, found.argv, found.launcher, _where(name, line + command.line - 1), command.environment
            )


def _markdown(text: str, name: str, line: int) -> Iterator[FoundCommand]:
    """Fenced blocks by their language; outside them, lines that start with a launcher."""
    fence, language, block, started = "", "", list[str](), 0
    for number, row in enumerate(text.splitlines(), line):
        mark = re.match(r"\s*(?:[>*+-]\s+|\d+\.\s+)*(`{3,}|~{3,})\s*([\w+.-]*)", row)
        if not fence and mark:
            fence, language, block, started = mark[1], mark[2].lower(), [], number + 1
        elif fence and row.strip().startswith(fence):
            yield from _block("\n".join(block), language, name, started)
            fence = ""
        elif fence:
            block.append(row)
        else:
            yield from _loose_line(row, name, number)
    if fence:
        yield from _block("\n".join(block), language, name, started)


def _block(text: str, language: str, name: str, line: int) -> Iterator[FoundCommand]:
    if language in {"python", "py", "python3"}:
        yield from _python(text, name, line)
    elif language in {"dockerfile", "docker"}:
        yield from _dockerfile(text, name, line)
    elif language in _SHELL_LANGUAGES or any(file in text for file in SCRIPTS):
        yield from _shell(re.sub(r"^\s*[$%>] ", "", text, flags=re.MULTILINE), name, line)


def _loose_line(row: str, name: str, line: int) -> Iterator[FoundCommand]:
    for piece in [*re.findall(r"`([^`]+)`", row), re.sub(r"^\s*(?:[$%>*+-]\s+|\d+\.\s+)*", "", row)]:
        first = piece.split(maxsplit=1)[0] if piece.split() else ""
        if any(file in piece for file in SCRIPTS) and starts_programs(first):
            yield from _shell(piece, name, line)
            return


def _dockerfile(text: str, name: str, line: int) -> Iterator[FoundCommand]:
    """RUN, CMD and ENTRYPOINT in both forms; ENV and ARG are variables; CMD completes an exec ENTRYPOINT."""
    variables: Variables = {}
    entry: list[str] = []
    for number, instruction, rest in _instructions(text, line):
        if instruction in {"ENV", "ARG"}:
            for assignment in re.findall(r'(\w+)=("[^"]*"|\S+)', rest):
                variables[assignment[0]] = [assignment[1].strip('"')]
            continue
        words = _exec_form(rest)
        if words is None:
            yield from _shell(rest, name, number, dict(variables))
            continue
        words = [word for command in split_commands(_quote(words), dict(variables)) for word in command.words]
        if instruction == "ENTRYPOINT":
            entry = words
        found = recognise([*entry, *words]) if instruction == "CMD" and entry else recognise(words)
        if found and not (instruction == "ENTRYPOINT" and not found.argv):
            yield FoundCommand(found.script, found.argv, found.launcher, _where(name, number))


def _quote(words: Sequence[str]) -> str:
    """Words as double-quoted shell, so that variables in them are put in."""
    return " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`") + '"' for word in words)


def _instructions(text: str, line: int) -> Iterator[tuple[int, str, str]]:
    """Instructions with their continuation lines joined; comments between those lines are left out."""
    rows = list(enumerate(text.splitlines(), line))
    at = 0
    while at < len(rows):
        number, row = rows[at]
        at += 1
        match = re.match(r"\s*([A-Za-z]+)\s+(.*)$", row)
        if not match or match[1].upper() not in {"RUN", "CMD", "ENTRYPOINT", "ENV", "ARG"}:
            continue
        parts = [match[2]]
        while parts[-1].rstrip().endswith("\\") and at < len(rows):
            following = rows[at][1]
            at += 1
            parts.append("\\" if following.lstrip().startswith("#") else following)
        if heredoc := re.search(r"<<-?[\"']?(\w+)", parts[0]):
            parts = [""]
            while at < len(rows) and rows[at][1].strip() != heredoc[1]:
                parts.append(rows[at][1])
                at += 1
        yield number, match[1].upper(), "\n".join(parts)


def _exec_form(rest: str) -> list[str] | None:
    joined = re.sub(r"\\\n", " ", rest).strip()
    if not joined.startswith("["):
        return None
    try:
        words = json.loads(joined)
    except ValueError:
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _notebook(text: str, name: str, line: int) -> Iterator[FoundCommand]:
    try:
        cells = json.loads(text)["cells"]
        sources = [
            "".join(cell["source"]) if isinstance(cell["source"], list) else str(cell["source"])
            for cell in cells
            if cell.get("cell_type") == "code"
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{name or 'the text'} is no notebook", hint="a notebook is JSON with 'cells'") from error
    constants: dict[str, str] = {}
    for number, source in enumerate(sources, 1):
        where = f"{name} cell {number}".strip()
        magic = re.match(r"\s*%%\s*(?:script\s+)?(bash|sh|zsh)\b[^\n]*\n", source)
        found = _shell(source[magic.end() :], where, 2) if magic else _cell(source, where, constants)
        yield from found


def _cell(source: str, where: str, constants: dict[str, str]) -> Iterator[FoundCommand]:
    """A cell of Python with `!` and `%run` lines. `{name}` in them is Python's value, as IPython puts it in."""
    kept: list[str] = []
    rows = source.splitlines()
    at = 0
    while at < len(rows):
        row, number = rows[at], at + 1
        at += 1
        if not re.match(r"\s*[!%]", row):
            kept.append(row)
            continue
        kept.append(re.match(r"\s*", row)[0] + "pass")  # type: ignore[index]
        parts = [row]
        while parts[-1].rstrip().endswith("\\") and at < len(rows):
            parts.append(rows[at])
            at += 1
            kept.append("")
        constants.update(_constants("\n".join(kept)))
        line = re.sub(r"^\s*(!+|%(?:sx|system)\s)", "", "\n".join(parts))
        line = re.sub(r"(?<![${])\{(\w+)\}", r"${\1}", line)
        yield from _shell(line, where, number, {key: [value] for key, value in constants.items()})
    code = "\n".join(kept)
    constants.update(_constants(code))
    yield from _python(code, where, 1, constants)


def _constants(code: str) -> dict[str, str]:
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return {
        statement.targets[0].id: str(statement.value.value)
        for statement in body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str | int | float)
    }


def _python(code: str, name: str, line: int, constants: dict[str, str] | None = None) -> Iterator[FoundCommand]:
    """Lists of words (`subprocess.run([...])`) and strings of shell (`os.system("...")`) in Python code."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    known = {**_constants(code), **(constants or {})}
    grown = _grown_names(tree)
    for node in ast.walk(tree):
        place = _where(name, line + getattr(node, "lineno", 1) - 1)
        if isinstance(node, ast.List | ast.Tuple):
            words = [_text(item, known) for item in node.elts]
            if (
                found := recognise(words)
                if any(word.endswith(tuple(SCRIPTS)) or word == "-m" for word in words)
                else None
            ):
                more = ("${more}",) if id(node) in grown else ()
                yield FoundCommand(found.script, found.argv + more, found.launcher, place)
        elif isinstance(node, ast.Call):
            for argument in node.args:
                if isinstance(argument, ast.Constant | ast.JoinedStr):
                    text = _text(argument, known)
                    if any(file in text for file in SCRIPTS):
                        yield from (
                            FoundCommand(found.script, found.argv, found.launcher, place, found.environment)
                            for found in _shell(text, "", 1)
                        )


def _grown_names(tree: ast.AST) -> set[int]:
    """Ids of list nodes that are added to elsewhere: `a + [...]`, or a name with `+=`, `.append`, `.extend`."""
    grown, names, lists = set[int](), set[str](), dict[str, list[int]]()
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                grown |= {id(left), id(right)}
                names |= {side.id for side in (left, right) if isinstance(side, ast.Name)}
            case ast.AugAssign(target=ast.Name(id=target)):
                names.add(target)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="append" | "extend" | "insert")):
                names.add(owner)
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.List() as value):
                lists.setdefault(target, []).append(id(value))
    return grown | {node for name in names for node in lists.get(name, [])}


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    """A piece of a command in Python: constants as they are, the rest as an unresolved variable."""
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.Name(id=name) if name in constants:
            return constants[name]
        case ast.Call(func=ast.Name(id="str"), args=[argument]):
            return _text(argument, constants)
        case ast.JoinedStr(values=values):
            return "".join(_text(value, constants) for value in values)
        case ast.FormattedValue(value=value):
            return _text(value, constants)
    name = re.sub(r"\W+", "_", ast.unparse(node))[:30] or "value"
    return "${" + name + "}"
