"""Name every way a request or a job can end badly.

    FilmgateError
    ├── StorageUnavailable
    │   └── StorageFull
    └── MediaUnreadable
"""


class FilmgateError(Exception):
    """Base of everything filmgate raises on purpose."""


class StorageUnavailable(FilmgateError):
    """The asset store cannot be read or written now."""


class StorageFull(StorageUnavailable):
    """The asset store has no room left."""


class MediaUnreadable(FilmgateError):
    """The file is not a video that can be played to its end."""
