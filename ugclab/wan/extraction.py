"""Read the contract of a checkout from its syntax trees. Nothing of the checkout is imported or run.

Importing would need CUDA (`wan/modules/t5.py` calls `torch.cuda.current_device()` in a default argument) and some
twenty packages, and would run whatever a stranger's checkout holds.
"""

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ugclab.errors import InputError
from ugclab.wan.contract import Contract, Flag, Rule, Script, Task

GENERATE = "generate.py"
PREPROCESS = "wan/modules/animate/preprocess/preprocess_data.py"
ANIMATE = "wan/animate.py"
CONFIGS = "wan/configs/__init__.py"
TASK_DEFAULTS = ("sample_steps", "sample_shift", "sample_guide_scale", "frame_num", "sample_fps", "num_heads")
"""Fields of a task's configuration that decide what a command means."""


def read_contract(checkout: Path) -> Contract:
    """Read both parsers, their later asserts and the tasks of a checkout. Raises InputError where it cannot."""
    if not (checkout / GENERATE).is_file():
        raise InputError(f"{checkout} is no checkout of Wan2.2", hint=f"give the folder that holds {GENERATE}")
    names = _module_literals(checkout / CONFIGS) if (checkout / CONFIGS).is_file() else {}
    generate = _script(checkout, GENERATE, names)
    preprocess = _script(checkout, PREPROCESS, {}) if (checkout / PREPROCESS).is_file() else None
    if (checkout / ANIMATE).is_file():
        generate = generate.model_copy(update={"rules": (*generate.rules, *_animate_rules(checkout))})
    return Contract(
        commit=_commit(checkout), generate=generate, preprocess=preprocess, tasks=tuple(_tasks(checkout, names))
    )


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as Python: {error}") from error


def _script(checkout: Path, path: str, names: Mapping[str, Any]) -> Script:
    tree = _parse(checkout / path)
    flags = tuple(_flags(tree, names, path))
    if not flags:
        raise InputError(f"no parser was found in {path}", hint="its add_argument calls must stand in the file itself")
    rules = tuple(_rules(tree, path, {f"args.{flag.name}": flag.name for flag in flags}))
    digest = hashlib.sha256((checkout / path).read_bytes()).hexdigest()
    return Script(path=path, sha256=digest, flags=flags, rules=rules)


def _flags(tree: ast.Module, names: Mapping[str, Any], path: str) -> Iterator[Flag]:
    calls = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument"
    )
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        try:
            yield _flag(call, names)
        except _NotLiteral as error:
            raise InputError(f"{path}:{call.lineno} builds a flag from what only running it would tell: {error}")  # noqa: B904


def _flag(call: ast.Call, names: Mapping[str, Any]) -> Flag:
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    words = tuple(str(_literal(argument, names)) for argument in call.args)
    options = tuple(word for word in words if word.startswith("-"))
    action = str(_literal(given["action"], names)) if "action" in given else "store"
    longest = next((option for option in options if option.startswith("--")), words[0])
    name = str(_literal(given["dest"], names)) if "dest" in given else longest.lstrip("-").replace("-", "_")
    default = _literal(given["default"], names) if "default" in given else None
    if action in {"store_true", "store_false"} and "default" not in given:
        default = action == "store_false"
    choices = _literal(given["choices"], names) if "choices" in given else None
    return Flag(
        name=name,
        options=options,
        kind=_kind(given.get("type")),
        action=action if action in {"store", "store_true", "store_false"} else "other",
        nargs=_literal(given["nargs"], names) if "nargs" in given else None,
        default=default,
        choices=None if choices is None else tuple(choices),
        required=bool(_literal(given["required"], names)) if "required" in given else False,
        help=str(_literal(given["help"], names)) if "help" in given else "",
        line=call.lineno,
    )


def _kind(node: ast.expr | None) -> Any:
    """The type of one value. The official str2bool is known by name; another callable is 'other', never judged."""
    if node is None:
        return "str"
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return {"str": "str", "int": "int", "float": "float", "str2bool": "bool"}.get(name, "other")


class _NotLiteral(Exception):
    """An expression whose value cannot be known without running the code."""


