"""Check what this package knows of Wan2.2 against real checkouts of it, and measure how fast it answers.

    python benchmarks/wan_contract.py CHECKOUT [CHECKOUT ...] --out benchmarks/results/wan_contract.json

For each checkout: the flags read from the syntax tree are compared, field by field, with the parser argparse builds
when only that part of the scripts is run (in a child process, with stubs for torch and easydict); and every command of
the checkout's README, installation and user guide is judged. `--write-snapshot` renews the packaged contract from the
first checkout.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ugclab import wan
from ugclab.wan.contract import Contract, diff, snapshot
from ugclab.wan.extraction import GENERATE, PREPROCESS, read_contract
from ugclab.wan.problems import Severity

TEXTS = ("README.md", "INSTALL.md", "tests/test.sh", "wan/modules/animate/preprocess/UserGuider.md")
FIELDS = ("options", "kind", "action", "nargs", "default", "choices", "required", "help")

BUILD = r"""
import argparse, ast, importlib.util, json, sys, types

checkout, script = sys.argv[1:]

class Anything(types.ModuleType):
    def __getattr__(self, name):
        return name

class EasyDict(dict):
    def __init__(self, **values):
        super().__init__(**values)
    __setattr__ = dict.__setitem__
    __getattr__ = dict.__getitem__

sys.modules["torch"] = Anything("torch")
sys.modules["easydict"] = types.SimpleNamespace(EasyDict=EasyDict)
names = {"argparse": argparse}
if script == "generate.py":
    package = types.ModuleType("wan")
    package.__path__ = [checkout + "/wan"]
    sys.modules["wan"] = package
    configs = importlib.import_module("wan.configs")
    names |= {name: getattr(configs, name) for name in ("WAN_CONFIGS", "SIZE_CONFIGS")}
    utils = ast.parse(open(checkout + "/wan/utils/utils.py", encoding="utf-8").read())
    functions = [n for n in utils.body if isinstance(n, ast.FunctionDef) and n.name == "str2bool"]
    exec(compile(ast.Module(functions, []), "utils.py", "exec"), names)

class Built(Exception):
    pass

def stop(parser, *arguments):
    raise Built(parser)

argparse.ArgumentParser.parse_args = stop
tree = ast.parse(open(checkout + "/" + script, encoding="utf-8").read())
functions = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "_parse_args"]
exec(compile(ast.Module(functions, []), script, "exec"), names)
try:
    names["_parse_args"]()
except Built as built:
    parser = built.args[0]
kinds = {"str2bool": "bool"}
flags = []
for action in parser._actions:
    if action.dest == "help":
        continue
    switch = type(action).__name__ == "_StoreTrueAction"
    flags.append({
        "name": action.dest, "options": list(action.option_strings),
        "kind": "str" if action.type is None else kinds.get(action.type.__name__, action.type.__name__),
        "action": "store_true" if switch else "store", "nargs": None if switch else action.nargs,
        "default": action.default, "choices": None if action.choices is None else list(action.choices),
        "required": action.required, "help": action.help or "",
    })
print(json.dumps(flags))
"""
"""Run apart from this process, isolated (-I): it executes the parser part of somebody else's checkout."""


def build(checkout: Path, script: str) -> list[dict[str, Any]]:
    """The flags of the parser argparse builds."""
    command = [sys.executable, "-I", "-c", BUILD, str(checkout.resolve()), script]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def differences(contract: Contract, checkout: Path) -> list[str]:
    """Where the syntax tree's flags differ from argparse's."""
    found = []
    for name, path in (("generate", GENERATE), ("preprocess", PREPROCESS)):
        script = contract.script(name)
        if script is None:
            continue
        built = {flag["name"]: flag for flag in build(checkout, path)}
        read = {flag.name: json.loads(flag.model_dump_json()) for flag in script.flags}
        found += [f"{name}: {missing} is only on one side" for missing in built.keys() ^ read.keys()]
        if list(built) != list(read):
            found.append(f"{name}: the order differs")
        for flag in built.keys() & read.keys():
            found += [
                f"{name} --{flag} {field}: {read[flag][field]!r} read, {built[flag][field]!r} built"
                for field in FIELDS
                if read[flag][field] != built[flag][field]
            ]
    return found


