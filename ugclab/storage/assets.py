"""Assets: what came in, hashed once, and a copy of it on this machine's disk when work begins."""

from pathlib import Path

from ugclab.errors import MediaError, StoreCorrupt
from ugclab.schema.media import Asset, MediaInfo
from ugclab.storage import paths
from ugclab.storage.artefacts import Artefacts
from ugclab.storage.local import LocalStore
from ugclab.storage.store import Store, check_digest


def stage(
    store: Store,
    path: Path,
    *,
    user: str,
    project: str,
    media_type: str,
    info: MediaInfo | None = None,
    name: str = "",
    kind: paths.Kind = "source",
) -> Asset:
    """Copy a file into a project, under its hash: whole or absent, and once for the same bytes.

    `name` is what a person calls it; the file's own otherwise. The key's suffix follows from the media type. Raises
    InputError for a user or project that is no name, MediaError for an empty file, and what `Store.put_file` raises.
    """
    called = "".join(c for c in Path(name or path.name).name if c.isprintable())[:200]
    if path.stat().st_size == 0:
        raise MediaError(f"{called} is empty", hint="choose another file")
    folder = paths.folder(user, project, kind)
    stored = store.put_content(folder, path, suffix=paths.suffix_of(media_type))
    return Asset(
        key=stored.key,
        name=called,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        media_type=media_type,
        info=info,
    )


def local_copy(store: Store, asset: Asset, artefacts: Artefacts) -> Path:
    """The asset as a file of this machine, its bytes checked.

    A local store's own file, or a download kept as an artefact: it is in use until the `with` block of `artefacts`
    ends, and counts towards their cap. Raises StoreCorrupt where it is gone or has other bytes.
    """
    try:
        if isinstance(store, LocalStore):
            check_digest(asset.name, store.stat(asset.key).sha256, asset.sha256)
            return store.path(asset.key)
        if kept := artefacts.find("source", asset.sha256):
            return kept.folder / str(kept.result["file"])
        work = artefacts.workspace()
        name = f"source{paths.suffix_of(asset.media_type)}"
        store.get_file(asset.key, work / name, sha256=asset.sha256)
    except KeyError as error:
        raise StoreCorrupt(f"{asset.name} is no longer in the store", hint="submit it again") from error
    return artefacts.keep("source", asset.sha256, work, {"file": name}).folder / name
