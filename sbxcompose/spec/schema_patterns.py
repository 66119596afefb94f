"""Regular expressions of the JSON schema for texts that the models read with code; pure.

Editors evaluate them as ECMAScript does: without flags, groups with names, or lookbehind. Where one cannot say all that
a model says, it refuses nothing that people write; `tests/unit/spec/test_spec_schema_verdicts.py` lists what is left.
"""

from __future__ import annotations

from sbxcompose import signals
from sbxcompose.spec.units import DURATION_PATTERN

_AT_LEAST_1MS = (
    r"(?=(.*[a-z\u00b5\u03bc])?0*([1-9]\d*(\.\d+)?(ms|[wdhms])|\.\d{0,2}[1-9]\d*(w|d|h|m(?!s)|s)"
    r"|[1-9]\d{3,}(\.\d+)?[u\u00b5\u03bc]s))"
)
MEASURABLE_DURATION = DURATION_PATTERN.replace("^", f"^{_AT_LEAST_1MS}", 1)
"""A duration of at least a millisecond, in one of its parts."""
WHOLE_SECONDS = (
    r"^(0|(?=.)(\d{1,18}(\.\d\d?)?w)?(\d{1,18}(\.\d\d?)?d)?(\d{1,18}(\.\d\d?)?h)?(\d{1,18}(\.\d)?m(?!s))?"
    r"(\d{1,18}(\.0{1,9})?s)?(\d{1,15}000ms)?)$"
)
POSITIVE_SIZE = r"^(?=.*[1-9])\d{1,18}(\.\d{1,9})? ?([kKmMgGtT][iI]?[bB]?|[bB])$"
NOT_BLANK = r"\S"
ONE_LINE = r"^\s*[^\n]*\s*$"
USER = r"^[^\s:/]+(:[^\s:/]+)?$"
INSIDE = r"^(?!/|\.\.(/|$))"
"""A path that does not begin outside of the folder that it is relative to."""
NO_STAR = r"^[^*]+$"
MOUNT = r"^[^:]+:/[^:]*(:(ro|rw))?$"
VARIABLE = r"^[^=]+$"
VARIABLE_NAME = r"^[^=\s]+$"


def signal_names() -> list[str]:
    """Return the names that editors offer."""
    return sorted(signals.BY_NAME, key=signals.BY_NAME.__getitem__)


def _signal() -> str:
    short = [name.removeprefix("SIG") for name in signal_names()]
    upper, lower = "|".join(short), "|".join(name.lower() for name in short)
    return rf"^((SIG)?({upper})|(sig)?({lower})|0*([1-9]|[1-5]\d|6[0-4]))$"


SIGNAL = _signal()
"""A name with or without SIG, or a number in quotes."""
