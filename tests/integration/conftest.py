"""Give each test a database of its own on a real PostgreSQL, and a gate on it."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest

from filmgate.app import MIGRATIONS, Gate, open_gate
from filmgate.domain.ids import new_id
from filmgate.domain.key import Key
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres
from filmgate.infrastructure.migrations import migrate, read_migrations
from filmgate.settings import Settings

_TEMPLATE = "template_of_tests"


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL that runs for the whole session, with a migrated database to copy."""

    dsn: str

    def of(self, name: str) -> str:
        return urlsplit(self.dsn)._replace(path=f"/{name}").geturl()

    async def execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self.of("postgres"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Postgres, None]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    running = Postgres(await server.start())
    await running.execute(f"CREATE DATABASE {_TEMPLATE}")
    database = Database(running.of(_TEMPLATE))
    await database.open()
    await migrate(database, read_migrations(MIGRATIONS))
    await database.close()
    yield running
    await server.stop()


@pytest.fixture
async def dsn(postgres: Postgres) -> AsyncGenerator[str, None]:
    name = new_id("test")
    await postgres.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    yield postgres.of(name)
    await postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(dsn: str) -> AsyncGenerator[Database, None]:
    opened = Database(dsn, size=4)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def settings(dsn: str, tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", database_url=dsn, environment="test", drain_seconds=1)


@pytest.fixture
async def gate(settings: Settings) -> AsyncGenerator[Gate, None]:
    """A gate that accepts and shows, but makes nothing: videos stay queued."""
    async with open_gate(settings, work=False) as opened:
        yield opened


@pytest.fixture
async def working_gate(settings: Settings) -> AsyncGenerator[Gate, None]:
    """A gate with a worker: videos are really rendered."""
    async with open_gate(settings, work=True) as opened:
        yield opened


async def _client(gate: Gate) -> AsyncGenerator[httpx2.AsyncClient, None]:
    transport = httpx2.ASGITransport(app=gate.application())
    async with httpx2.AsyncClient(transport=transport, base_url="http://gate.test", timeout=30) as client:
        yield client


@pytest.fixture
async def api(gate: Gate) -> AsyncGenerator[httpx2.AsyncClient, None]:
    async for client in _client(gate):
        yield client


@pytest.fixture
async def working_api(working_gate: Gate) -> AsyncGenerator[httpx2.AsyncClient, None]:
    async for client in _client(working_gate):
        yield client


@pytest.fixture
def key(settings: Settings, request: pytest.FixtureRequest) -> dict[str, str]:
    """The headers of the first key."""
    name = "working_gate" if "working_api" in request.fixturenames else "gate"
    gate: Gate = request.getfixturevalue(name)
    return {"Authorization": f"Bearer {gate.api_key}"}


@pytest.fixture
async def other_key(gate: Gate) -> dict[str, str]:
    """The headers of a key that must see nothing of what the first one makes."""
    _, secret = await gate.services.keys.create("other")
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def owner() -> Key:
    return Key("key_owner", "owner", "project_of_owner", "wner")
