"""Put together what carries batches through that were asked for as files."""

from collections.abc import Callable

from filmgate.api.application import Services
from filmgate.api.openai.lines import VideoLines
from filmgate.domain.asset import AssetStore
from filmgate.infrastructure.database import Database
from filmgate.repositories.batches import BatchRepository
from filmgate.repositories.file_batch_endings import FileBatchEndings
from filmgate.repositories.file_batches import FileBatchRepository
from filmgate.repositories.files import FileRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.acceptance import Acceptance
from filmgate.services.file_batches import FileBatchSteps
from filmgate.services.finishing import FinishingService
from filmgate.services.validating import ValidatingService


def file_batches_on(database: Database) -> FileBatchRepository:
    """Return the repository of batches that were asked for as files."""
    return FileBatchRepository(database, BatchRepository(database, VideoRepository(database)))


def file_batch_steps(
    database: Database,
    services: Services,
    acceptance: Acceptance,
    store: AssetStore,
    wake: Callable[[], None],
) -> FileBatchSteps:
    """Return what a worker does for batches that were asked for as files."""
    batches, face = file_batches_on(database), VideoLines(services.sora)
    endings = FileBatchEndings(database, FileRepository(database))
    validating = ValidatingService(batches, services.files, acceptance, store, face)
    finishing = FinishingService(endings, VideoRepository(database), services.batches, store, face, wake)
    return FileBatchSteps(batches, validating, finishing)
