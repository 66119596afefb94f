"""`python -m sbxcompose.client.connect WHERE LINK…`: a connector, as the host of this machine runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from sbxcompose.engine.connect.connector import Connector
from sbxcompose.errors import SbxError
from sbxcompose.spec.connect import PortLink, SandboxPlace


def main(words: Sequence[str]) -> int:
    """Carry connections until a signal ends it; the exit code."""
    where = None if words[0] == "here" else SandboxPlace.parse(words[0])
    connector = Connector(where, [PortLink.parse(word) for word in words[1:]], os.environ, _say)
    try:
        asyncio.run(_until_signal(connector))
    except SbxError as error:
        _say("; ".join(filter(None, [error.message, error.hint])))
        return error.exit_code
    return 0


async def _until_signal(connector: Connector) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await connector.run()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
