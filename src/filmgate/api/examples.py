"""Hold the examples of the API's documentation; a test decodes each with the struct it stands for."""

from typing import Any, Final

from filmgate.api.face import VIDEOS_PATH

JOB: Final = "job_01k7m3z9f4t8q2v6x0c5b1n7dh"
OTHER_JOB: Final = "job_01k7m3z9f4t8q2v6x0c5b1n7dj"
BATCH: Final = "batch_01k7m3z9f4t8q2v6x0c5b1n7dk"
_MADE: Final = "2025-10-16T10:00:00Z"
_DONE: Final = "2025-10-16T10:04:32Z"
_PROMPT: Final = "A serene lake at sunset with mountains in the background"
_FREE: Final = {"amount": "0.00", "currency": "USD"}


def _link(variant: str) -> str:
    signed = "expires=1760695200&signature=q3m0N8"
    return f"https://films.example.com{VIDEOS_PATH}/{JOB}/content?variant={variant}&{signed}"


VIDEO_CREATE: Final = {
    "prompt": _PROMPT,
    "duration": 5,
    "resolution": "1920x1080",
    "aspect_ratio": "16:9",
    "model": "sora-1.0",
    "webhookUrl": "https://example.com/webhook",
}
VIDEO_CREATE_FULL: Final = VIDEO_CREATE | {
    "seed": 42,
    "negativePrompt": "text, logos",
    "audio": True,
    "metadata": {"shot": "12b"},
    "priority": 10,
    "strict": False,
    "maxCost": "0.50",
}
VIDEO_ACCEPTED: Final[dict[str, Any]] = {
    "jobId": JOB,
    "status": "pending",
    "createdAt": _MADE,
    "estimatedCompletionTime": "2025-10-16T10:05:00Z",
    "model": "sora-1.0",
    "provider": "embedded",
    "estimatedCost": _FREE,
}
BATCH_CREATE: Final[dict[str, Any]] = {
    "videos": [
        {"prompt": "A serene lake at sunset", "duration": 5, "resolution": "1920x1080"},
        {"prompt": "A bustling city street", "duration": 3, "resolution": "1920x1080"},
    ],
    "webhookUrl": "https://example.com/webhook",
}
BATCH_ACCEPTED: Final[dict[str, Any]] = {
    "batchId": BATCH,
    "totalVideos": 2,
    "status": "processing",
    "jobs": [{"jobId": JOB, "status": "pending"}, {"jobId": OTHER_JOB, "status": "pending"}],
    "createdAt": _MADE,
    "estimatedCost": _FREE,
}
VIDEO_COMPLETED: Final[dict[str, Any]] = {
    "jobId": JOB,
    "status": "completed",
    "progress": 100,
    "createdAt": _MADE,
    "completedAt": _DONE,
    "result": {
        "videoUrl": _link("video"),
        "thumbnailUrl": _link("thumbnail"),
        "spritesheetUrl": _link("spritesheet"),
        "duration": 5,
        "resolution": "1920x1080",
        "fileSize": 15728640,
    },
    "model": "sora-1.0",
    "provider": "embedded",
    "providerModel": "gradient-1",
    "batchId": None,
    "prompt": _PROMPT,
    "requested": {"model": "sora-1.0", "duration": 5, "resolution": "1920x1080", "aspect_ratio": "16:9"},
    "sent": {"seconds": 5, "size": "1920x1080", "seed": 42, "audio": True, "negativePrompt": None},
    "delivered": {
        "seconds": 5,
        "size": "1920x1080",
        "fps": 24,
        "videoCodec": "h264",
        "audioCodec": "aac",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    "adjustments": [],
    "derivedFrom": None,
    "attempts": 1,
    "estimatedCost": _FREE,
    "cost": _FREE,
    "error": None,
    "metadata": {"shot": "12b"},
}
VIDEO_PROCESSING: Final[dict[str, Any]] = VIDEO_COMPLETED | {
    "status": "processing",
    "progress": 61,
    "completedAt": None,
    "result": None,
    "delivered": None,
}
VIDEO_FAILED: Final[dict[str, Any]] = VIDEO_PROCESSING | {
    "status": "failed",
    "completedAt": _DONE,
    "error": {
        "code": "content_policy",
        "message": "The provider declined the prompt (celebrity likeness).",
        "saidBy": "runway",
        "charged": False,
        "action": "Change the prompt, or ask for another model.",
    },
}
VIDEO_PAGE: Final[dict[str, Any]] = {"videos": [VIDEO_COMPLETED], "nextCursor": JOB}
VIDEO_RESULT: Final[dict[str, Any]] = {
    **VIDEO_COMPLETED["result"],
    "metadata": {"prompt": _PROMPT, "model": "sora-1.0", "createdAt": _MADE},
}
VIDEO_CANCELLED: Final[dict[str, Any]] = {
    "jobId": JOB,
    "status": "cancelled",
    "message": "Job successfully cancelled. It had not been sent to a provider; nothing is charged.",
}
BATCH_PROCESSING: Final[dict[str, Any]] = {
    "batchId": BATCH,
    "name": "Autumn campaign",
    "totalVideos": 2,
    "status": "processing",
    "progress": 50,
    "counts": {"pending": 0, "processing": 1, "completed": 1, "failed": 0, "cancelled": 0},
    "createdAt": _MADE,
    "completedAt": None,
    "estimatedCost": _FREE,
    "cost": _FREE,
    "maxCost": None,
}
BATCH_CANCELLED: Final[dict[str, Any]] = BATCH_PROCESSING | {
    "status": "completed",
    "progress": 100,
    "counts": {"pending": 0, "processing": 0, "completed": 1, "failed": 0, "cancelled": 1},
    "completedAt": _DONE,
}
BATCH_PAGE: Final[dict[str, Any]] = {"batches": [BATCH_PROCESSING], "nextCursor": None}
MODEL_LIST: Final[dict[str, Any]] = {
    "models": [
        {
            "name": "sora-1.0",
            "alias": True,
            "targets": [
                {
                    "provider": "embedded",
                    "model": "gradient-1",
                    "title": "Built-in renderer",
                    "sizes": ["1280x720", "1920x1080"],
                    "minSeconds": 1,
                    "maxSeconds": 20,
                    "secondsStep": None,
                    "inputReference": True,
                    "needsInputReference": False,
                    "audio": True,
                    "alwaysAudio": False,
                    "seed": True,
                    "negativePrompt": False,
                    "maxPrompt": 4000,
                    "pricePerSecond": _FREE,
                    "pricePerSecondBySize": {},
                    "pricePerSecondWithoutAudio": None,
                    "priceSource": "runs on this machine",
                    "priceDate": "2025-10-16",
                    "retiresOn": None,
                    "warning": None,
                }
            ],
        }
    ]
}
_USED: Final[dict[str, Any]] = {
    "videos": 12,
    "completed": 9,
    "failed": 1,
    "held": {"amount": "1.28", "currency": "USD"},
    "charged": {"amount": "5.76", "currency": "USD"},
    "released": {"amount": "0.64", "currency": "USD"},
    "unknown": {"amount": "0.64", "currency": "USD"},
}
USAGE: Final[dict[str, Any]] = {
    "by": "model",
    "since": "2025-10-01T00:00:00Z",
    "until": "2025-11-01T00:00:00Z",
    "groups": [_USED | {"group": "sora-2"}],
    "total": _USED,
}
ALIVE: Final[dict[str, Any]] = {"status": "ok", "timestamp": _MADE, "version": "1.0.0"}
READY: Final[dict[str, Any]] = {
    "status": "ready",
    "timestamp": _MADE,
    "version": "1.0.0",
    "parts": {
        "database": {"ok": True, "state": "reachable", "detail": None},
        "storage": {"ok": True, "state": "writable", "detail": None},
        "migrations": {"ok": True, "state": "up to date", "detail": "schema 3"},
        "engine": {"ok": True, "state": "working", "detail": "1 worker"},
    },
}
UNREADY: Final[dict[str, Any]] = READY | {
    "status": "unavailable",
    "parts": READY["parts"]
    | {"database": {"ok": False, "state": "unavailable", "detail": "The database cannot be reached."}},
}
