"""What a Python environment holds, read from its folders. Its Python is never started."""

import importlib.metadata
import re
import subprocess
from pathlib import Path

from ugclab.errors import InputError
from ugclab.schema.base import Frozen


class Environment(Frozen):
    """Installed distributions with their versions, and the folders modules are imported from."""

    distributions: dict[str, str]
    folders: tuple[Path, ...]

    def version(self, name: str) -> str | None:
        """The version of a distribution; None where it is not installed."""
        return self.distributions.get(_normal(name))

    def has(self, distribution: str, module: str = "") -> bool:
        """Whether a distribution is installed, or its module lies in the environment without one."""
        return self.version(distribution) is not None or self.find(module or distribution) is not None

    def find(self, path: str) -> Path | None:
        """A module (`sam2`, `flash_attn_interface`) or a file in one (`sam2/sam2_hiera_l.yaml`)."""
        for folder in self.folders:
            for candidate in (folder / path, folder / f"{path}.py"):
                if candidate.exists():
                    return candidate
        return None


def read_environment(path: Path) -> Environment:
    """Read a virtual environment, a conda environment, or the one of a python executable. Raises InputError."""
    root = path.parent.parent if path.is_file() else path
    folders = sorted({*root.glob("lib/python3*/site-packages"), *root.glob("Lib/site-packages")})
    if not folders and path.name == "site-packages":
        folders = [path]
    if not folders:
        raise InputError(f"{path} is no Python environment", hint="give its folder or its python executable")
    found: dict[str, str] = {}
    editable: list[Path] = []
    for distribution in importlib.metadata.distributions(path=[str(folder) for folder in folders]):
        name = _normal(distribution.metadata["Name"] or "")
        found[name] = distribution.version or ""
        source = re.search(r'"url":\s*"file://([^"]+)"', distribution.read_text("direct_url.json") or "")
        if source and '"editable": true' in (distribution.read_text("direct_url.json") or ""):
            editable.append(Path(source[1]))
    for folder in list(folders):
        for link in folder.glob("*.pth"):
            lines = (line.strip() for line in link.read_text(errors="replace").splitlines())
            folders += [Path(line) for line in lines if line and not line.startswith("import") and Path(line).is_dir()]
    return Environment(distributions=found, folders=(*folders, *editable))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def version_tuple(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparing: '0.18.1rc1' -> (0, 18, 1)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def detect_gpu() -> tuple[str, int] | None:
    """Name and memory in MiB of the first GPU, as nvidia-smi says; None where there is none."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        name, _, memory = output.splitlines()[0].rpartition(",")
        return name.strip(), int(memory)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
