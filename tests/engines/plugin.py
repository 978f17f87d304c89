"""The entry points of the tests' engines, as an installed distribution: put its folder on sys.path."""

from pathlib import Path


def write_plugin(folder: Path) -> Path:
    """Make the folder of a distribution with the engines `tint` and `ledger`."""
    info = folder / "ugclab_tint-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ugclab-tint\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ugclab.engines]\ntint = tests.engines.tint:ENGINES\nledger = tests.engines.ledger:ENGINES\n"
    )
    return folder
