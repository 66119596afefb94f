"""Signals, sockets and JSON for the keeper: the modules of these names took 1.5 of its 5.6 MiB.

The first two make enumerations of their constants, and `json` has regular expressions; the parts written in C, which do
the work, need neither. A socket from here has no `accept`, and `with` does not take it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as signal
    import socket as socket
    from typing import Any, NoReturn
else:
    import _signal as signal  # noqa: F401
    import _socket as socket  # noqa: F401

_SPACE = " \t\n\r"


def dumps(value: Any) -> bytes:
    """Return compact JSON in ASCII, as `json.dumps` makes it. Raises `TypeError` and `ValueError`."""
    return "".join(_encode(value, 0)).encode()


def loads(data: bytes | bytearray) -> Any:
    """Return what `json.loads` makes of UTF-8. Raises `ValueError`."""
    text = data.decode().strip(_SPACE)
    try:
        value, end = _scan(text, 0)
    except StopIteration as error:
        raise ValueError(f"not JSON: nothing begins at character {error.value}") from None
    if end != len(text):
        raise ValueError(f"not JSON: something follows at character {end}")
    return value


class _Scanning:
    """What `json.JSONDecoder` tells the scanner."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = parse_constant = float
    parse_int = int
    memo: dict[str, str]


def _unknown(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _in_c() -> tuple[Any, Any]:
    from _json import encode_basestring_ascii, make_encoder, make_scanner

    scanning: Any = _Scanning()
    # In the order of `json.encoder`: no look for cycles, what other types become, strings, no indentation, separators,
    # keys unsorted and none skipped, NaN allowed.
    encode = make_encoder(None, _unknown, encode_basestring_ascii, None, ":", ",", False, False, True)
    return make_scanner(scanning), encode


def _in_python() -> tuple[Any, Any]:
    import json

    return json.JSONDecoder().raw_decode, lambda value, _level: json.dumps(value, separators=(",", ":"))


try:
    _scan, _encode = _in_c()
except (ImportError, TypeError):  # an interpreter that has them in Python alone, or with other arguments
    _scan, _encode = _in_python()
