"""Durations and sizes as the models have them: each reads a text with units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from sbxcompose.spec import schema_patterns
from sbxcompose.spec.fields import wrong
from sbxcompose.spec.units import DURATION_PATTERN, BadUnit, parse_duration, parse_size


def _with_unit(parse: Callable[[str], float]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is int or type(value) is float:
            value = f"{value}"
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except BadUnit as error:
            raise wrong(error.message, error.hint) from None

    return read


def _unit_schema(pattern: str, examples: list[str], *, zero: bool) -> WithJsonSchema:
    text = {"type": "string", "pattern": pattern, "examples": examples}
    return WithJsonSchema({"anyOf": [text, {"const": 0}]} if zero else text)


_DURATIONS = ["500ms", "5s", "1m30s", "1h"]
_IN_SECONDS = BeforeValidator(_with_unit(parse_duration))
Duration = Annotated[float, _IN_SECONDS, _unit_schema(DURATION_PATTERN, _DURATIONS, zero=True)]
"""Seconds."""


def _positive(value: float) -> float:
    if value <= 0:
        raise wrong("it must be more than zero")
    return value


def _measurable(value: float) -> float:
    if 0 < value < 0.001:
        raise wrong("it must be at least 1ms", "times between checks are counted in milliseconds")
    return _positive(value)


def _whole(seconds: float) -> float:
    if seconds != int(seconds):
        raise wrong("it must be whole seconds", "write it like `90s`, `10m` or `1h30m`")
    return seconds


MeasurableDuration = Annotated[
    float,
    _IN_SECONDS,
    AfterValidator(_measurable),
    _unit_schema(schema_patterns.MEASURABLE_DURATION, _DURATIONS, zero=False),
]
"""Seconds, a thousandth of one at least."""
WholeSeconds = Annotated[
    float, _IN_SECONDS, AfterValidator(_whole), _unit_schema(schema_patterns.WHOLE_SECONDS, ["10m", "1h"], zero=True)
]
PositiveSize = Annotated[
    int,
    BeforeValidator(_with_unit(parse_size)),
    AfterValidator(_positive),
    _unit_schema(schema_patterns.POSITIVE_SIZE, ["512mb", "2gb"], zero=False),
]
"""Bytes."""
