"""What `host status` shows: a table of facts on a terminal, sentences elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sbxcompose.cli.style import Style
from sbxcompose.cli.view.facts import Fact, FactList
from sbxcompose.cli.view.table import ago
from sbxcompose.plurals import counted

_ABSENT = "not running; it starts automatically when needed"


def status_lines(
    now: dict[str, Any] | None,
    isolated: str | None,
    fork_servers: Sequence[dict[str, Any]],
    style: Style,
    width: int | None,
) -> list[str]:
    """Return the state of the host (None: it is not running), how it isolates, and the fork servers."""
    if width is not None:
        from sbxcompose.cli.view.drawn_facts import fact_lines

        return fact_lines([FactList(_facts(now, isolated, fork_servers))], width, colors=style.enabled)
    if now is None:
        lines = [f"host is {_ABSENT}"]
    else:
        lines = [
            f"host {_process(now)}, keeper {now['keeper_pid']}",
            f"socket {now['socket']}" + (f", tcp {now['tcp']}" if now["tcp"] else ""),
            f"state in {now['state_directory']}",
            f"{_running(now)} running",
            *_damaged(now.get("damaged")),
        ]
    lines += [isolated] if isolated is not None else []
    return [*lines, *(f"fork server {_process(server)}, {_served(server)}" for server in fork_servers)]


def _facts(now: dict[str, Any] | None, isolated: str | None, fork_servers: Sequence[dict[str, Any]]) -> list[Fact]:
    facts = [Fact("host", _ABSENT)]
    if now is not None:
        damaged = "\n".join(_damaged(now.get("damaged")))
        facts = [
            Fact("host", f"{_process(now)}, keeper {now['keeper_pid']}"),
            Fact("socket", now["socket"]),
            *([Fact("tcp", now["tcp"])] if now["tcp"] else []),
            Fact("state", now["state_directory"]),
            Fact("running", _running(now)),
            *([Fact("damaged", damaged)] if damaged else []),
        ]
    facts += [Fact("isolation", isolated)] if isolated is not None else []
    return [*facts, *(Fact("fork server", f"{_process(server)}, {_served(server)}") for server in fork_servers)]


def _process(row: dict[str, Any]) -> str:
    return f"{row['version']}, up for {ago(row['uptime_secs'])}, pid {row['pid']}"


def _running(now: dict[str, Any]) -> str:
    return f"{counted(now['sandboxes'], 'sandbox')}, {counted(now['running_processes'], 'process')}"


def _served(server: dict[str, Any]) -> str:
    return f"{counted(server['commands'], 'command')} run"


def _damaged(report: dict[str, Any] | None) -> list[str]:
    """Return what of the host's state cannot be used, a line each."""
    if not report:
        return []
    return [
        *([f"damaged files, set aside in {report['directory']}:"] if report["files"] else []),
        *(f"  {name}" for name in report["files"]),
        *(f"damaged, and cannot be moved away: {path}" for path in report["left"]),
    ]
