"""What strangers send, checked against the wire's classes: bytes -> message, or all that is wrong with
them.

The checks follow from the classes' own type hints, so a new field needs nothing here. (A general validation
library doubles the time the server takes to start, and its memory; see docs/decisions.md.)
"""

from __future__ import annotations

import json
import os
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec.structs import fields

from sbxcompose.api.models import Message

M = TypeVar("M", bound=Message)

MAX_MILLIS = 10 * 365 * 24 * 3600 * 1000
LIMITS: Mapping[str, tuple[int, int]] = {
    "port": (1, 65535),
    "exposed_ports": (1, 65535),
    "max_restarts": (0, 2**31),
    "initial_backoff_ms": (0, MAX_MILLIS),
    "max_backoff_ms": (0, MAX_MILLIS),
    "initial_delay_ms": (0, MAX_MILLIS),
    "interval_ms": (1, MAX_MILLIS),
    "timeout_ms": (1, MAX_MILLIS),
    "failure_threshold": (1, 2**31),
    "stop_signal": (1, 64),
    "signal": (1, 64),
    "stop_grace_ms": (0, MAX_MILLIS),
    "up_ms": (0, 2**53),
    "life_ms": (0, 2**53),
    "grace_ms": (0, MAX_MILLIS),
    "timeout_secs": (0, MAX_MILLIS // 1000),
    "max_pending_secs": (0, MAX_MILLIS // 1000),
}
"""What numbers of a name may be, both ends included."""


class Invalid(Exception):
    """The body is not what the route takes. `status` is 400 for what is not JSON, 422 for wrong contents."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


class _Wrong(Exception):
    """A value is not what it should be; the text completes "x must be …"."""


Validator = Callable[[Any], Any]


def decode(body: bytes) -> dict[str, Any]:
    """A body as a JSON object; an empty one is an empty object. Raises `Invalid`."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the body is not JSON: {error}", 400) from None
    if not isinstance(value, dict):
        raise Invalid("the body must be a JSON object")
    return value


def read(cls: type[M], body: Mapping[str, Any]) -> M:
    """The message that a decoded body stands for; unknown fields are ignored, as the contract has it.

    Raises `Invalid` that names every mistake.
    """
    mistakes: list[str] = []
    message = _message(cls, body, "", mistakes)
    if mistakes:
        raise Invalid("; ".join(mistakes))
    assert isinstance(message, cls)
    return message


def text(value: str) -> str:
    """A string that the operating system can take, as an argument or a path. Raises `ValueError`."""
    if "\0" in value:
        raise ValueError("has a NUL character, which no program can be given")
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise ValueError("contains an unpaired surrogate") from None
    return value


def _message(cls: type, body: Mapping[str, Any], prefix: str, mistakes: list[str]) -> Any:
    checks, required = _plan(cls)
    mistakes += [f"{prefix}{name} is missing" for name in required if body.get(name) is None]
    values: dict[str, Any] = {}
    for name, check in checks.items():
        value = body.get(name)
        if value is None:
            continue  # null stands for the default
        try:
            values[name] = check(value)
        except _Wrong as wrong:
            mistakes.append(f"{prefix}{name} must be {wrong}")
        except Invalid as nested:
            mistakes += [f"{prefix}{name}.{each}" for each in str(nested).split("; ")]
        except ValueError as error:
            mistakes.append(f"{prefix}{name} {error}")
    return None if mistakes else cls(**values)


@cache
def _plan(cls: type) -> tuple[dict[str, Validator], tuple[str, ...]]:
    hints = get_type_hints(cls)
    own = fields(cls)
    checks = {each.name: _check(hints[each.name], each.name) for each in own}
    return checks, tuple(each.name for each in own if each.required)


def _check(hint: Any, name: str) -> Validator:
    """The check for a type: gives the value back, or raises what is wrong with it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _either([_check(each, name) for each in arguments if each is not type(None)])
    if origin is Literal:
        return _one_of(arguments)
    if origin is list:
        return _list_of(_check(arguments[0], name))
    if origin is dict:
        return _dict_of(_check(arguments[1], name))
    if isinstance(hint, type) and issubclass(hint, Message):
        return lambda value: _nested(hint, value)
    if hint is int:
        return lambda value: _integer(value, name)
    return _SIMPLE[hint]


def _nested(cls: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        raise _Wrong("an object")
    return read(cls, value)


def _integer(value: Any, name: str) -> int:
    low, high = LIMITS.get(name, (-(2**63), 2**63 - 1))
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _Wrong(f"a whole number from {low} to {high}" if name in LIMITS else "a whole number")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("a string")
    return text(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("true or false")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong("a number")
    return value


_SIMPLE: Mapping[Any, Validator] = {str: _string, bool: _boolean, float: _number, Any: lambda value: value}


def _one_of(words: tuple[Any, ...]) -> Validator:
    def check(value: Any) -> Any:
        if value not in words or isinstance(value, bool):
            raise _Wrong("one of " + ", ".join(f"`{each}`" for each in words))
        return value

    return check


def _list_of(check: Validator) -> Validator:
    def check_all(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _Wrong("a list")
        try:
            return [check(each) for each in value]
        except _Wrong as wrong:
            raise _Wrong(f"a list, each entry {wrong}") from None

    return check_all


def _dict_of(check: Validator) -> Validator:
    def check_all(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _Wrong("an object")
        try:
            return {text(key): check(each) for key, each in value.items()}
        except _Wrong as wrong:
            raise _Wrong(f"an object, each value {wrong}") from None

    return check_all


def _either(checks: list[Validator]) -> Validator:
    if len(checks) == 1:
        return checks[0]

    def check(value: Any) -> Any:
        wrongs = []
        for each in checks:
            try:
                return each(value)
            except _Wrong as wrong:
                wrongs.append(str(wrong))
        raise _Wrong(" or ".join(wrongs))

    return check
