"""Turn this process into a PostgreSQL program that dies with its parent and is not root.

Run as a script: ``python -I -S embedded_postgres_launcher.py PARENT UID GID NEEDED PROGRAM ARGUMENT...``.
UID and GID of -1 keep the present user. NEEDED is the folder the program must be able to reach.
Standard library only, since it runs without site-packages and its import time is start-up time.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_CAP_SETPCAP = 8
_CAP_VERSION_3 = 0x20080522

_LINUX = sys.platform.startswith("linux")


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def main(arguments: list[str]) -> None:
    """Drop privileges, tie this process to its parent and become the program."""
    parent, uid, gid = (int(number) for number in arguments[:3])
    needed, program = arguments[3], arguments[4]
    os.umask(0o077)
    if uid >= 0:
        _drop_root(uid, gid, (needed, program))
    if _LINUX:
        # After the change of user, since that clears it.
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT))
    if os.getppid() != parent:
        sys.exit("the process that asked for PostgreSQL is gone")
    os.execv(program, arguments[4:])  # noqa: S606 - the program is the whole point


def _drop_root(uid: int, gid: int, paths: tuple[str, ...]) -> None:
    if _LINUX:
        _prctl(_PR_SET_KEEPCAPS, 1)
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except PermissionError:
        sys.exit(
            f"PostgreSQL refuses to run as root, and root may not become user {uid} here. Run filmgate as an "
            "ordinary user, or set DATABASE_URL"
        )
    # Asked for the new user, capabilities put aside.
    closed = [path for path in paths if not os.access(path, os.R_OK | os.X_OK)]
    if closed and not (_LINUX and _keep_search()):
        sys.exit(
            f"user {uid} cannot reach {closed[0]}: a directory above it is closed. Run filmgate as an "
            "ordinary user, keep its data where every user may pass, or set DATABASE_URL"
        )


def _keep_search() -> bool:
    """Keep the one capability that passes closed directories, so that none is opened to everybody."""
    sets = (_Sets * 2)()
    _checked("capget", _header(), sets)
    permitted: int = sets[0].permitted
    # Containers are commonly given only the wider of the two.
    for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
        if permitted & 1 << capability:
            _heed_in_access(permitted)
            _set_capabilities(1 << capability)
            _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)
            return True
    return False


def _heed_in_access(permitted: int) -> None:
    """Have access(2), with which initdb looks for the server, count the capability of an ordinary user."""
    if permitted & 1 << _CAP_SETPCAP:
        _set_capabilities(permitted)
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)


def _set_capabilities(bits: int) -> None:
    # All that are used here are in the lower half.
    _checked("capset", _header(), (_Sets * 2)(_Sets(bits, bits, bits), _Sets(0, 0, 0)))


def _header() -> object:
    return ctypes.byref(_Header(_CAP_VERSION_3, 0))


def _prctl(option: int, second: int, third: int = 0) -> None:
    _checked("prctl", option, *(ctypes.c_ulong(number) for number in (second, third, 0, 0)))


def _checked(name: str, *arguments: object) -> None:
    if ctypes.CDLL(None, use_errno=True)[name](*arguments) != 0:
        sys.exit(f"{name} failed: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main(sys.argv[1:])
