"""Say what a model of the tests can do, and read what is wrong with a request."""

from collections.abc import Sequence
from datetime import date

from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.domain.money import Money
from filmgate.domain.routing import Capability
from filmgate.services.asked import AskedVideo
from filmgate.services.routing import RoutingService

SIZES = (
    (1280, 720),
    (720, 1280),
    (1024, 1024),
    (1792, 1024),
    (854, 480),
    (360, 360),
)
CAPABILITY = Capability(
    provider="p",
    model="m-1",
    title="M",
    sizes=SIZES,
    min_seconds=1,
    max_seconds=20,
    step=None,
    image_input=True,
    audio=True,
    seed=True,
    negative_prompt=True,
    max_prompt=200,
    price=Money(10_000),
    price_source="test",
    price_date=date(2026, 1, 1),
)


def problems_of(routing: RoutingService, asked: AskedVideo) -> Sequence[FieldProblem]:
    """Return the problems of a request, none where it fits; each must read as a sentence."""
    try:
        routing.fit(asked, 3)
    except InvalidRequest as refused:
        for problem in refused.problems:
            assert problem.row == 3
            assert problem.message.endswith("."), problem
            assert problem.suggestion is None or problem.suggestion.endswith((".", "?")), problem
            assert problem.code
        return refused.problems
    return ()