def judge(contract: Contract, checkout: Path) -> dict[str, Any]:
    """What is said of every command of the checkout's own texts."""
    judged = {}
    for text in TEXTS:
        if not (checkout / text).is_file():
            continue
        content = (checkout / text).read_text(encoding="utf-8")
        commands = wan.find_commands(content, text)
        if not commands:
            continue
        problems = wan.check(content, name=text, contract=contract, base=checkout)
        told = [p for p in problems if p.severity is not Severity.NOTE]
        judged[text] = {
            "commands": len(commands),
            "notes": len(problems) - len(told),
            "problems": [f"{p.where} {p.id} {p.severity}" for p in told],
        }
    return judged


def milliseconds(call: Any, repeat: int) -> dict[str, float]:
    """Median and slowest of so many calls."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return {"median": round(statistics.median(times), 3), "slowest": round(max(times), 3), "calls": repeat}


def timings(text: str) -> dict[str, Any]:
    """How long the package takes: one command, a README, a whole process, an import."""
    text_of_one = "python generate.py --task animate-14B --ckpt_dir m --src_root_path w --refert_num 1 --replace_flag"
    one = text_of_one.split()
    environment = {**os.environ, "COLUMNS": "100"}
    cli = [sys.executable, "-m", "ugclab.entrypoints.wan_cli", "check", text_of_one]
    light = [sys.executable, "-c", "import ugclab.wan"]
    first = (
        "import sys, time; from ugclab import wan; words = sys.argv[1:]; t = time.perf_counter(); wan.check(words); "
        "print((time.perf_counter() - t) * 1000)"
    )
    cold = [
        float(subprocess.run([sys.executable, "-c", first, *one], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    return {
        "check_one_command_ms": milliseconds(lambda: wan.check(one), 200),
        "check_first_in_a_process_ms": {
            "median": round(statistics.median(cold), 3),
            "slowest": round(max(cold), 3),
            "calls": 5,
        },
        "check_readme_ms": milliseconds(lambda: wan.check(text, name="README.md"), 20),
        "cli_process_ms": milliseconds(
            lambda: subprocess.run(cli, capture_output=True, env=environment, check=False), 10
        ),
        "import_process_ms": milliseconds(lambda: subprocess.run(light, capture_output=True, check=True), 10),
    }


def machine() -> dict[str, str | int | float | None]:
    """What the figures were measured on."""
    model = ""
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkouts", nargs="+", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write-snapshot", action="store_true")
    options = parser.parse_args()
    if options.write_snapshot:
        found = read_contract(options.checkouts[0])
        Path("ugclab/wan/data/contract.json").write_text(found.model_dump_json(indent=1, exclude_defaults=True) + "\n")
        snapshot.cache_clear()
    results: dict[str, Any] = {"schema_version": 1, "machine": machine(), "checkouts": []}
    for checkout in options.checkouts:
        contract = read_contract(checkout)
        result = {
            "commit": contract.commit,
            "flags": {
                name: len(script.flags) if (script := contract.script(name)) else 0
                for name in ("generate", "preprocess")
            },
            "differences_from_argparse": differences(contract, checkout),
            "changes_from_snapshot": len(diff(snapshot(), contract)),
            "texts": judge(contract, checkout),
        }
        results["checkouts"].append(result)
        print(json.dumps(result, indent=1))
    results["timings"] = timings((options.checkouts[0] / "README.md").read_text(encoding="utf-8"))
    print(json.dumps(results["timings"], indent=1))
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if any(result["differences_from_argparse"] for result in results["checkouts"]):
        sys.exit("the contract differs from what argparse builds")


if __name__ == "__main__":
    main()
