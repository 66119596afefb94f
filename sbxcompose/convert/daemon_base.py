"""What a container of a well-known server asks for, and the native program that does it; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field


class Request(Struct, frozen=True):
    """What a service asks of an image: its data folder, the port to listen on, variables, arguments, mounted files."""

    name: str
    data: str
    port: int
    env: Mapping[str, str | None]
    arguments: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """Mounted files and folders: path in the container -> path in the project."""


class Daemon(Struct, frozen=True):
    """The native counterpart: a command, its ready check, and what has to be installed."""

    command: str
    program: str
    health_check: dict[str, Any] | None = None
    note: str = ""


def slow_check(port: int) -> dict[str, Any]:
    """Return the check of a server that creates its data at the first start: that alone may take half a minute."""
    return {"tcp": port, "initial_delay": "1m"}


def own_arguments(request: Request, *programs: str, without: Sequence[str] = ()) -> str:
    """Return the service's own arguments for a shell, without the program's name and the options in `without`."""
    words = [word for word in request.arguments if word not in programs and not _is_option(word, without)]
    return "".join(f" {shlex.quote(mounted(request, word))}" for word in words)


def _is_option(word: str, names: Sequence[str]) -> bool:
    return word.startswith("-") and word.lstrip("-").partition("=")[0] in names


def mounted(request: Request, word: str) -> str:
    """Return an argument with a path of the container replaced by that in the project: `--config=/etc/x.yml`, too."""
    before, equals, path = word.partition("=") if word.startswith("-") else ("", "", word)
    for target, source in sorted(request.files.items(), key=lambda item: -len(item[0])):
        if path == target:
            return f"{before}{equals}{source}"
        if path.startswith(target.rstrip("/") + "/"):
            return f"{before}{equals}{source}{path[len(target.rstrip('/')) :]}"
    return word
