"""The port that a well-known server is given in its own arguments; pure."""

from __future__ import annotations

from collections.abc import Sequence

from sbxcompose.convert.values import whole

_OPTIONS = {
    **dict.fromkeys(("redis", "valkey", "keydb", "mongo"), ("--port",)),
    **dict.fromkeys(("mysql", "mariadb"), ("--port", "-P")),
    **dict.fromkeys(("nats", "memcached", "mosquitto"), ("--port", "-p")),
    "postgres": ("--port", "-p", "-cport", "port"),
}
"""How the option is called, by the well-known name of the image. Postgres has `-c port=5433` as well."""


def given_port(family: str, arguments: Sequence[str]) -> int | None:
    """Return the port that the arguments set, the last one if there are several; None if they set none."""
    return _parted(family, arguments)[0]


def without_port(family: str, arguments: Sequence[str]) -> list[str]:
    """Return the arguments without those that set the port."""
    return _parted(family, arguments)[1]


def _parted(family: str, arguments: Sequence[str]) -> tuple[int | None, list[str]]:
    names = _OPTIONS.get(family, ())
    port, rest = None, list[str]()
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        follows = not equals and name.startswith("-") and bool(words)
        is_option = name in names and (name != "port" or rest[-1:] == ["-c"])
        number = whole(words[0] if follows else value) if is_option else None
        if not number or number > 65535:
            rest.append(word)
            continue
        port = number
        if follows:
            words.pop(0)
        elif name == "port":
            rest.pop()
    return port, rest
