"""Sign links to files, so that a browser can open them without a key."""

import base64
import hashlib
import hmac
import time
from datetime import timedelta

from filmgate.domain.video import Variant

LIFETIME = timedelta(hours=24)
# Links made within the same hour are equal, so that browsers and caches recognise them.
_STEP_SECONDS = 3600


class LinkService:
    """Sign and verify download links: an HMAC over the video, the variant and the time of expiry."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, video_id: str, variant: Variant) -> str:
        """Return the query string that opens one file until it expires."""
        until = int(time.time() + LIFETIME.total_seconds())
        expires = str(until - until % _STEP_SECONDS + _STEP_SECONDS)
        return f"expires={expires}&signature={self._signature(video_id, variant, expires)}"

    def verify(self, video_id: str, variant: Variant, expires: str, signature: str) -> bool:
        """Tell whether a link is ours and has not expired."""
        if not (expires.isascii() and expires.isdigit() and len(expires) < 12 and int(expires) > time.time()):
            return False
        expected = self._signature(video_id, variant, expires)
        return hmac.compare_digest(expected.encode(), signature.encode())

    def _signature(self, video_id: str, variant: Variant, expires: str) -> str:
        message = f"{video_id}.{variant.value}.{expires}".encode()
        digest = hmac.digest(self._secret, message, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
