"""Make films with the models that Replicate hosts.

A create is one prediction. Predictions can be listed with their inputs, and every input of ours holds a
seed of its own where the model takes one, so a create whose answer was lost is found again, or proven not to
exist (evidence class B).

What a prediction that came to nothing costs (Replicate's page on billing): one that was cancelled is charged
for the time that it ran, one that was aborted before it began costs nothing; of failed ones it is not said.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from filmgate.domain.errors import RefusalKind, Refused
from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import CancelOutcome, JobState, Lookup, Order, Progress, ProviderJob
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.answers import listing, mapping
from filmgate.infrastructure.http import WireTrouble, origin_of
from filmgate.infrastructure.signatures import SignatureRefused, check_standard
from filmgate.providers.asking import LIST_FROM
from filmgate.providers.probing import FreeCalls
from filmgate.providers.queue_api import (
    Candidate,
    Fields,
    endpoint_of,
    fields_of,
    is_ours,
    judge,
    moment_of,
    reaches_back,
    written,
)
from filmgate.providers.task_api import (
    Account,
    Answer,
    Film,
    Notice,
    Reader,
    TaskApi,
    hook_url,
    refuse,
    said,
    state_of,
)

BASE_URL = "https://api.replicate.com/v1"
# Replicate stops a prediction by itself after this, so that one we have lost cannot wait for ever.
CANCEL_AFTER = "1h"
_PAGES = 20
_STATES: Mapping[str, JobState] = {
    "starting": JobState.PENDING,
    "processing": JobState.PROCESSING,
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "canceled": JobState.CANCELLED,
    "aborted": JobState.CANCELLED,
}
_PERCENT = re.compile(r"(\d{1,3})%\|")
# Replicate has no code for moderation; its sentence and the number E005 tell.
_SENSITIVE = re.compile(r"\bE005\b|flagged as sensitive|\bNSFW\b", re.IGNORECASE)

# How models want their inputs, as Replicate's pages of the models list them. Others are added in
# filmgate.toml, and are written like these unless it says otherwise.
_GOOGLE = {"image": "image", "seconds_as": "int"}
MODELS: Mapping[str, Fields] = {
    name: fields_of(name, _GOOGLE) for name in ("google/veo-3.1", "google/veo-3.1-fast")
}


def connect(account: Account, guard: AddressGuard) -> TaskApi:
    """Return Replicate as a provider."""
    return TaskApi(ReplicateWire(account), guard)


class ReplicateWire:
    """Translate to and from Replicate's predictions."""

    # Sends die within 65 s, and the list is taken to lag by minutes at most.
    quiet_seconds = 600.0

    evidence = "B"

    def __init__(self, account: Account) -> None:
        self.name = account.name or "replicate"
        self.polling = PollTerms(list_from=LIST_FROM, called_back=account.callback_url is not None)
        self._account = account
        self._base = (account.base_url or BASE_URL).rstrip("/").removesuffix("/v1") + "/v1"
        self._own = {name: fields_of(name, {**_GOOGLE, **table}) for name, table in account.fields.items()}

    def headers(self) -> Mapping[str, str]:
        """Return the token."""
        return {"Authorization": f"Bearer {self._account.key or ''}"}

    def create_headers(self, order: Order) -> Mapping[str, str]:
        """Return the deadline."""
        return {"Cancel-After": CANCEL_AFTER}

    def _fields(self, model: str) -> Fields:
        return self._own.get(model) or MODELS.get(model) or fields_of(model, _GOOGLE)

    def create(self, order: Order) -> bytes:
        """Return a prediction's input, and where to call back."""
        body: dict[str, Any] = {"input": written(self._fields(order.model), order)}
        hook = hook_url(self._account, self.name, order)
        if hook is not None:
            body |= {"webhook": hook, "webhook_events_filter": ["start", "completed"]}
        return msgspec.json.encode(body)

    def create_url(self, order: Order) -> str:
        """Return where predictions of the model are made."""
        endpoint = endpoint_of(self._fields(order.model), order)
        return f"{self._base}/models/{quote(endpoint)}/predictions"

    def created(self, answer: Mapping[str, Any]) -> str | None:
        """Return the prediction's id."""
        job_id = answer.get("id")
        return job_id if isinstance(job_id, str) and job_id else None

    def refusal(self, answer: Answer) -> Refused:
        """Sort a refusal; problem details carry no code, so the status and the sentence decide."""
        reason = said(answer)
        if answer.status in {400, 422} and reason is not None and _SENSITIVE.search(reason):
            return Refused(RefusalKind.POLICY, reason)
        return refuse(answer, self.name, {})

    def job_url(self, job: ProviderJob) -> str:
        """Return where a prediction is read."""
        return f"{self._base}/predictions/{quote(job.id, safe='')}"

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how a prediction stands; the percentage is the last one in its log."""
        body = answer.mapping()
        if not answer.ok or "status" not in body:
            return None
        state = state_of(body["status"], _STATES)
        match state:
            case JobState.FAILED:
                return _failed(body.get("error"))
            case JobState.CANCELLED:
                late = body["status"] == "aborted"
                reason = "Replicate did not begin within the hour; nothing is charged." if late else None
                charged = not late and body.get("started_at") is not None
                return Progress(state, reason=reason, code="expired" if late else None, charged=charged)
            case _:
                return Progress(state, percent=_percent(body.get("logs")))

    def film(self, answer: Answer, job: ProviderJob) -> Film | None:
        """Return the output, or the first of several; the token is not sent there."""
        output = answer.mapping().get("output")
        first = output if isinstance(output, str) else next(iter(listing(output)), None)
        return Film(first) if isinstance(first, str) and first else None

    def cancel_call(self, job: ProviderJob) -> tuple[str, str] | None:
        """Return the call that stops a prediction."""
        return "POST", f"{self.job_url(job)}/cancel"

    def cancelled(self, answer: Answer) -> CancelOutcome:
        """Read what the prediction says now: one that had begun is charged for the time it ran."""
        body = answer.mapping()
        if not answer.ok:
            return CancelOutcome(stopped=False, charged=None)
        match body.get("status"):
            case "canceled":
                return CancelOutcome(stopped=True, charged=body.get("started_at") is not None)
            case "aborted":
                return CancelOutcome(stopped=True, charged=False)
            case "succeeded":
                return CancelOutcome(stopped=False, charged=True)
            case _:
                return CancelOutcome(stopped=False, charged=None)

    async def find_lost(self, reader: Reader, order: Order, sent_at: datetime) -> Lookup:
        """Compare the predictions since the send with what was asked."""
        found: list[Candidate] = []
        url: str | None = f"{self._base}/predictions"
        for _ in range(_PAGES):
            page = await self._page(reader, url)
            rows = [mapping(row) for row in listing(page.get("results"))]
            for row in rows:
                candidate = await self._candidate(reader, order, row)
                if candidate is not None:
                    found.append(candidate)
            url = self._next(page)
            if url is None or reaches_back((moment_of(row.get("created_at")) for row in rows), sent_at):
                return judge(found, sent_at, self.quiet_seconds, complete=True)
        return judge(found, sent_at, self.quiet_seconds, complete=False)

    async def _page(self, reader: Reader, url: str | None) -> dict[str, Any]:
        answer = await reader.get(url or "")
        page = answer.mapping()
        if not answer.ok or not isinstance(page.get("results"), list):
            raise WireTrouble(f"{self.name} answered the listing with {answer.status}")
        return page

    def _next(self, page: Mapping[str, Any]) -> str | None:
        """Return the next page; the token goes nowhere but to the account's own host."""
        url = page.get("next")
        if not isinstance(url, str) or not url:
            return None
        if origin_of(url) != origin_of(self._base):
            raise WireTrouble(f"{self.name} continues its listing elsewhere")
        return url

    async def _candidate(self, reader: Reader, order: Order, row: Mapping[str, Any]) -> Candidate | None:
        """Return a listed prediction that may be ours; one whose input is not shown is asked for."""
        fields = self._fields(order.model)
        moment, job_id = moment_of(row.get("created_at")), row.get("id")
        if moment is None or not isinstance(job_id, str) or row.get("model") != endpoint_of(fields, order):
            return None
        shown = row
        if not mapping(row.get("input")) and not row.get("data_removed"):
            shown = (await reader.get(f"{self._base}/predictions/{quote(job_id, safe='')}")).mapping()
        given = mapping(shown.get("input"))
        if not given:
            # Whose input has been removed cannot be told apart, so it stays in doubt.
            return Candidate(job_id, moment, sure=False)
        return Candidate(job_id, moment) if is_ours(fields, order, given) else None

    def list_urls(self, jobs: Sequence[ProviderJob]) -> Sequence[str]:
        """Return the newest page, which holds a hundred predictions."""
        return [f"{self._base}/predictions"]

    def rows(self, answer: Mapping[str, Any]) -> Sequence[Any]:
        """Return the predictions in a list."""
        return answer["results"]

    async def is_for(self, reader: Reader, answer: Answer, job: ProviderJob, order: Order) -> bool:
        """Compare with the model and the input that the prediction shows, until they are removed."""
        shown, fields = answer.mapping(), self._fields(order.model)
        if shown.get("model") not in {None, endpoint_of(fields, order)}:
            return False
        given = mapping(shown.get("input"))
        return not given or is_ours(fields, order, given)

    async def callback_keys(self, reader: Reader) -> Sequence[bytes]:
        """Ask for the account's secret."""
        answer = await reader.get(f"{self._base}/webhooks/default/secret")
        secret = answer.mapping().get("key")
        if not answer.ok or not isinstance(secret, str) or not secret:
            raise WireTrouble(f"{self.name} did not give its webhook secret")
        return [secret.encode()]

    def read_callback(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime
    ) -> Notice:
        """Check a callback and say which prediction it is about."""
        return verify_webhook(headers, body, keys[0].decode(), now)

    def free_calls(self) -> FreeCalls:
        """Return the listing of predictions, and the page of each model."""
        return FreeCalls(
            f"{self._base}/predictions",
            ("results",),
            model=lambda model: f"{self._base}/models/{quote(self._fields(model).endpoint)}",
        )


def verify_webhook(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> Notice:
    """Return what a callback proves, or raise SignatureRefused; the body is a prediction.

    It may come twice or late: ``delivery`` tells repetitions, and how the job stands is asked anyway.
    """
    delivery = check_standard(headers, body, secret, now)
    job_id = Answer(200, {}, body).mapping().get("id")
    if not isinstance(job_id, str) or not job_id:
        raise SignatureRefused("the callback names no prediction")
    return Notice(job_id, delivery)


def _percent(logs: object) -> int | None:
    found = _PERCENT.findall(logs) if isinstance(logs, str) else []
    return min(int(found[-1]), 100) if found else None


def _failed(error: object) -> Progress:
    reason = error[:500] if isinstance(error, str) and error else None
    sensitive = reason is not None and _SENSITIVE.search(reason) is not None
    return Progress(JobState.FAILED, reason=reason, code=RefusalKind.POLICY.value if sensitive else None)
