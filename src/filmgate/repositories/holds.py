"""Hold what videos may cost, in the transaction that stores them."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass

from filmgate.domain.budget import Budget, Overrun, Purse, Span
from filmgate.domain.errors import BudgetExceeded
from filmgate.domain.money import FREE, Money
from filmgate.domain.video import Video
from filmgate.infrastructure.database import Record, Session


@dataclass(frozen=True, slots=True)
class _Claim:
    """Videos that are held for together or not at all: those of one batch, or a single one."""

    scopes: tuple[str, ...]
    videos: Sequence[Video]

    @property
    def total(self) -> Money:
        return sum((video.price for video in self.videos), FREE)


@dataclass(frozen=True, slots=True)
class Held:
    """What came of it: ``refused`` are those that a budget has no room for, ``known`` were held before."""

    refused: Mapping[str, BudgetExceeded]
    known: AbstractSet[str]


async def hold(session: Session, videos: Sequence[Video]) -> Held:
    """Hold the prices of priced videos, as far as the budgets have room for them.

    The caller stores those that are neither refused nor known in the same transaction. The budgets stay
    locked until its end, so that nobody else can take what is left at the same moment, and so that a video
    must not be waited for. Harmless when repeated.
    """
    claims = _claims(videos)
    budgets = await _lock(session, claims)
    if not budgets:
        await _write(session, {}, videos)
        return Held({}, frozenset())
    known = await _held_already(session, videos)
    purse = Purse(budgets)
    refused: dict[str, BudgetExceeded] = {}
    shares: dict[str, str] = {}
    for claim in claims:
        if claim.videos[0].id in known:
            continue
        taken = purse.take(claim.scopes, claim.videos[0].created_at, claim.total)
        if isinstance(taken, Overrun):
            error = BudgetExceeded(str(taken), taken)
            refused |= dict.fromkeys((video.id for video in claim.videos), error)
        else:
            written = json.dumps([asdict(share) for share in taken])
            shares |= dict.fromkeys((video.id for video in claim.videos), written)
    await _take(session, purse.taken)
    await _write(session, shares, [video for video in videos if video.id in shares])
    return Held(refused, known)


async def hold_twice(session: Session, video_id: str) -> Overrun | None:
    """Hold the price of a video once more, in the periods of its hold: it may have to be paid a second time.

    The caller has the video locked. Returns what has no room for it, and then nothing is held.
    """
    held = await session.row(
        """
        SELECT v.price_micros AS price FROM holds h JOIN videos v ON v.id = h.video_id
        WHERE h.video_id = $1 AND h.state = 'held' FOR NO KEY UPDATE OF h
        """,
        video_id,
    )
    if held is None:
        return None
    price = Money(held["price"])
    for budget in await _lock_periods(session, video_id):
        if budget.left < price:
            return Overrun(budget, price)
    await session.execute(
        """
        WITH taken AS (
            UPDATE budget_periods p SET held_micros = p.held_micros + $2
            FROM holds h CROSS JOIN LATERAL jsonb_array_elements(h.periods) AS share
            WHERE h.video_id = $1
              AND (p.scope, p.span, p.period) = (share->>'scope', share->>'span', share->>'period')
        ),
        twice AS (UPDATE holds SET micros = micros + $2 WHERE video_id = $1)
        INSERT INTO ledger (video_id, kind, micros, may_pay_twice) VALUES ($1, 'hold', $2, true)
        """,
        video_id,
        price.micros,
    )
    return None


async def _lock_periods(session: Session, video_id: str) -> Sequence[Budget]:
    """Lock the periods that a video's hold was taken from, in one order, and return those with a limit."""
    rows = await session.fetch(
        """
        SELECT p.scope, p.span, p.period, p.held_micros, p.spent_micros,
               (SELECT b.limit_micros FROM budgets b WHERE (b.scope, b.span) = (p.scope, p.span))
               AS limit_micros
        FROM holds h CROSS JOIN LATERAL jsonb_array_elements(h.periods) AS share
        JOIN budget_periods p
            ON (p.scope, p.span, p.period) = (share->>'scope', share->>'span', share->>'period')
        WHERE h.video_id = $1
        ORDER BY p.scope, p.span, p.period FOR NO KEY UPDATE OF p
        """,
        video_id,
    )
    return [_budget_of(row) for row in rows if row["limit_micros"] is not None]


