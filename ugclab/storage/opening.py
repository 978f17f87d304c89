"""Which store an installation has: S3 where a bucket is set, a local folder otherwise. Same paths, same code."""

from ugclab.settings import Settings
from ugclab.storage.local import LocalStore
from ugclab.storage.store import Store


def open_store(settings: Settings) -> Store:
    """Make the store the settings name; nothing is asked of it yet. Raises StoreError for credentials that cannot be.

    A missing bucket or wrong credentials show with the first use.
    """
    if not settings.s3_bucket:
        return LocalStore(settings.store_dir)
    from ugclab.storage.s3 import S3Store

    return S3Store(
        settings.s3_bucket,
        settings.s3_prefix,
        encryption=settings.s3_encryption,
        kms_key=settings.s3_kms_key,
        direct=settings.s3_direct,
    )
