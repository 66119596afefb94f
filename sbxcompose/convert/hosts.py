"""Host names of services -> addresses of this machine; pure."""

from __future__ import annotations

import re

_NO_USER = r"(?!(?::(?:\$\{[^}]*\}|[^/\s,@])*)?@)"
"""What follows is not the rest of `user@` or `user:password@`: users are often called like their service."""
_HOST_VARIABLE = re.compile(r"HOST|SERVER|ADDR|URL|ENDPOINT|BROKER", re.IGNORECASE)
_NAME_VARIABLE = re.compile(r"(?<!HOST)(?<!HOST_)NAME$|ID$", re.IGNORECASE)


_BEFORE, _AFTER = r"(?:(?<=//)|(?<=[@=,]))", r"(?=[:/,;?&\s}]|$)"
_INSIDE = re.compile(rf"{_BEFORE}(?P<host>[\w.-]+){_NO_USER}(?::(?P<port>\d{{1,5}}))?{_AFTER}")
_AT_BEGIN = re.compile(r"^(?P<host>[\w.-]+):(?P<port>\d{1,5})(?=[/,;?\s]|$)")


_HOST_OPTION = r"(?:-h|--?(?:[\w-]+-)?host(?:name)?)"
_IN_COMMAND = re.compile(
    rf"(?:(?<=//)|(?<=[@=,\"'])|(?<!\S))(?P<host>[\w.-]+){_NO_USER}:(?P<port>\d{{1,5}})(?=[/,;?&\s}}\"']|$)"
    rf"|(?:(?<=//)|(?<=@))(?P<address>[\w.-]+){_NO_USER}(?=[/?\s\"']|$)"
    rf"|(?P<option>(?<!\S){_HOST_OPTION}[= ])(?P<named>[\w.-]+)(?=[\s\"']|$)"
    r"|(?P<nc>\bnc(?: -\S+)* )(?P<far>[\w.-]+) (?P<number>\d{1,5})\b"
)


def command_with_local_hosts(command: str | list[str], hosts: dict[str, dict[int, int]]) -> str | list[str]:
    """Return a command in which names of services are replaced as in values: in URLs, before a port, after `-h` and
    `--host`.
    """

    def local(found: re.Match[str]) -> str:
        ports = hosts.get(found["host"] or found["address"] or found["named"] or found["far"])
        if ports is None:
            return found[0]
        inside = int(found["port"] or found["number"] or 0)
        port = f"{' ' if found['nc'] else ':'}{ports.get(inside, inside)}" if inside else ""
        return f"{found['option'] or found['nc'] or ''}127.0.0.1{port}"

    if isinstance(command, str):
        return _IN_COMMAND.sub(local, command)
    words = [_IN_COMMAND.sub(local, word) for word in command]
    pairs = zip(["", *words], words, strict=False)
    return ["127.0.0.1" if word in hosts and re.fullmatch(_HOST_OPTION, before) else word for before, word in pairs]


def with_local_hosts(name: str, value: str, hosts: dict[str, dict[int, int]]) -> str:
    """Return a value in which names of services are replaced by 127.0.0.1, with the port on this machine.

    A name counts where a host stands: after `//`, `@`, `=` or a comma, before a port, or as the whole value of a
    variable whose name speaks of a host.
    """

    def local(found: re.Match[str]) -> str:
        ports = hosts.get(found["host"])
        if ports is None:
            return found[0]
        inside = int(found["port"]) if found["port"] else None
        return "127.0.0.1" if inside is None else f"127.0.0.1:{ports.get(inside, inside)}"

    if value in hosts and _HOST_VARIABLE.search(name) and not _NAME_VARIABLE.search(name):
        return "127.0.0.1"
    return _AT_BEGIN.sub(local, _INSIDE.sub(local, value))
