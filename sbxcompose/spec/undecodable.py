"""Cache entries with text that is not UTF-8: a project in such a directory, or such a value of a variable.

MessagePack has UTF-8 alone. In Python a lone surrogate stands for an undecodable byte; here it is written as one of the
last characters of a private-use area. Imported only for such projects.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from msgspec import convert, msgpack, to_builtins

T = TypeVar("T")

_SURROGATES: Final = range(0xDC80, 0xDD00)
_FIRST: Final = 0xFFF80
"""From here on characters stand for the bytes from 0x80 on."""
_ESCAPES: Final = {surrogate: _FIRST + index for index, surrogate in enumerate(_SURROGATES)}
_BYTES: Final = {stand_in: surrogate for surrogate, stand_in in _ESCAPES.items()}


def encode(value: object) -> bytes:
    """Encode a value. Raises `UnicodeEncodeError` for text that contains what stands for bytes here."""
    return msgpack.encode(_mapped(to_builtins(value), _escaped))


def decode(body: bytes | memoryview, kind: type[T]) -> T:
    """Decode what `encode` made. Raises `ValueError`."""
    return convert(_mapped(msgpack.decode(body), lambda text: text.translate(_BYTES)), kind)


def _escaped(text: str) -> str:
    if any(ord(char) in _BYTES for char in text):
        raise UnicodeEncodeError("msgpack", text, 0, len(text), "stands for bytes")
    return text.translate(_ESCAPES)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value of JSON's kinds with all its texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_mapped(key, change): _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, change) for item in value]
    return value