def _literal(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Evaluate constants, containers, arithmetic of them, known names, and `list(X.keys())`."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            return [_literal(item, names) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_literal(k, names): _opaque(v, names) for k, v in zip(keys, values, strict=True) if k is not None}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_literal(operand, names)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Add() as operator, right=right):
            a, b = _literal(left, names), _literal(right, names)
            return a * b if isinstance(operator, ast.Mult) else a + b
        case ast.Call(func=ast.Name(id="list" | "tuple" | "sorted" as function), args=[argument]):
            values = list(_literal(argument, names))
            return sorted(values) if function == "sorted" else values
        case ast.Call(func=ast.Attribute(value=owner, attr="keys"), args=[]):
            return list(_literal(owner, names))
    raise _NotLiteral(ast.unparse(node)[:80])


def _opaque(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """A value, or the name of what is not a literal: WAN_CONFIGS maps tasks to imported objects."""
    try:
        return _literal(node, names)
    except _NotLiteral:
        return ast.unparse(node)


def _module_literals(path: Path) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for statement in _parse(path).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            try:
                names[statement.targets[0].id] = _literal(statement.value, names)
            except _NotLiteral:
                continue
    return names


def _tasks(checkout: Path, names: Mapping[str, Any]) -> Iterator[Task]:
    configs, sizes = names.get("WAN_CONFIGS", {}), names.get("SUPPORTED_SIZES", {})
    if not isinstance(configs, dict):
        return
    values = _config_values(checkout / "wan/configs")
    for task, variable in configs.items():
        found = values.get(str(variable), {})
        defaults = {key: found[key] for key in TASK_DEFAULTS if key in found}
        yield Task(name=task, sizes=tuple(sizes.get(task, ())), defaults=defaults)


def _config_values(folder: Path) -> dict[str, dict[str, Any]]:
    """`variable -> attribute -> value` of every configuration file, `update(other)` followed."""
    values: dict[str, dict[str, Any]] = {}
    # The shared configuration first: the others start from it.
    for path in sorted(folder.glob("*.py"), key=lambda p: (p.name != "shared_config.py", p.name)):
        for statement in _parse(path).body:
            match statement:
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=owner), attr=attribute)], value=value):
                    try:
                        values.setdefault(owner, {})[attribute] = _literal(value, {})
                    except _NotLiteral:
                        continue
                case ast.Expr(
                    value=ast.Call(
                        func=ast.Attribute(value=ast.Name(id=owner), attr="update"), args=[ast.Name(id=other)]
                    )
                ):
                    values.setdefault(owner, {}).update(values.get(other, {}))
    return values


def _rules(tree: ast.AST, path: str, subjects: Mapping[str, str]) -> Iterator[Rule]:
    """Asserts that speak of the given expressions (`args.x` -> flag x), in the order of their lines."""
    asserts = (node for node in ast.walk(tree) if isinstance(node, ast.Assert))
    for node in sorted(asserts, key=lambda n: n.lineno):
        condition = ast.unparse(node.test)
        flags = tuple(dict.fromkeys(flag for text, flag in subjects.items() if _mentions(condition, text)))
        if flags:
            yield Rule(flags=flags, condition=condition.replace("args.", ""), where=f"{path}:{node.lineno}")


def _mentions(condition: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(text)}(?!\w)", condition) is not None


def _animate_rules(checkout: Path) -> tuple[Rule, ...]:
    """Asserts of the pipeline's generate(), with its parameters named by the flags that fill them."""
    call = next(
        (
            node
            for node in ast.walk(_parse(checkout / GENERATE))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "wan_animate.generate"
        ),
        None,
    )
    if call is None:
        return ()
    parameters = {
        keyword.arg: keyword.value.attr
        for keyword in call.keywords
        if keyword.arg and isinstance(keyword.value, ast.Attribute)
    }
    functions = (
        node
        for node in ast.walk(_parse(checkout / ANIMATE))
        if isinstance(node, ast.FunctionDef) and node.name == "generate"
    )
    return tuple(rule for function in functions for rule in _rules(function, ANIMATE, parameters))


def _commit(checkout: Path) -> str:
    """The commit of a git checkout, read from its files; empty where there is none."""
    git = checkout / ".git"
    try:
        if git.is_file():  # a worktree: the file names its folder, which names the repository's
            git = checkout / git.read_text().strip().removeprefix("gitdir: ")
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        reference = head.removeprefix("ref: ")
        common = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
        if (common / reference).is_file():
            return (common / reference).read_text().strip()
        for line in (common / "packed-refs").read_text().splitlines():
            if line.endswith(f" {reference}"):
                return line.split()[0]
    except OSError:
        pass
    return ""
