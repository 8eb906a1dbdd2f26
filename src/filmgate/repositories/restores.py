"""Tell whether the database went back, and put back in it what the journal knows was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from filmgate.domain.ids import new_id
from filmgate.infrastructure.database import Database, Record, Session, changed
from filmgate.infrastructure.journal import KEPT, Sent
from filmgate.infrastructure.queue import Step, enqueue

_REASON = "the database went back to before it was sent"
_SENT_AGAIN = "the journal shows that the video was sent again after this"
_WRITER = "restore guard"
# Of a provider that is no longer set up nobody knows how soon its silence is proof.
_LONG = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known beside the database: the journal, by its mark, and the last send of each video in it.

    ``quiet`` says for each provider how long after a send its absence there proves nothing yet.
    """

    mark: str
    sends: Sequence[Sent]
    quiet: Mapping[str, timedelta]


@dataclass(frozen=True, slots=True)
class Finding:
    """One send that the database had forgotten, and how it stands now."""

    attempt_id: str
    video_id: str
    account: str
    provider_model: str
    sent_at: datetime
    provider_job_id: str | None
    outcome: str
    state: str | None
    released: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """Whether the database went back, and how far: ``everything`` where the journal does not say it all."""

    went_back: bool
    everything: bool
    epoch: int


class RestoreRepository:
    """Compare the database with what was noted beside it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def incarnation(self) -> str:
        """Return what differs whenever the database may have been exchanged."""
        return str(await self._database.value("SELECT database_incarnation()"))

    async def stopped(self) -> Mapping[str, int]:
        """Return the accounts that nothing is sent to, and how many sends each waits for."""
        rows = await self._database.fetch("SELECT account, sends FROM stopped_accounts ORDER BY account")
        return {row["account"]: row["sends"] for row in rows}

    async def findings(self) -> Sequence[Finding]:
        """Return every send that the database had forgotten, the oldest first."""
        rows = await self._database.fetch(
            """
            SELECT r.attempt_id, r.video_id, r.account, r.provider_model, r.sent_at, r.provider_job_id,
                   r.outcome, a.state, r.released_at IS NOT NULL AS released
            FROM restored_sends r LEFT JOIN attempts a ON a.id = r.attempt_id
            ORDER BY r.epoch, r.sent_at, r.attempt_id
            """
        )
        return [Finding(**dict(row)) for row in rows]

    async def release(self) -> int:
        """Let sending go on although sends are not settled, and return how many those are."""
        tag = await self._database.execute(
            """
            UPDATE restored_sends r SET released_at = now() FROM attempts a
            WHERE a.id = r.attempt_id AND r.released_at IS NULL AND a.state IN ('unknown', 'parked')
            """
        )
        return changed(tag)

    async def without_job(self, sends: Sequence[Sent]) -> Sequence[Sent]:
        """Return those of these sends whose job the database does not know."""
        rows = await self._database.fetch(
            """
            SELECT id FROM attempts
            WHERE id = ANY($1::text[]) AND provider_job_id IS NULL
              AND state IN ('sending', 'unknown', 'parked', 'not_created')
            """,
            [sent.attempt_id for sent in sends],
        )
        wanted = {row["id"] for row in rows}
        return [sent for sent in sends if sent.attempt_id in wanted]

    async def examine(self, evidence: Evidence) -> int:
        """Hold for sent whatever may have been, if the database went back; return how many sends that is.

        Harmless when repeated, and done by one process at a time.
        """
        async with self._database.transaction() as session:
            guard = await _lock_guard(session)
            missing = await _missing(session, evidence.sends)
            held = _judge(guard, evidence.mark, missing)
            found = [*await _put_back(session, missing, held, evidence)]
            if held.everything:
                found += await _hold_waiting(session, held, evidence)
            await session.execute(
                """
                UPDATE restore_guard
                SET identity = coalesce(database_identity(), identity), journal = $1, epoch = $2,
                    seen_at = now()
                """,
                evidence.mark,
                held.epoch,
            )
            await enqueue(session, Step.RECONCILE, [name for name, state in found if state == "unknown"])
        return len(found)


async def _lock_guard(session: Session) -> Record:
    await session.execute("INSERT INTO restore_guard DEFAULT VALUES ON CONFLICT DO NOTHING")
    row = await session.row(
        """
        SELECT identity, journal, epoch, identity <> database_identity() AS moved,
               greatest(seen_at, (SELECT max(seen_at) FROM workers)) < now() - $1::interval AS old
        FROM restore_guard FOR UPDATE
        """,
        KEPT,
    )
    assert row is not None
    return row


def _judge(guard: Record, mark: str, missing: Sequence[Sent]) -> _Held:
    """Say what the signs mean.

    Another branch of history alone is no harm where the journal is the one that belongs to this database: it
    shows that nothing was sent which the database has forgotten.
    """
    trusted = guard["journal"] in (None, mark)
    everything = bool(guard["moved"] and not trusted) or bool(missing and guard["old"])
    went_back = everything or bool(missing)
    return _Held(went_back, everything, guard["epoch"] + went_back)


async def _missing(session: Session, sends: Sequence[Sent]) -> Sequence[Sent]:
    rows = await session.fetch(
        """
        SELECT id FROM unnest($1::text[]) AS n (id)
        WHERE NOT EXISTS (SELECT 1 FROM attempts a WHERE a.id = n.id)
          AND NOT EXISTS (SELECT 1 FROM restored_sends r WHERE r.attempt_id = n.id)
        """,
        [sent.attempt_id for sent in sends],
    )
    names = {row["id"] for row in rows}
    return [sent for sent in sends if sent.attempt_id in names]


async def _put_back(
    session: Session, missing: Sequence[Sent], held: _Held, evidence: Evidence
) -> Sequence[tuple[str, str]]:
    """Write forgotten sends down again, each with its own id; return which, and the states they are in."""
    if not missing:
        return []
    sends = await _with_free_jobs(session, missing)
    videos = [sent.video_id for sent in sends]
    await session.fetch(
        "SELECT 1 FROM videos WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE", videos
    )
    # Whoever sent a video again had proof, or an operator's word, about the send before: that it had made
    # nothing, or that its job had failed at no charge.
    await session.execute(
        """
        UPDATE attempts
        SET state = CASE state WHEN 'accepted' THEN 'failed' ELSE 'not_created' END, reason = $2,
            ended_at = now(), next_poll_at = NULL
        WHERE video_id = ANY($1::text[]) AND (
            state IN ('sending', 'unknown', 'parked') OR (state = 'accepted' AND sent_by <> $3))
        """,
        videos,
        _SENT_AGAIN,
        _WRITER,
    )
    found = await _insert(session, sends, [evidence.quiet.get(sent.provider, _LONG) for sent in sends])
    await _note(session, sends, dict(found), held.epoch)
    return found


async def _with_free_jobs(session: Session, sends: Sequence[Sent]) -> Sequence[Sent]:
    """Return the sends, without those jobs that another attempt is bound to already."""
    rows = await session.fetch(
        """
        SELECT a.account, a.provider_job_id FROM unnest($1::text[], $2::text[]) AS n (account, job)
        JOIN attempts a ON (a.account, a.provider_job_id) = (n.account, n.job)
        """,
        [sent.account for sent in sends],
        [sent.job_id for sent in sends],
    )
    bound: set[tuple[str, str | None]] = {(row["account"], row["provider_job_id"]) for row in rows}
    free: list[Sent] = []
    for sent in sends:
        job = (sent.account, sent.job_id)
        free.append(replace(sent, job_id=None) if job in bound else sent)
        bound |= {job} if sent.job_id is not None else set()
    return free


async def _insert(
    session: Session, sends: Sequence[Sent], quiet: Sequence[timedelta]
) -> Sequence[tuple[str, str]]:
    """Write the sends down; of one to another model than the video now has, only a job id can tell.

    ``quiet`` says for each how long after it its absence proves nothing.
    """
    rows = await session.fetch(
        """
        WITH n AS (
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                                 $6::timestamptz[], $7::text[], $8::interval[])
            AS n (attempt, video, account, provider, model, at, job, quiet)
        ),
        moved AS (
            UPDATE videos v
            SET status = 'in_progress', started_at = coalesce(v.started_at, n.at), attempts = v.attempts + 1,
                admitted_at = coalesce(v.admitted_at, now())
            FROM n
            WHERE v.id = n.video AND v.status IN ('queued', 'in_progress') AND NOT EXISTS (
                SELECT 1 FROM attempts a WHERE a.video_id = v.id
                AND a.state IN ('sending', 'accepted', 'succeeded', 'unknown', 'parked'))
            RETURNING v.id, v.attempts, v.price_micros,
                      (v.provider, v.provider_model) = (n.provider, n.model) AS same
        )
        INSERT INTO attempts (
            id, video_id, ordinal, provider, provider_model, account, state, body, sent_by, sent_at,
            lease_until, quiet_at, price_micros, provider_job_id, accepted_at, next_poll_at, reason)
        SELECT n.attempt, m.id, m.attempts, n.provider, n.model, n.account,
               CASE WHEN n.job IS NOT NULL THEN 'accepted' WHEN m.same THEN 'unknown' ELSE 'parked' END,
               '', $9, n.at, n.at + n.quiet, n.at + n.quiet, m.price_micros, n.job,
               CASE WHEN n.job IS NOT NULL THEN n.at END, CASE WHEN n.job IS NOT NULL THEN now() END, $10
        FROM moved m JOIN n ON n.video = m.id
        RETURNING id, state
        """,
        [sent.attempt_id for sent in sends],
        [sent.video_id for sent in sends],
        [sent.account for sent in sends],
        [sent.provider for sent in sends],
        [sent.provider_model for sent in sends],
        [sent.at for sent in sends],
        [sent.job_id for sent in sends],
        list(quiet),
        _WRITER,
        _REASON,
    )
    return [(row["id"], row["state"]) for row in rows]


async def _note(session: Session, sends: Sequence[Sent], states: Mapping[str, str], epoch: int) -> None:
    outcomes = {"accepted": "adopted", "unknown": "looked_for", "parked": "parked"}
    await session.execute(
        """
        INSERT INTO restored_sends (
            attempt_id, video_id, account, provider_model, sent_at, provider_job_id, outcome, epoch)
        SELECT *, $8 FROM unnest(
            $1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[])
        ON CONFLICT (attempt_id) DO NOTHING
        """,
        [sent.attempt_id for sent in sends],
        [sent.video_id for sent in sends],
        [sent.account for sent in sends],
        [sent.provider_model for sent in sends],
        [sent.at for sent in sends],
        [sent.job_id for sent in sends],
        [outcomes.get(states.get(sent.attempt_id, ""), "lost") for sent in sends],
        epoch,
    )


async def _hold_waiting(session: Session, held: _Held, evidence: Evidence) -> Sequence[tuple[str, str]]:
    """Hold every waiting video for sent: nothing tells which of them were."""
    rows = await session.fetch(
        """
        SELECT id, lane, provider, provider_model, created_at, now() AS now FROM videos
        WHERE status = 'queued' AND provider = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE
        """,
        list(evidence.quiet),
    )
    sends = [
        Sent(
            new_id("att"),
            row["id"],
            row["lane"],
            row["provider"],
            row["provider_model"],
            row["created_at"],
        )
        for row in rows
    ]
    # Any of them may have been sent up to now.
    quiet = [row["now"] - row["created_at"] + evidence.quiet[row["provider"]] for row in rows]
    found = await _insert(session, sends, quiet)
    await _note(session, sends, dict(found), held.epoch)
    return found
