"""Ports of a sandbox's 127.0.0.1 that lead to this machine, by the contract alone: see `listener_program`.

The program is a supervised process under a reserved name, so that there is one of it, whoever started it. A few tunnels
to it are kept in reserve; each that is taken is replaced.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from importlib.resources import files

from msgspec import Struct

from sbxcompose.api.models import ProcessInfo, RestartConfig, StartRequest
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.terminals import open_tunnel
from sbxcompose.api.websocket_connect import Socket
from sbxcompose.api.wire_errors import tunnel_lost
from sbxcompose.engine.connect.splice import TunnelEnd
from sbxcompose.engine.down_mark import LISTENER
from sbxcompose.errors import Conflict, NotFound, ProviderError, Unsupported
from sbxcompose.tasks import TaskOwner, Tasks, run_until

NAME = f"{LISTENER}.00000000"
TOKEN = "SBXCOMPOSE_CONNECT_TOKEN"  # as in `listener_program`, which is not imported: it runs elsewhere
RESERVE = 4
"""Tunnels that wait for connections."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds before something is tried again, doubled each time."""
_SCRIPT = """
if command -v python3 >/dev/null 2>&1; then py=$1; shift 2; exec python3 -c "$py" "$@"; fi
if command -v perl >/dev/null 2>&1; then pl=$2; shift 2; exec perl -e "$pl" "$@"; fi
echo "neither python3 nor perl is installed"; exit 4
"""
_HINT = "install one of them in `setup`, or name an `image` that has one"

Serve = Callable[[int, TunnelEnd], Awaitable[None]]
"""Takes a connection to one of the ports, until it has ended."""


class Listening(Struct, frozen=True):
    """The program that runs: its process id, the sandbox that it runs in, and where it takes tunnels."""

    pid: int
    sandbox: str
    control: int
    token: str


class TakenOver(Exception):
    """Another command has started the program anew: the connections are its own from now on."""


def listen_request(ports: Sequence[int], mark: str, token: str) -> StartRequest:
    """Return the start of the program. `mark` is told with the control port, to tell this run from earlier ones."""
    package = files("sbxcompose.engine.connect")
    programs = [package.joinpath(f"listener_program.{kind}").read_text("utf-8") for kind in ("py", "pl")]
    return StartRequest(
        command="sh",
        args=["-c", _SCRIPT, "sh", *programs, mark, *map(str, ports)],
        env={TOKEN: token},
        working_dir="/",
        name=NAME,
        restart=RestartConfig(policy="never"),
    )


def control_port(lines: Sequence[str], mark: str) -> int | None:
    """Return the control port that the run with that mark has printed."""
    for line in reversed(lines):
        word, _, rest = line.partition(" ")
        told, _, port = rest.partition(" ")
        if word == "control" and told == mark and port.isdecimal():
            return int(port)
    return None


