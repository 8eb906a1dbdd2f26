"""Name every kind of error that a client can meet: its status, its code, and what it means in general."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of error: its status, its name, and what it means in general."""

    status: int
    code: str
    title: str
    meaning: str


BAD_JSON = Kind(
    400,
    "malformed_json",
    "The body is not valid JSON",
    "The answer names the line, column and byte where reading stopped. Nothing was done.",
)
BAD_REQUEST = Kind(
    400,
    "bad_request",
    "The request cannot be read",
    "The request line, a header or the address is not as HTTP demands. Nothing was done.",
)
BAD_REPEAT = Kind(
    400,
    "invalid_idempotency_key",
    "The Idempotency-Key header cannot be used",
    "A key is 1 to 255 visible ASCII characters, for example a UUID. Nothing was done.",
)
NO_KEY = Kind(
    401,
    "invalid_api_key",
    "A key is needed",
    "Send Authorization: Bearer and a key of this server. Signed links expire; ask again for new ones.",
)
NO_BUDGET = Kind(
    402,
    "budget_exceeded",
    "The budget is used up",
    "It would cost more than may still be spent. Nothing was accepted; raise the budget or ask for less.",
)
NOT_FOUND = Kind(
    404,
    "not_found",
    "Not found",
    "There is no such thing, or it belongs to another key.",
)
NO_MODEL = Kind(
    404,
    "model_not_found",
    "Unknown model",
    "GET /api/v1/models lists every name that can be asked for.",
)
NO_METHOD = Kind(
    405,
    "method_not_allowed",
    "Method not allowed",
    "The Allow header lists what this address takes.",
)
TOO_EARLY = Kind(
    409,
    "video_not_finished",
    "The video is not finished",
    "Ask for its status until it is completed, or give a webhookUrl.",
)
TOO_LATE = Kind(
    409,
    "video_already_final",
    "The video has already ended",
    "A video that is completed or failed cannot be cancelled any more.",
)
STILL_OPEN = Kind(
    409,
    "still_being_created",
    "The same request is being carried out",
    "Another one like it is under way at this moment. Send it again after the seconds in Retry-After.",
)
GONE = Kind(
    410,
    "result_gone",
    "There is no result",
    "The video failed, was cancelled, or its files were removed. It will not come back by itself.",
)
TOO_LARGE = Kind(
    413,
    "body_too_large",
    "The body is too large",
    "Send fewer rows in one batch, or smaller images.",
)
WRONG_TYPE = Kind(
    415,
    "unsupported_media_type",
    "The body must be JSON",
    "Send Content-Type: application/json, in UTF-8 and without a Content-Encoding.",
)
BAD_RANGE = Kind(
    416,
    "range_not_satisfiable",
    "The range lies outside the file",
    "Content-Range says how long the file is.",
)
INVALID = Kind(
    422,
    "invalid_request",
    "The request cannot be carried out as written",
    "Every field in question is listed under problems, with the reason and the mend. Nothing was done.",
)
REUSED = Kind(
    422,
    "idempotency_key_reused",
    "The Idempotency-Key header came before with another request",
    "A key stands for what it was first sent with, for 72 hours. Nothing was done; give a new one.",
)
INTERNAL = Kind(
    500,
    "internal_error",
    "Something went wrong here",
    "The fault is ours. The request id leads to the entry in the server's log.",
)
NOT_KNOWN = Kind(
    503,
    "acceptance_unknown",
    "It is not known whether the request was accepted",
    "The database went away before it said so. With an Idempotency-Key header the same request may be sent "
    "again; without one look at the list first, for it may be there.",
)
COMMIT_UNKNOWN = Kind(
    503,
    "commit_unknown",
    "It is not known whether this was done",
    "The database went away before it said so. It may be asked for again: nothing is done twice.",
)
OVERLOADED = Kind(
    503,
    "overloaded",
    "Too many requests are waiting",
    "Nothing was done. Try again after the seconds in Retry-After.",
)
NO_DATABASE = Kind(
    503,
    "database_unavailable",
    "The database cannot be reached",
    "Nothing was done. Try again after the seconds in Retry-After.",
)
NO_STORAGE = Kind(
    503,
    "storage_unavailable",
    "The asset store cannot be reached",
    "Nothing was done. Try again after the seconds in Retry-After.",
)
STORAGE_FULL = Kind(
    503,
    "storage_full",
    "The asset store is full",
    "Nothing was done. The operator must make room; then try again.",
)
UNAVAILABLE = Kind(
    503,
    "service_unavailable",
    "Not available right now",
    "Nothing was done. Try again after the seconds in Retry-After.",
)
