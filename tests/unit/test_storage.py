"""What may name a stored file, and which decision an error of the disk forces."""

import errno

import pytest

from filmgate.domain.asset import AssetKeyInvalid, checked_key
from filmgate.domain.errors import StorageFull, StorageUnavailable
from filmgate.infrastructure.storage import _translated

HOSTILE = {
    "empty": "",
    "absolute": "/etc/passwd",
    "parent": "videos/../../etc/passwd",
    "only the parent": "..",
    "this directory": "videos/./a.mp4",
    "hidden": ".work/a.mp4",
    "hidden further down": "videos/.a.mp4",
    "empty segment": "videos//a.mp4",
    "directory": "videos/",
    "upper case": "Videos/a.mp4",
    "space": "videos/a b.mp4",
    "null": "videos/a\0.mp4",
    "newline at the end": "videos/a.mp4\n",
    "backslash": "videos\\a.mp4",
    "percent": "videos/%2e%2e/a.mp4",
    "other script": "videos/а.mp4",
    "other digits": "videos/١.mp4",
    "home": "~/a.mp4",
    "drive": "c:/a.mp4",
    "surrogate": "videos/\udce9.mp4",
    "long": "a/" * 256 + "a",
    "long segment": "videos/" + "a" * 129,
}


@pytest.mark.parametrize("key", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_key_is_refused_and_quoted_short(key: str) -> None:
    with pytest.raises(AssetKeyInvalid, match="asset key") as refusal:
        checked_key(key)
    assert len(str(refusal.value)) < 500
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("key", ["a", "videos/job_1/att_2/video.mp4", "a-b_c.d/e", "v/" + "a" * 128])
def test_an_ordinary_key_is_kept(key: str) -> None:
    assert checked_key(key) == key


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_is_told_apart(code: int) -> None:
    with pytest.raises(StorageFull, match="cannot store a: it is so"), _translated("store a"):
        raise OSError(code, "it is so")


def test_any_other_fault_of_the_disk_keeps_its_reason() -> None:
    with pytest.raises(StorageUnavailable, match="cannot store a: broken") as failure, _translated("store a"):
        raise OSError(errno.EIO, "broken")
    assert not isinstance(failure.value, StorageFull)