class RemoteListener:
    """`run` it until it is cancelled, then `close` it. `running` finds the sandbox; None if it is not running."""

    def __init__(
        self,
        sandbox: str,
        ports: Sequence[int],
        running: Callable[[], Awaitable[SandboxClient | None]],
        serve: Serve,
        say: Callable[[str], None],
    ) -> None:
        self._sandbox = sandbox
        self._ports = ports
        self._running = running
        self._serve = serve
        self._say = say
        self._listening: Listening | None = None
        self._served = TaskOwner()

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep the listeners there; `ready` is called whenever they are. Raises `TakenOver`, and `Unsupported`."""
        pause, lost = FIRST_PAUSE, ""
        while True:
            try:
                client = await self._wait_until_running()
                listening = await self._ensure(client)
                ready()
                if lost:
                    self._say(f"connected to sandbox {self._sandbox} again")
                    lost = ""
                async with Tasks() as tasks:
                    reserve = [tasks.start(self._reserve(client, listening)) for _ in range(RESERVE)]
                    done, _ = await asyncio.wait(reserve, return_when=asyncio.FIRST_COMPLETED)
                    done.pop().result()
            except Unsupported:
                raise
            except ProviderError as error:
                if not lost:
                    lost = error.message
                    self._say(f"sandbox {self._sandbox}: {lost}; trying again")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE) if lost else FIRST_PAUSE

    async def _wait_until_running(self) -> SandboxClient:
        """Return a client once the sandbox runs: to connect to one that is suspended would wake it."""
        pause, told = FIRST_PAUSE, False
        while (client := await self._running()) is None:
            if pause >= LONGEST_PAUSE and not told:
                told = True
                self._say(f"waiting for sandbox {self._sandbox} to run")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return client

    async def _ensure(self, client: SandboxClient) -> Listening:
        """Return the program that runs: the one started here, or a new one. Raises `TakenOver`."""
        row = await self._row(client)
        known = self._listening
        if known is not None and known.sandbox == client.identifier:
            if row is not None and row.status == "running" and row.pid == known.pid:
                return known
            if row is not None and row.status == "running":
                raise TakenOver
        # Left behind, or started by a rival, which then sees a pid that is not its own and ends: the last one wins.
        if row is not None and row.status == "running":
            await client.stop(NAME, signal=9, grace=0)
        self._listening = await self._start(client)
        return self._listening

    async def _row(self, client: SandboxClient) -> ProcessInfo | None:
        try:
            return await client.get(NAME)
        except NotFound:
            return None

    async def _start(self, client: SandboxClient) -> Listening:
        token, mark = os.urandom(16).hex(), os.urandom(4).hex()
        try:
            info = await client.start(listen_request(self._ports, mark, token))
        except Conflict:
            # Our own start, whose answer was lost, or that of a rival; whoever comes last has it.
            await client.stop(NAME, signal=9, grace=0)
            info = await client.start(listen_request(self._ports, mark, token))
        pause = FIRST_PAUSE
        while (control := control_port(lines := await client.snapshot(NAME, "stdout"), mark)) is None:
            row = await self._row(client)
            if row is None or row.status != "running":
                last = (await client.snapshot(NAME, "stdout") if row is not None else lines)[-1:]
                words = last[0] if last else "the program that listens for connections has ended"
                raise Unsupported(f"sandbox {self._sandbox}: {words}", hint=_HINT if "neither" in words else None)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
        return Listening(info.pid, client.identifier, control, token)

    async def _reserve(self, client: SandboxClient, listening: Listening) -> None:
        """Keep one tunnel in reserve. Raises `ProviderError` when that fails."""
        while True:
            async with AsyncExitStack() as stack:
                tunnel = await stack.enter_async_context(await open_tunnel(client, listening.control))
                end = TunnelEnd(tunnel)
                port = await _asked(tunnel, end, listening.token)
                if port is None:
                    raise tunnel_lost(self._sandbox)
                self._served.start(self._serve_one(port, end, stack.pop_all()))

    async def _serve_one(self, port: int, end: TunnelEnd, tunnel: AsyncExitStack) -> None:
        async with tunnel:
            await self._serve(port, end)

    async def close(self) -> None:
        """End the connections, and the program if it is still the one started here."""
        await self._served.close()
        known, self._listening = self._listening, None
        if known is not None:
            with suppress(ProviderError):
                client = await self._running()
                row = await self._row(client) if client is not None else None
                if client is not None and row is not None and row.pid == known.pid:
                    await client.stop(NAME, signal=9, grace=0)


async def _asked(tunnel: Socket, end: TunnelEnd, token: str) -> int | None:
    """Return the port that a connection was made to, once one was; None if the tunnel was lost before."""
    try:
        await end.write(f"{token}\n".encode())
        asked = await run_until(end.read_exactly(2), tunnel.keep_alive())
    except OSError:
        return None
    return int.from_bytes(asked, "big") if asked is not None and len(asked) == 2 else None
