"""Keep budgets, holds and the ledger."""

import json
from collections.abc import Sequence
from datetime import datetime

from filmgate.domain.budget import Budget, Span, UsageLine
from filmgate.domain.errors import BudgetExceeded
from filmgate.domain.money import Money
from filmgate.infrastructure.database import Database, Session


class BudgetRepository:
    """Read and change budgets; what is held is settled by the database itself (migration 0002)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_limit(self, budget: Budget) -> None:
        """Set a limit; what is held and spent stays."""
        await self._database.execute(
            """
            INSERT INTO budgets (scope, span, limit_micros) VALUES ($1, $2, $3)
            ON CONFLICT (scope, span) DO UPDATE SET limit_micros = excluded.limit_micros
            """,
            budget.scope,
            budget.span.value,
            budget.limit.micros,
        )

    async def of(self, scope: str, now: datetime) -> Sequence[Budget]:
        """Return the budgets of a scope with what is held and spent in the present periods."""
        rows = await self._database.fetch(
            """
            SELECT b.span, b.limit_micros, p.held_micros, p.spent_micros
            FROM budgets b
            LEFT JOIN budget_periods p
                ON p.scope = b.scope AND p.span = b.span
               AND p.period = CASE b.span WHEN 'day' THEN $2 WHEN 'month' THEN $3 ELSE '' END
            WHERE b.scope = $1 ORDER BY b.span
            """,
            scope,
            Span.DAY.period(now),
            Span.MONTH.period(now),
        )
        return [
            Budget(
                scope,
                Span(row["span"]),
                Money(row["limit_micros"]),
                Money(row["held_micros"] or 0),
                Money(row["spent_micros"] or 0),
            )
            for row in rows
        ]

    async def hold(self, session: Session, budgets: Sequence[Budget], total: Money, now: datetime) -> str:
        """Hold an amount in every budget, or raise BudgetExceeded and hold it in none.

        The caller's transaction carries it; the rows are locked in one order, so that holders never wait
        for each other in a circle. Returns the periods as JSON, to be kept with the hold of each video.
        """
        taken: list[dict[str, str]] = []
        for budget in sorted(budgets, key=lambda one: (one.scope, one.span)):
            period = budget.span.period(now)
            await session.execute(
                """
                INSERT INTO budget_periods (scope, span, period) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
                """,
                budget.scope,
                budget.span.value,
                period,
            )
            row = await session.row(
                """
                UPDATE budget_periods p SET held_micros = p.held_micros + $4
                FROM budgets b
                WHERE p.scope = $1 AND p.span = $2 AND p.period = $3 AND b.scope = $1 AND b.span = $2
                  AND p.held_micros + p.spent_micros + $4 <= b.limit_micros
                RETURNING p.held_micros
                """,
                budget.scope,
                budget.span.value,
                period,
                total.micros,
            )
            if row is None:
                raise BudgetExceeded(await self._refusal(session, budget, period, total))
            taken.append({"scope": budget.scope, "span": budget.span.value, "period": period})
        return json.dumps(taken)

    async def _refusal(self, session: Session, budget: Budget, period: str, total: Money) -> str:
        row = await session.row(
            """
            SELECT p.held_micros + p.spent_micros AS used, b.limit_micros
            FROM budgets b JOIN budget_periods p ON p.scope = b.scope AND p.span = b.span
            WHERE b.scope = $1 AND b.span = $2 AND p.period = $3
            """,
            budget.scope,
            budget.span.value,
            period,
        )
        used = Money(row["used"]) if row else total
        limit = Money(row["limit_micros"]) if row else budget.limit
        when = {Span.DAY: " for today", Span.MONTH: " for this month", Span.TOTAL: ""}[budget.span]
        return f"{used} of {limit}{when} is used or held; this needs {total}."

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
                   coalesce(sum(h.micros) FILTER (WHERE h.state = 'held'), 0)::bigint AS held,
                   coalesce(sum(h.settled_micros), 0)::bigint AS charged,
                   coalesce(sum(h.micros - h.settled_micros) FILTER (WHERE h.state <> 'held'), 0)::bigint
                       AS released,
                   coalesce(sum(h.micros) FILTER (WHERE h.state = 'held' AND EXISTS (
                       SELECT 1 FROM attempts a
                       WHERE a.video_id = v.id AND a.state IN ('unknown', 'parked'))), 0)::bigint AS unknown
            FROM videos v LEFT JOIN holds h ON h.video_id = v.id
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
        """Return what does not add up between holds, ledger and budgets; nothing, if all is well."""
        rows = await self._database.fetch(
            """
            WITH moved AS (
                SELECT video_id,
                       sum(micros) FILTER (WHERE kind = 'hold') AS held,
                       coalesce(sum(micros) FILTER (WHERE kind = 'settle'), 0) AS settled,
                       coalesce(sum(micros) FILTER (WHERE kind = 'release'), 0) AS released
                FROM ledger GROUP BY video_id
            )
            SELECT 'hold of ' || h.video_id || ' and its ledger differ' AS what
            FROM holds h LEFT JOIN moved m USING (video_id)
            WHERE m.held IS DISTINCT FROM h.micros
               OR (h.state = 'held' AND m.settled + m.released <> 0)
               OR (h.state <> 'held' AND (m.settled <> h.settled_micros
                   OR m.released <> greatest(0, h.micros - h.settled_micros)))
            UNION ALL
            SELECT 'budget ' || p.scope || ' ' || p.span || ' ' || p.period || ' differs from its holds'
            FROM budget_periods p
            LEFT JOIN LATERAL (
                SELECT coalesce(sum(h.micros) FILTER (WHERE h.state = 'held'), 0) AS held,
                       coalesce(sum(h.settled_micros), 0) AS spent
                FROM holds h
                WHERE h.periods @> jsonb_build_array(jsonb_build_object(
                    'scope', p.scope, 'span', p.span, 'period', p.period))
            ) AS counted ON true
            WHERE counted.held <> p.held_micros OR counted.spent <> p.spent_micros
            """
        )
        return [row["what"] for row in rows]
