"""Know who asks: create, list and revoke keys, and recognise them quickly."""

import hmac
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic

from filmgate.domain.errors import NotFound, Unauthenticated
from filmgate.domain.key import (
    DEFAULT_PROJECT,
    ROOT_KEY_ID,
    Key,
    fingerprint,
    hint_of,
    new_key_id,
    new_secret,
)
from filmgate.repositories.keys import KeyRepository

# A revoked key is refused everywhere after this long at most.
MEMORY = timedelta(seconds=5)
_REMEMBERED_AT_MOST = 10_000


class KeyService:
    """Hold the verbs for keys."""

    def __init__(self, keys: KeyRepository, root_secret: str | None) -> None:
        self._keys = keys
        self._root = None if root_secret is None else fingerprint(root_secret)
        self._root_key = Key(ROOT_KEY_ID, "API_KEY", DEFAULT_PROJECT, hint_of(root_secret or ""))
        self._memory: dict[str, tuple[float, Key]] = {}
        self._used: set[str] = set()

    def remembered(self, secret: str) -> Key | None:
        """Return a key seen within the last seconds, without asking the database."""
        entry = self._memory.get(secret)
        if entry is None or entry[0] < monotonic():
            return None
        return entry[1]

    async def authenticate(self, secret: str) -> Key:
        """Return the key this secret belongs to."""
        key = self.remembered(secret)
        if key is not None:
            return key
        digest = fingerprint(secret)
        if self._root is not None and hmac.compare_digest(digest, self._root):
            key = self._root_key
        else:
            key = await self._keys.find(digest)
            if key is None:
                raise Unauthenticated("This key is not known here, or it was revoked.")
            self._used.add(key.id)
        if len(self._memory) >= _REMEMBERED_AT_MOST:
            self._memory.clear()
        self._memory[secret] = (monotonic() + MEMORY.total_seconds(), key)
        return key

    async def record_use(self) -> None:
        """Write down which keys were used since the last call."""
        used, self._used = self._used, set()
        if used:
            await self._keys.touch(sorted(used))

    async def create(self, name: str, project: str | None = None) -> tuple[Key, str]:
        """Create a key and return it with its secret, which is shown this once.

        Without a project the key gets one of its own: what it makes, no other key sees.
        """
        key_id = new_key_id()
        secret = new_secret()
        key = Key(key_id, name, project or key_id, hint_of(secret))
        return await self._keys.insert(key, fingerprint(secret)), secret

    async def list(self) -> Sequence[Key]:
        """Return all keys, oldest first, the revoked ones too."""
        return await self._keys.list()

    async def named(self, key_id: str) -> Key:
        """Return the key with this id, revoked or not; the operator's own answers to API_KEY too."""
        if key_id in {ROOT_KEY_ID, self._root_key.name}:
            return self._root_key
        for key in await self._keys.list():
            if key.id == key_id:
                return key
        raise NotFound("key", key_id)

    async def revoke(self, key_id: str) -> None:
        """Revoke a key; every process refuses it within five seconds."""
        if not await self._keys.revoke(key_id):
            raise NotFound("open key", key_id)
