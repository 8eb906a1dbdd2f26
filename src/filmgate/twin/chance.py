"""Draw what looks random from one seed, so that the same requests always meet the same luck."""

import base64
import math
from dataclasses import dataclass
from hashlib import blake2b, shake_256
from statistics import NormalDist

_NORMAL = NormalDist()
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Chance:
    """Answer every question about luck; the same question always has the same answer."""

    seed: int

    def fraction(self, *key: object) -> float:
        """Return a number from 0 up to, not including, 1."""
        return int.from_bytes(blake2b(self._text(key), digest_size=6).digest()) / 2**48

    def stretched(self, median: float, sigma: float, *key: object) -> float:
        """Return a length of time from a log-normal distribution."""
        place = min(max(self.fraction(*key), 1e-6), 1 - 1e-6)
        return median * math.exp(sigma * _NORMAL.inv_cdf(place))

    def hexadecimal(self, length: int, *key: object) -> str:
        """Return an identifier of hexadecimal digits."""
        return shake_256(self._text(key)).hexdigest((length + 1) // 2)[:length]

    def letters(self, length: int, *key: object) -> str:
        """Return an identifier of small letters and digits."""
        return "".join(_LETTERS[byte % 36] for byte in shake_256(self._text(key)).digest(length))

    def uuid(self, *key: object) -> str:
        """Return an identifier in the shape of a UUID of version 4."""
        digits = self.hexadecimal(32, *key)
        parts = (digits[:8], digits[8:12], "4" + digits[13:16], "a" + digits[17:20], digits[20:])
        return "-".join(parts)

    def secret(self, *key: object) -> str:
        """Return a webhook secret in the form Standard Webhooks gives it."""
        return "whsec_" + base64.b64encode(shake_256(self._text(key)).digest(24)).decode()

    def _text(self, key: tuple[object, ...]) -> bytes:
        return "/".join(map(str, (self.seed, *key))).encode()
