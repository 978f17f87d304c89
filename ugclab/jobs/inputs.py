"""What somebody has brought for jobs not submitted yet: found again by its hash, swept when no job came."""

import sqlalchemy as sa

from ugclab.errors import JobNotFound, LimitReached
from ugclab.jobs.database import Database
from ugclab.jobs.schema import inputs
from ugclab.schema.media import Asset
from ugclab.settings import Settings

KEPT_S = 86_400.0
"""How long a draft may lie about: what no job uses after that is deleted."""
_DAY_S = 86_400.0


class Inputs:
    """The table of inputs."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def check(self, user: str) -> None:
        """Raise LimitReached for somebody who has brought too many files today."""
        since = self._database.now() - _DAY_S
        with self._database.reading() as connection:
            count = connection.execute(
                sa.select(sa.func.count()).select_from(inputs).where(inputs.c.user == user, inputs.c.at > since)
            ).scalar_one()
        if count >= self._settings.max_uploads_per_day:
            raise LimitReached(
                f"{count} files were brought in 24 hours, {self._settings.max_uploads_per_day} are allowed",
                hint="use those, or come back tomorrow",
            )

    def keep(self, user: str, project: str, asset: Asset) -> None:
        """Remember an asset of a project; brought again, it is young again."""
        key = {"user": user, "project": project, "sha256": asset.sha256}
        values = {"asset": asset.model_dump_json(), "at": self._database.now()}
        with self._database.transaction() as connection:
            here = [inputs.c[name] == value for name, value in key.items()]
            if connection.execute(inputs.update().where(*here).values(**values)).rowcount == 0:
                connection.execute(inputs.insert().values(**key, **values))

    def find(self, user: str, project: str, sha256: str) -> Asset:
        """An asset by its hash. Raises JobNotFound."""
        where = [inputs.c.user == user, inputs.c.project == project, inputs.c.sha256 == sha256]
        with self._database.reading() as connection:
            text = connection.execute(sa.select(inputs.c.asset).where(*where)).scalar_one_or_none()
        if text is None:
            raise JobNotFound("this file is no longer here", hint="bring it again")
        return Asset.model_validate_json(text)

    @staticmethod
    def forget(connection: sa.Connection, user: str, project: str, keys: set[str] | None = None) -> None:
        """Forget a user's inputs, of one project or of all, of these keys or of all."""
        where = [inputs.c.user == user] + ([inputs.c.project == project] if project else [])
        if keys is None:
            connection.execute(inputs.delete().where(*where))
            return
        for row in connection.execute(sa.select(inputs).where(*where)).all():
            if Asset.model_validate_json(row.asset).key in keys:
                connection.execute(inputs.delete().where(*where, inputs.c.sha256 == row.sha256))

    def old(self) -> list[tuple[str, str, Asset]]:
        """What has lain about for too long, as (user, project, asset)."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(inputs).where(inputs.c.at < self._database.now() - KEPT_S)).all()
        return [(r.user, r.project, Asset.model_validate_json(r.asset)) for r in rows]
