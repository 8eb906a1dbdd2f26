"""Keep budgets, and read what they and the ledger say; holds are taken in ``holds``."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from filmgate.domain.budget import Budget, Span, UsageLine
from filmgate.domain.money import Money
from filmgate.infrastructure.database import Database, Session, changed

_encode = msgspec.json.Encoder().encode


class BudgetRepository:
    """Read and change budgets; what is held is settled by the database itself (migration 0002)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_limit(self, budget: Budget, now: datetime) -> None:
        """Set a key's limit; what it has held and spent in the present period counts from the start."""
        async with self._database.transaction() as session:
            await session.execute(
                """
                INSERT INTO budget_periods AS p (scope, span, period) VALUES ($1, $2, $3)
                ON CONFLICT (scope, span, period) DO UPDATE SET held_micros = p.held_micros
                """,
                budget.scope,
                budget.span.value,
                budget.span.period(now),
            )
            # Nobody holds or settles meanwhile, so that none is counted twice and none left out.
            await session.execute("LOCK TABLE holds IN SHARE ROW EXCLUSIVE MODE")
            await session.execute(
                """
                INSERT INTO budgets (scope, span, limit_micros) VALUES ($1, $2, $3)
                ON CONFLICT (scope, span) DO UPDATE SET limit_micros = excluded.limit_micros
                """,
                budget.scope,
                budget.span.value,
                budget.limit.micros,
            )
            await _count_what_was(session, budget, now)

    async def lift(self, scope: str, span: Span) -> bool:
        """Remove a limit; tell whether there was one."""
        tag = await self._database.execute(
            "DELETE FROM budgets WHERE scope = $1 AND span = $2", scope, span.value
        )
        return changed(tag) == 1

    async def of(self, scopes: Sequence[str], now: datetime) -> Sequence[Budget]:
        """Return the budgets of these scopes with what is held and spent in the present periods."""
        rows = await self._database.fetch(
            """
            SELECT b.scope, b.span, n.period, b.limit_micros, coalesce(p.held_micros, 0) AS held_micros,
                   coalesce(p.spent_micros, 0) AS spent_micros
            FROM budgets b
            JOIN (VALUES ('total', ''), ('day', $2), ('month', $3)) AS n (span, period) ON n.span = b.span
            LEFT JOIN budget_periods p ON (p.scope, p.span, p.period) = (b.scope, b.span, n.period)
            WHERE b.scope = ANY($1::text[]) ORDER BY b.scope, b.span
            """,
            list(scopes),
            Span.DAY.period(now),
            Span.MONTH.period(now),
        )
        return [
            Budget(
                row["scope"],
                Span(row["span"]),
                Money(row["limit_micros"]),
                Money(row["held_micros"]),
                Money(row["spent_micros"]),
                row["period"],
            )
            for row in rows
        ]

    async def usage(self, project: str, by: str, since: datetime, until: datetime) -> Sequence[UsageLine]:
        """Return what a project's videos of a span of time have come to, grouped."""
        rows = await self._database.fetch(
            """
            SELECT CASE $2::text
                       WHEN 'key' THEN v.key_id WHEN 'batch' THEN coalesce(v.batch_id, '')
                       WHEN 'model' THEN v.model WHEN 'provider' THEN v.provider
                       ELSE to_char(v.created_at, 'YYYY-MM-DD') END AS name,
                   count(*) AS videos,
                   count(*) FILTER (WHERE v.status = 'completed') AS completed,
                   count(*) FILTER (WHERE v.status = 'failed') AS failed,
                   coalesce(sum(h.open), 0)::bigint AS held,
                   coalesce(sum(h.settled_micros), 0)::bigint AS charged,
                   coalesce(sum(h.freed), 0)::bigint AS released,
                   coalesce(sum(h.open) FILTER (WHERE EXISTS (
                       SELECT 1 FROM attempts a
                       WHERE a.video_id = v.id AND a.state IN ('unknown', 'parked'))), 0)::bigint AS unknown
            FROM videos v
            LEFT JOIN LATERAL (
                SELECT settled_micros,
                       CASE state WHEN 'held' THEN greatest(0, micros - settled_micros) ELSE 0 END AS open,
                       CASE state WHEN 'held' THEN 0 ELSE greatest(0, micros - settled_micros) END AS freed
                FROM holds WHERE video_id = v.id
            ) AS h ON true
            WHERE v.project = $1 AND v.created_at >= $3 AND v.created_at < $4
            GROUP BY 1 ORDER BY 1
            """,
            project,
            by,
            since,
            until,
        )
        return [
            UsageLine(
                row["name"],
                row["videos"],
                row["completed"],
                row["failed"],
                Money(row["held"]),
                Money(row["charged"]),
                Money(row["released"]),
                Money(row["unknown"]),
            )
            for row in rows
        ]

    async def imbalance(self) -> Sequence[str]:
        """Return what does not add up between videos, holds, ledger and budgets; nothing, if all is well."""
        rows = await self._database.fetch(
            """
            WITH moved AS (
                SELECT video_id, coalesce(sum(micros) FILTER (WHERE kind = 'hold'), 0) AS held,
                       coalesce(sum(micros) FILTER (WHERE kind = 'settle'), 0) AS settled,
                       coalesce(sum(micros) FILTER (WHERE kind = 'release'), 0) AS released
                FROM ledger GROUP BY video_id
            ),
            -- What periods should say, counted from the holds that name them.
            counted AS (
                SELECT share->>'scope' AS scope, share->>'span' AS span, share->>'period' AS period,
                       sum(CASE h.state WHEN 'held' THEN greatest(0, h.micros - h.settled_micros) ELSE 0 END)
                           AS held,
                       sum(h.settled_micros) AS spent
                FROM holds h CROSS JOIN LATERAL jsonb_array_elements(h.periods) AS share GROUP BY 1, 2, 3
            ),
            spent AS (
                SELECT video_id, sum(cost_micros) AS cost,
                       bool_or(state IN ('sending', 'accepted', 'unknown', 'parked')) AS open
                FROM attempts GROUP BY video_id
            )
            SELECT format('%s: the ledger says %s held, %s settled, %s released; its hold says otherwise',
                          coalesce(h.video_id, m.video_id), m.held, m.settled, m.released) AS what
            FROM holds h FULL JOIN moved m ON m.video_id = h.video_id
            WHERE h.video_id IS NULL OR m.video_id IS NULL OR m.settled <> h.settled_micros
               OR m.held - m.released <>
                  CASE h.state WHEN 'held' THEN h.micros ELSE least(h.micros, h.settled_micros) END
            UNION ALL
            SELECT format('%s: it has a price and no hold', v.id)
            FROM videos v LEFT JOIN holds h ON h.video_id = v.id
            WHERE v.price_micros > 0 AND h.video_id IS NULL
            UNION ALL
            SELECT format('%s: its attempts cost %s, and %s is settled', v.id, coalesce(s.cost, 0),
                          h.settled_micros)
            FROM videos v JOIN holds h ON h.video_id = v.id LEFT JOIN spent s ON s.video_id = v.id
            WHERE h.state <> 'held'
              AND (coalesce(s.cost, 0) <> h.settled_micros OR v.cost_micros <> h.settled_micros)
            UNION ALL
            SELECT format('%s: it has ended and its hold stands', v.id)
            FROM videos v JOIN holds h ON h.video_id = v.id LEFT JOIN spent s ON s.video_id = v.id
            WHERE h.state = 'held' AND v.status IN ('completed', 'failed', 'cancelled')
              AND s.open IS NOT TRUE
            UNION ALL
            SELECT format('budget of %s %s %s: %s held and %s spent, its holds say %s and %s',
                          coalesce(p.scope, c.scope), coalesce(p.span, c.span), coalesce(p.period, c.period),
                          p.held_micros, p.spent_micros, coalesce(c.held, 0), coalesce(c.spent, 0))
            FROM budget_periods p FULL JOIN counted c
                ON (c.scope, c.span, c.period) = (p.scope, p.span, p.period)
            WHERE p.held_micros IS DISTINCT FROM coalesce(c.held, 0)
               OR p.spent_micros IS DISTINCT FROM coalesce(c.spent, 0)
            """
        )
        return [row["what"] for row in rows]


