"""How a result is given out: a stable link that can be revoked, never a signature that dies within a week."""

import secrets

import sqlalchemy as sa

from ugclab.errors import JobNotFound
from ugclab.jobs.database import Database
from ugclab.jobs.schema import jobs
from ugclab.schema.media import Asset
from ugclab.settings import Settings
from ugclab.storage.store import Store

SIGNED_S = 3600
"""How long the address behind a stable link works, once it was asked for."""


class Links:
    """Makes links to results and reads them again."""

    def __init__(self, settings: Settings, database: Database, store: Store) -> None:
        self._settings = settings
        self._database = database
        self._store = store

    def template(self, key: str) -> str:
        """The address of an object that is about to be published, `{token}` where its token goes; empty if none.

        The HTTP server's own link where there is one, else the operator's public prefix. Without either a result has
        no address that lasts.
        """
        if self._settings.public_url:
            return f"{self._settings.public_url.rstrip('/')}/r/{{token}}"
        if self._settings.public_prefix:
            return f"{self._settings.public_prefix.rstrip('/')}/{key}"
        return ""

    def output(self, job_id: str) -> str:
        """The stable link of a finished job; empty where the operator set up none."""
        with self._database.reading() as connection:
            row = connection.execute(
                sa.select(jobs.c.token, jobs.c.output).where(jobs.c.job_id == job_id)
            ).one_or_none()
        if row is None or not row.output:
            return ""
        return self.template(Asset.model_validate_json(row.output).key).replace("{token}", row.token)

    def token(self, job_id: str) -> str:
        """What opens the result of a finished job; empty where it has none, or its link was revoked."""
        with self._database.reading() as connection:
            return connection.execute(sa.select(jobs.c.token).where(jobs.c.job_id == job_id)).scalar() or ""

    def renew(self, job_id: str) -> str:
        """A new token for a finished job: the link before it leads nowhere then."""
        token = secrets.token_urlsafe(24)
        with self._database.transaction() as connection:
            connection.execute(jobs.update().where(jobs.c.job_id == job_id, jobs.c.output != "").values(token=token))
        return self.token(job_id)

    def resolve(self, token: str) -> Asset:
        """The result behind a stable link. Raises JobNotFound for one that never was or was revoked."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(jobs.c.output).where(jobs.c.token == token, jobs.c.token != "")).first()
        if row is None or not row.output:
            raise JobNotFound("this link leads nowhere", hint="its video was deleted, or the link was revoked")
        return Asset.model_validate_json(row.output)

    def signed(self, asset: Asset) -> str | None:
        """A fresh presigned address; None for a local store, whose bytes the server sends itself."""
        return self._store.url(asset.key, SIGNED_S, download_name=asset.name)

    def revoke(self, job_id: str) -> None:
        """Make the job's link lead nowhere; the result stays."""
        with self._database.transaction() as connection:
            connection.execute(jobs.update().where(jobs.c.job_id == job_id).values(token=""))
