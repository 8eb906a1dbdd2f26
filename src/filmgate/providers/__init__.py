"""Hold one file per vendor; the table names where each is found."""

from collections.abc import Mapping

PROVIDERS: Mapping[str, str] = {
    "embedded": "filmgate.providers.embedded:Embedded",
}
