"""Say what follows a provider's refusal: the next target, another try later, or the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from filmgate.domain.errors import RefusalKind


class Reaction(StrEnum):
    """Say what follows a refusal, which proves that nothing was made."""

    NEXT = "next"
    FAIL = "fail"
    WAIT = "wait"


# A provider that is out of money, closed to us or full says nothing about the video, and so may be passed
# over. What is wrong with prompt or image would be wrong elsewhere too, and is the client's to mend.
USUAL: Mapping[RefusalKind, Reaction] = {
    RefusalKind.PROMPT: Reaction.FAIL,
    RefusalKind.IMAGE: Reaction.FAIL,
    RefusalKind.OUTPUT: Reaction.FAIL,
    RefusalKind.POLICY: Reaction.FAIL,
    RefusalKind.QUOTA: Reaction.NEXT,
    RefusalKind.KEY: Reaction.NEXT,
    RefusalKind.CAPACITY: Reaction.NEXT,
    RefusalKind.REQUEST: Reaction.NEXT,
}
# Waiting mends what the operator or time can mend, and nothing that is wrong with a video.
WAITING_MENDS = frozenset({RefusalKind.QUOTA, RefusalKind.KEY, RefusalKind.CAPACITY})

Reactions = Mapping[RefusalKind, Reaction]


def possible(kind: RefusalKind) -> tuple[Reaction, ...]:
    """Return what may follow a refusal of this kind."""
    return tuple(Reaction) if kind in WAITING_MENDS else (Reaction.NEXT, Reaction.FAIL)


@dataclass(frozen=True, slots=True)
class RefusalPolicy:
    """What the operator wants to follow refusals: everywhere, and on single routes."""

    everywhere: Reactions = field(default_factory=dict[RefusalKind, Reaction])
    routes: Mapping[str, Reactions] = field(default_factory=dict[str, Reactions])

    def reaction(self, route: str, kind: RefusalKind) -> Reaction:
        """Return what follows a refusal on a route."""
        return self.routes.get(route, {}).get(kind) or self.everywhere.get(kind) or USUAL[kind]