async def _count_what_was(session: Session, budget: Budget, now: datetime) -> None:
    """Let the holds of a key that were taken before its budget was set count against it."""
    await session.execute(
        """
        WITH late AS (
            UPDATE holds h SET periods = (
                SELECT jsonb_agg(share ORDER BY share->>'scope', share->>'span', share->>'period')
                FROM jsonb_array_elements(h.periods || $5::text::jsonb) AS share)
            FROM videos v
            WHERE v.id = h.video_id AND v.key_id = $1 AND v.created_at >= $4
              AND NOT h.periods @> $5::text::jsonb
            RETURNING h.settled_micros AS spent,
                      CASE WHEN h.state = 'held' THEN greatest(0, h.micros - h.settled_micros) ELSE 0 END
                      AS held
        )
        UPDATE budget_periods p
        SET held_micros = p.held_micros + l.held, spent_micros = p.spent_micros + l.spent
        FROM (SELECT coalesce(sum(held), 0) AS held, coalesce(sum(spent), 0) AS spent FROM late) AS l
        WHERE p.scope = $1 AND p.span = $2 AND p.period = $3
        """,
        budget.scope,
        budget.span.value,
        budget.span.period(now),
        budget.span.start(now),
        _share_of(budget, now),
    )


def _share_of(budget: Budget, now: datetime) -> str:
    share = {"scope": budget.scope, "span": budget.span.value, "period": budget.span.period(now)}
    return f"[{_encode(share).decode()}]"
