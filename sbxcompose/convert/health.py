"""Health checks of containers -> checks of this project's file; pure."""

from __future__ import annotations

import re
import shlex
from typing import Any
from urllib.parse import urlsplit

from sbxcompose.convert.values import number, text, whole
from sbxcompose.errors import SpecError
from sbxcompose.spec.nodes import Mapping, Node, Sequence
from sbxcompose.spec.units import format_duration, parse_duration

_LOCAL = ("localhost", "127.0.0.1", "0.0.0.0", "[::1]", "::1")
_QUIET = re.compile(r"\s*(\|\|\s*exit\s*1|(&>|[12]?>)\s*/dev/null|2>&1|;?\s*exit\s*\$\?)\s*$")


def test_command(node: Node | None) -> list[str] | str | None:
    """Return the command of a `test`: words, or a text for a shell; None for `NONE`."""
    if isinstance(node, Sequence):
        words = [text(item) or "" for item in node.items]
        match words[:1]:
            case ["CMD-SHELL"]:
                return " ".join(words[1:])
            case ["CMD"]:
                return words[1:]
            case ["NONE"] | []:
                return None
        return words
    return text(node)


def check_of(command: list[str] | str, ports: dict[int, int]) -> dict[str, Any]:
    """Return the check that a command amounts to: `http`, `tcp`, or the command itself.

    `ports` maps ports of the container to those on which the process listens here.
    """
    words = _words(command)
    if words is not None:
        address = _address(words)
        if address is not None:
            return _rewritten(address, ports)
    if isinstance(command, str):
        return {"exec": _with_ports(command.strip(), ports)}
    return {"exec": [_with_ports(word, ports) for word in command]}


def _words(command: list[str] | str) -> list[str] | None:
    if isinstance(command, list):
        return command
    rest = command
    while (shorter := _QUIET.sub("", rest)) != rest:
        rest = shorter
    if re.search(r"[|;&<>`]|\$\(", rest):
        return None
    try:
        return shlex.split(rest)
    except ValueError:
        return None


def _address(words: list[str]) -> tuple[str, int, str] | None:
    """Return scheme, port and path that a usual probing command asks for on this machine."""
    match words:
        case ["curl" | "wget" | "/usr/bin/curl", *rest]:
            urls = [word for word in rest if re.match(r"(https?://)?[\w.\[\]:-]+(:\d+)?(/|$)", word)]
            found = [word for word in urls if any(host in word for host in _LOCAL)]
            if not found or any(word in ("-d", "--data", "-X", "-H", "--header", "--post-data") for word in rest):
                return None
            try:
                url = urlsplit(found[0] if "://" in found[0] else f"http://{found[0]}")
                port = url.port or 80
            except ValueError:
                return None
            if url.scheme != "http" or url.hostname not in _LOCAL or "$" in found[0]:
                return None
            return "http", port, (url.path or "/") + (f"?{url.query}" if url.query else "")
        case ["nc", *rest]:
            plain = [word for word in rest if not word.startswith("-")]
            if len(plain) >= 2 and plain[0] in _LOCAL and (given := whole(plain[1])) is not None:
                return "tcp", given, ""
    return None


def _rewritten(address: tuple[str, int, str], ports: dict[int, int]) -> dict[str, Any]:
    scheme, port, path = address
    here = ports.get(port, port)
    if scheme == "tcp":
        return {"tcp": here}
    return {"http": {"port": here, "path": path} if path != "/" else here}


def _with_ports(command: str, ports: dict[int, int]) -> str:
    for inside, here in ports.items():
        if inside != here:
            command = re.sub(rf"(?<=:){inside}\b", str(here), command)
    return command


def duration(value: str | None) -> str | None:
    """Return a duration of Compose (`1m30s`, `500ms`, nanoseconds as a number) for this file; None if it is neither."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,18}", value):
        return format_duration(int(value) / 1e9)
    try:
        return format_duration(parse_duration(value))
    except (ValueError, SpecError):
        return None


def timing(node: Mapping) -> dict[str, Any]:
    """Return the timing of a Compose health check."""
    found: dict[str, Any] = {}
    for theirs, ours in (("start_period", "initial_delay"), ("interval", "interval"), ("timeout", "timeout")):
        if (value := duration(text(node.get(theirs)))) is not None and (value != "0s" or ours == "initial_delay"):
            found[ours] = value
    if (retries := number(node.get("retries"))) is not None and retries >= 1:
        found["failure_threshold"] = int(retries)
    return found