def _budget_of(row: Record) -> Budget:
    return Budget(
        row["scope"],
        Span(row["span"]),
        Money(row["limit_micros"]),
        Money(row["held_micros"]),
        Money(row["spent_micros"]),
        row["period"],
    )


def _claims(videos: Sequence[Video]) -> Sequence[_Claim]:
    single = [_Claim((video.key_id,), [video]) for video in videos if video.batch_id is None]
    together: defaultdict[tuple[str, str], list[Video]] = defaultdict(list)
    for video in videos:
        if video.batch_id is not None:
            together[video.key_id, video.batch_id].append(video)
    return [*single, *(_Claim(scopes, members) for scopes, members in together.items())]


async def _lock(session: Session, claims: Sequence[_Claim]) -> Sequence[Budget]:
    """Lock the periods that these claims fall into, in one order, and return how they stand."""
    wanted = {
        (scope, Span.DAY.period(moment), Span.MONTH.period(moment))
        for claim in claims
        for moment in (claim.videos[0].created_at,)
        for scope in claim.scopes
    }
    rows = await session.fetch(
        """
        INSERT INTO budget_periods AS p (scope, span, period)
        SELECT DISTINCT b.scope, b.span,
               CASE b.span WHEN 'day' THEN n.day WHEN 'month' THEN n.month ELSE '' END
        FROM unnest($1::text[], $2::text[], $3::text[]) AS n (scope, day, month)
        JOIN budgets b ON b.scope = n.scope
        ORDER BY 1, 2, 3
        -- Nothing changes, but the row is locked and read as it stands once it is ours.
        ON CONFLICT (scope, span, period) DO UPDATE SET held_micros = p.held_micros
        RETURNING p.scope, p.span, p.period, p.held_micros, p.spent_micros,
                  (SELECT b.limit_micros FROM budgets b WHERE b.scope = p.scope AND b.span = p.span)
                  AS limit_micros
        """,
        [scope for scope, _, _ in wanted],
        [day for _, day, _ in wanted],
        [month for _, _, month in wanted],
    )
    return [_budget_of(row) for row in rows]


async def _held_already(session: Session, videos: Sequence[Video]) -> set[str]:
    """Return those that an earlier try has held for; certain, since the budgets are locked by now."""
    rows = await session.fetch(
        "SELECT video_id FROM holds WHERE video_id = ANY($1::text[])", [video.id for video in videos]
    )
    return {row["video_id"] for row in rows}


async def _take(session: Session, taken: Mapping[tuple[str, Span, str], Money]) -> None:
    await session.execute(
        """
        UPDATE budget_periods p SET held_micros = p.held_micros + n.micros
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS n (scope, span, period, micros)
        WHERE (p.scope, p.span, p.period) = (n.scope, n.span, n.period)
        """,
        [scope for scope, _, _ in taken],
        [span.value for _, span, _ in taken],
        [period for _, _, period in taken],
        [amount.micros for amount in taken.values()],
    )


async def _write(session: Session, shares: Mapping[str, str], videos: Sequence[Video]) -> None:
    await session.execute(
        """
        WITH held AS (
            INSERT INTO holds (video_id, micros, periods)
            SELECT n.id, n.micros, n.periods::jsonb
            FROM unnest($1::text[], $2::bigint[], $3::text[]) AS n (id, micros, periods)
            ON CONFLICT (video_id) DO NOTHING
            RETURNING video_id, micros
        )
        INSERT INTO ledger (video_id, kind, micros) SELECT video_id, 'hold', micros FROM held
        """,
        [video.id for video in videos],
        [video.price.micros for video in videos],
        [shares.get(video.id, "[]") for video in videos],
    )
