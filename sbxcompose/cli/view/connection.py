"""Messages about connections: one line when they are being made again, one when they are back, or slow at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sbxcompose.cli.context import Shell
    from sbxcompose.engine.events import EngineEvent, EventHandler


def connection_words(event: EngineEvent) -> str | None:
    """Return the line for an event; None for one that is not about a connection."""
    from sbxcompose.engine import events

    match event:
        case events.AnswerAwaited(site):
            return f"waiting for {site} to answer"
        case events.StreamsShared(processes, streams, late):
            return (
                f"following {processes} processes over {streams} connections; "
                f"lines of the quieter ones can be up to {late:.0f}s late"
            )
        case events.ConnectionLost(reason):
            return f"{reason}; trying again"
        case events.ConnectionRestored(seconds):
            return f"connected again after {seconds:.1f}s"
        case _:
            return None


def connection_notes(shell: Shell) -> EventHandler:
    """Return what says it on standard error."""

    def on_event(event: EngineEvent) -> None:
        words = connection_words(event)
        if words is not None:
            shell.note(words)

    return on_event
