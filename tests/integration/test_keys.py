"""Keys are found by their fingerprints, remembered for seconds, and refused soon after they are revoked."""

from datetime import timedelta

import pytest

from filmgate.domain.errors import DatabaseUnavailable, NotFound, Unauthenticated
from filmgate.domain.key import DEFAULT_PROJECT, ROOT_KEY_ID
from filmgate.infrastructure.database import Database
from filmgate.repositories.keys import KeyRepository
from filmgate.services import keys
from filmgate.services.keys import MEMORY, KeyService

pytestmark = pytest.mark.anyio

ROOT = "a-root-key-of-the-environment"


@pytest.fixture
def service(database: Database) -> KeyService:
    return KeyService(KeyRepository(database), ROOT)


async def test_a_fresh_key_opens_with_its_secret_which_is_stored_nowhere(
    database: Database, service: KeyService
) -> None:
    key, secret = await service.create("studio", "films")
    assert await service.authenticate(secret) == key
    assert (key.name, key.project, key.hint) == ("studio", "films", secret[-4:])
    row = str(await database.row("SELECT keys::text FROM keys"))
    assert secret not in row


async def test_a_key_without_a_project_gets_one_of_its_own(service: KeyService) -> None:
    (one, _), (two, _) = await service.create("one"), await service.create("two")
    assert len({one.project, two.project, DEFAULT_PROJECT}) == 3


@pytest.mark.parametrize("secret", ["", "fg_unknown", ROOT + "x", ROOT[:-1], ROOT.upper(), "💥"])
async def test_an_unknown_secret_is_refused(service: KeyService, secret: str) -> None:
    await service.create("one")
    with pytest.raises(Unauthenticated):
        await service.authenticate(secret)
    assert service.remembered(secret) is None


async def test_the_root_key_opens_without_a_row(service: KeyService) -> None:
    key = await service.authenticate(ROOT)
    assert (key.id, key.project) == (ROOT_KEY_ID, DEFAULT_PROJECT)
    await service.record_use()


async def test_without_a_root_key_nothing_but_rows_opens(database: Database) -> None:
    service = KeyService(KeyRepository(database), None)
    with pytest.raises(Unauthenticated):
        await service.authenticate("")


async def test_a_revoked_key_is_refused_once_it_is_forgotten(
    service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(seconds=5) >= MEMORY
    monkeypatch.setattr(keys, "MEMORY", timedelta(0))
    key, secret = await service.create("one")
    await service.authenticate(secret)
    await service.revoke(key.id)
    with pytest.raises(Unauthenticated):
        await service.authenticate(secret)


async def test_a_key_that_was_seen_just_now_is_known_without_the_database(
    database: Database, service: KeyService
) -> None:
    key, secret = await service.create("one")
    assert service.remembered(secret) is None
    await service.authenticate(secret)
    await database.close()
    assert service.remembered(secret) == key
    assert await service.authenticate(secret) == key
    with pytest.raises(DatabaseUnavailable):
        await service.authenticate("fg_other")


async def test_the_memory_for_keys_does_not_grow_for_ever(
    service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_REMEMBERED_AT_MOST", 2)
    secrets = [(await service.create(name))[1] for name in "abc"]
    for secret in secrets:
        await service.authenticate(secret)
    assert [service.remembered(secret) is not None for secret in secrets] == [False, False, True]


@pytest.mark.parametrize("name", ["key_none", ROOT_KEY_ID])
async def test_only_an_open_key_can_be_revoked(service: KeyService, name: str) -> None:
    key, _ = await service.create("one")
    await service.revoke(key.id)
    for revoked in (name, key.id):
        with pytest.raises(NotFound):
            await service.revoke(revoked)


async def test_all_keys_are_listed_oldest_first_with_the_revoked(service: KeyService) -> None:
    made = [(await service.create(name))[0] for name in "abc"]
    await service.revoke(made[1].id)
    listed = await service.list()
    assert [key.name for key in listed] == ["a", "b", "c"]
    assert [key.revoked_at is not None for key in listed] == [False, True, False]


async def test_the_use_of_a_key_is_written_down_to_the_minute(
    database: Database, service: KeyService
) -> None:
    await service.record_use()
    _, secret = await service.create("one")
    await service.authenticate(secret)
    await service.record_use()
    first = (await service.list())[0].last_used_at
    assert first is not None
    await KeyRepository(database).touch([(await service.list())[0].id])
    assert (await service.list())[0].last_used_at == first
    await database.execute("UPDATE keys SET last_used_at = now() - interval '2 minutes'")
    await service.record_use()
    assert (await service.list())[0].last_used_at != first
