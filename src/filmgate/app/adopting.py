"""Open what is needed to adopt a provider's job: its account, and the database."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from filmgate.app.database import open_database
from filmgate.app.vendors import Vendors
from filmgate.repositories.adoptions import AdoptionRepository
from filmgate.services.adoption import AdoptionService
from filmgate.settings import Settings


@asynccontextmanager
async def open_adoption(settings: Settings) -> AsyncGenerator[AdoptionService, None]:
    """Open the accounts that are set up and the database."""
    async with AsyncExitStack() as stack:
        vendors = Vendors(settings, stack)
        table = vendors.connect()
        database, _ = await stack.enter_async_context(open_database(settings))
        yield AdoptionService(table, list(vendors.capabilities().values()), AdoptionRepository(database))
