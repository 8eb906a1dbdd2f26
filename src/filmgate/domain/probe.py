"""Say what was found out about a provider without paying it."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Say whether something works, does not, or only ought to be known."""

    WORKS = "works"
    FAILS = "fails"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was seen, and how to mend it where it does not work."""

    what: str
    verdict: Verdict
    says: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found out about one provider."""

    name: str
    wire: str
    address: str | None
    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether nothing was found that does not work."""
        return all(finding.verdict is not Verdict.FAILS for finding in self.findings)


def works(what: str, says: str) -> Finding:
    """Return a finding that is good news."""
    return Finding(what, Verdict.WORKS, says)


def fails(what: str, says: str, mend: str) -> Finding:
    """Return a finding that has to be mended."""
    return Finding(what, Verdict.FAILS, says, mend)


def note(what: str, says: str, mend: str | None = None) -> Finding:
    """Return a finding that is neither."""
    return Finding(what, Verdict.NOTE, says, mend)
