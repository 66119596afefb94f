"""Decode the server-sent events of our own host, which writes each as lines with LF, its JSON on one `data:` line.

For streams of others there is `sse.py`. That imports httpx, which takes 60 ms: more than all else that a command needs.
"""

from __future__ import annotations

_DATA = b"data: "


class HostEventDecoder:
    """Turns the bytes of our host's event stream, cut anywhere, into the data of its events."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of the events that `data` completes; comments are left out."""
        *events, self._rest = (self._rest + data).split(b"\n\n")
        lines = (line for event in events for line in event.split(b"\n"))
        return [line.removeprefix(_DATA) for line in lines if line.startswith(_DATA)]
