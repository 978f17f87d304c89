"""What an operator may set: the only reader of the environment (`UGCLAB_…`).

Entrypoints make one `Settings` and pass what is needed down; nothing below them reads the environment.
"""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Each field is read from `UGCLAB_<FIELD>`; the default stands otherwise."""

    model_config = SettingsConfigDict(env_prefix="UGCLAB_", frozen=True, extra="ignore")

    data_dir: Path = Field(Path("~/.local/share/ugclab"), description="where artefacts and results live")
    cache_dir: Path = Field(Path("~/.cache/ugclab"), description="where model files live")
    artefact_cap_mb: int = Field(4096, ge=0, description="artefacts above this are evicted, least recently used first")
    commercial_only: bool = Field(False, description="refuse engines whose licences are not cleared for commercial use")
    usd_per_hour: float = Field(0.0, ge=0, description="what an hour of this machine costs: the price in reports")
    offline: bool = Field(False, description="never fetch a model file; use what is cached")
    weights_mirror: str = Field(
        "",
        description="folder or URL of model files (or a folder with the wheel they lie in), tried before the sources",
    )

    @property
    def weights_dir(self) -> Path:
        """Folder of verified model files, one sub-folder a catalogue entry."""
        return self.cache_dir.expanduser() / "weights"

    @property
    def artefacts_dir(self) -> Path:
        """Folder of finished segments and analyses, by their key."""
        return self.data_dir.expanduser() / "artefacts"
