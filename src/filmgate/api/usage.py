"""Answer for usage: what videos have cost, as JSON or as a table."""

import csv
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final

from litestar import Request, Response, get

from filmgate.api.answers import encode, price
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_response
from filmgate.api.decoding import decode_query
from filmgate.api.face import face_of
from filmgate.api.inputs import UsageQuery
from filmgate.api.schemas import GroupWord, UsageBody, UsageGroup, UsageSums
from filmgate.domain.budget import UsageLine
from filmgate.services.usage import Usage

CSV_TYPE: Final = "text/csv"
_COUNTS: Final = ("videos", "completed", "failed")
_SUMS: Final = ("held", "charged", "released", "unknown")


@get("/api/v1/usage")
async def retrieve_usage(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Tell what the videos of a span of time have come to."""
    key = await authenticate(request)
    asked = decode_query(request.scope["query_string"], UsageQuery)
    usage = await face_of(request).services.usage.count(key, asked.by, asked.since, asked.until)
    wanted = asked.format or ("csv" if _prefers_csv(request.headers.get("accept", "")) else "json")
    if wanted == "json":
        return json_response(encode(_body(asked.by, usage)), 200, {"vary": "accept"})
    return Response(
        _table(asked.by, usage).encode(),
        media_type=f"{CSV_TYPE}; charset=utf-8; header=present",
        headers={
            "cache-control": "no-store",
            "content-disposition": f'attachment; filename="usage-by-{asked.by}.csv"',
            "vary": "accept",
        },
    )


def _body(by: GroupWord, usage: Usage) -> UsageBody:
    groups = tuple(UsageGroup(**_figures(line), group=line.group) for line in usage.lines)
    return UsageBody(
        by, _moment(usage.since), _moment(usage.until), groups, UsageSums(**_figures(usage.total))
    )


def _figures(line: UsageLine) -> dict[str, Any]:
    counts = {name: getattr(line, name) for name in _COUNTS}
    return counts | {name: price(getattr(line, name)) for name in _SUMS}


def _table(by: GroupWord, usage: Usage) -> str:
    """Return one row a group; the sums are left to whoever reads it."""
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow((by, *_COUNTS, *_SUMS, "currency"))
    for line in usage.lines:
        figures = _figures(line)
        sums = [figures[name].amount for name in _SUMS]
        rows.writerow((_harmless(line.group), *(figures[name] for name in _COUNTS), *sums, "USD"))
    return text.getvalue()


def _harmless(cell: str) -> str:
    # A spreadsheet would take it for a formula.
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def _prefers_csv(accept: str) -> bool:
    """Tell whether CSV is named in an Accept header before JSON and before anything."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in accept.split(",")]
    known = [kind for kind in kinds if kind in {CSV_TYPE, "application/json", "*/*"}]
    return known[:1] == [CSV_TYPE]


def _moment(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
