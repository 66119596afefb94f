"""Client of one sandbox's daemon: its processes (contract, section 3) and, where the daemon has them, our extensions.

Starts, stops and restarts that are asked for in the same turn of the event loop travel together, as one `batch`
request, if the daemon speaks that extension: two hundred starts cost one round trip. Callers do not notice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import Raw, Struct
from msgspec.json import Decoder as JsonDecoder

from sbxcompose.api.http_client import HttpClient, Reply
from sbxcompose.api.models import Env, ProcessInfo, StartRequest, StopCommand
from sbxcompose.api.wire import Answer, HttpRequest, segment
from sbxcompose.api.wire_errors import broken_off, check_media, closed_by_host, expect, refusal
from sbxcompose.tasks import TaskOwner

if TYPE_CHECKING:
    from sbxcompose.api.files import FilesClient
    from sbxcompose.api.websocket_connect import Socket

EVENTS = "text/event-stream"


class RunLine(Struct, frozen=True):
    """A line of output of `run`; `timestamp` in milliseconds since 1970."""

    text: str
    stream: str
    timestamp: int


class RunExit(Struct, frozen=True):
    """How a `run` ended: `exit_code` or `signal` is set; `reason` is `exited`, `signaled`, `timed_out` …"""

    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    oom_killed: bool = False
    oom_kills: int = 0


@dataclass(slots=True)
class _Operation:
    body: dict[str, Any]
    what: str
    base: Env | None = None
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class SandboxClient:
    """A method an endpoint. Every method raises `Unreachable` or `Refused`; a process is named by PID or name."""

    def __init__(
        self,
        transport: HttpClient,
        identifier: str,
        extensions: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        suspended: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._suspended = suspended
        self._transport = transport
        self._headers = dict(headers or {"X-Tensorlake-Sandbox-Id": identifier})
        self.identifier = identifier
        self.local = transport.local
        """Whether the daemon is on this machine, so that its log files can be read here."""
        self.extensions = frozenset(extensions)
        self._pending: list[_Operation] = []
        self._flushes = TaskOwner()

    @property
    def files(self) -> FilesClient:
        """Its files."""
        from sbxcompose.api.files import FilesClient  # late: most commands touch none

        return FilesClient(self._transport, self._headers)

    def through(self, wrap: Callable[[HttpClient], HttpClient]) -> SandboxClient:
        """Return another client of the daemon, whose requests go through what `wrap` makes of their carrier."""
        carrier = wrap(self._transport)
        return SandboxClient(carrier, self.identifier, tuple(self.extensions), self._headers, self._suspended)

    async def is_suspended(self) -> bool:
        """Return whether the sandbox is suspended; asking does not wake it, as every other request would."""
        return self._suspended is not None and await self._suspended()

    async def processes(self) -> list[ProcessInfo]:
        """Return all rows, ended ones included."""
        body = expect(await self._request("GET", "/processes"), "the list of processes")
        return [ProcessInfo.read(process) for process in body["processes"]]

    async def get(self, process: str) -> ProcessInfo:
        """One row. Raises `NotFound`."""
        return ProcessInfo.read(expect(await self._request("GET", _of(process)), process))

    async def start(self, request: StartRequest, base_env: Env | None = None) -> ProcessInfo:
        """Start a process; `base_env` lies under its own `env`.

        Raises `Conflict` if a live process has the name, `Refused` with the system's words if it cannot be started,
        and `Unreachable` if the answer was lost: then it may or may not have been started.
        """
        what = request.name or request.command
        if "batch" in self.extensions:
            operation = _Operation({"op": "start", **_start_body(request)}, what, base_env)
            return ProcessInfo.read(expect(await self._submit(operation), what))
        body = self._body(request, base_env)
        return ProcessInfo.read(expect(await self._request("POST", "/processes", body), what))

    async def stop(
        self,
        process: str,
        *,
        signal: int = 15,
        grace: float = 10.0,
        stop_command: StopCommand | None = None,
        replaced: bool = False,
        reason: str | None = None,
    ) -> None:
        """End a process and its supervision; returns when it is gone. One that is gone already is fine.

        It gets `signal`, and after `grace` seconds SIGKILL. `stop_command`: it is asked to end by that command first,
        and gets the signal only if the command fails. `replaced`: a new run is to follow; it is left alone (`Refused`)
        where the daemon knows already that it could not begin one. `reason` is told to who waits for its end.
        """
        if not self.extensions & {"batch", "stop"}:
            from sbxcompose.api.contract_stop import stop  # few daemons lack the extension

            await stop(self, process, signal, grace, stop_command)
            return
        millis = round(grace * 1000)
        if "batch" in self.extensions:
            body = {"op": "stop", "process": process, "signal": signal, "grace_ms": millis}
            if stop_command is not None:
                body["command"] = [stop_command.request.command, *stop_command.request.args]
            if replaced:
                body["replaced"] = True
            if reason is not None:
                body["reason"] = reason
            answer = await self._submit(_Operation(body, process))
        else:
            answer = await self._request("DELETE", f"{_of(process)}?signal={signal}&grace_ms={millis}")
        if answer.status != 404:
            expect(answer, process)

    async def delete(self, process: str) -> None:
        """Stop it the contract's own way (section 3.6): SIGTERM, after ten seconds SIGKILL; unsupervised ones SIGKILL.

        One that is gone already is fine.
        """
        answer = await self._request("DELETE", _of(process))
        if answer.status != 404:
            expect(answer, process)

    async def drain(self) -> bool:
        """Wait until every request that was begun is answered, whoever waits for it; return whether there was one."""
        is_under_way = bool(self._pending) or self._flushes.busy
        while self._pending or self._flushes.busy:
            await self._flushes.wait()
            await asyncio.sleep(0)
        return is_under_way

    async def restart(self, process: str) -> ProcessInfo:
        """Begin a new run of a managed process."""
        if "batch" in self.extensions:
            answer = await self._submit(_Operation({"op": "restart", "process": process}, process))
        else:
            answer = await self._request("POST", _of(process) + "/restart")
        return ProcessInfo.read(expect(answer, process))

    async def run(
        self,
        request: StartRequest,
        base_env: Env | None = None,
        *,
        output: Callable[[RunLine], None] | None = None,
    ) -> RunExit:
        """Run a command to its end (contract, section 3.8); its lines go to `output` as they come.

        The local host sends keep-alives, and lists extensions. Whether another daemon does is not public: there
        `SilentRun` tells a silent command from a stalled answer.
        """
        from sbxcompose.api.silent_run import SILENT_RUN, SilentRun, pieces  # few commands run one

        body = self._body(request, base_env)
        read, result, watched = self._event_reader(), None, SilentRun(request.command, self.get)
        idle = 0.0 if self.extensions else SILENT_RUN
        answer = self.stream("POST", "/processes/run", body, media=EVENTS, idle=idle)
        async with (
            answer if self.extensions else watched.begin(answer) as reply,
            aclosing(pieces(reply) if self.extensions else watched.chunks(reply)) as chunks,
        ):
            async for chunk in chunks:
                for event in map(json.loads, read(chunk)):
                    if "line" in event:
                        if output is not None:
                            output(RunLine(event["line"], event.get("stream", "stdout"), event["timestamp"]))
                    elif "exit_code" in event or "signal" in event:
                        result = RunExit(**{name: event[name] for name in RunExit.__struct_fields__ if name in event})
                    else:
                        watched.pid = event.get("pid", watched.pid)
        if result is None:
            raise broken_off(request.command)
        return result

    def _event_reader(self) -> Callable[[bytes], Iterable[str | bytes]]:
        """Return what makes the data of events of the pieces of a stream of the daemon."""
        if self.extensions:
            from sbxcompose.api.host_events import HostEventDecoder  # few commands run one

            return HostEventDecoder().feed
        from sbxcompose.api.sse import EventDecoder  # imports httpx, which commands on this machine do without

        decoder = EventDecoder()
        return lambda chunk: [message.data for message in decoder.feed(chunk)]

    async def signal(self, process: str, signal: int) -> None:
        """Send a signal to the process's group; it is not escalated, and supervision continues."""
        expect(await self._request("POST", _of(process) + "/signal", {"signal": signal}), process)

    async def write(self, process: str, data: bytes) -> None:
        """Write to the process's standard input."""
        headers = {**self._headers, "Content-Type": "application/octet-stream"}
        path = "/api/v1" + _of(process) + "/stdin"
        expect(await self._transport.request(HttpRequest("POST", path, headers=headers, body=data)), process)

    async def close_input(self, process: str) -> None:
        """Close the process's standard input."""
        expect(await self._request("POST", _of(process) + "/stdin/close"), process)

    def follow_output(self, process: str) -> AbstractAsyncContextManager[Reply]:
        """Return all output that is kept, then what comes, as server-sent events (contract, section 3.7)."""
        return self.stream("GET", f"{_of(process)}/output/follow", media=EVENTS)

    async def snapshot(self, process: str, stream: str) -> list[str]:
        """Return the lines of `stdout` or `stderr` that are kept now; one that has not ended is the last."""
        body = expect(await self._request("GET", f"{_of(process)}/{stream}"), process)
        return list(body["lines"])

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, body: Any = None, *, media: str | None = None, idle: float = 0.0
    ) -> AsyncIterator[Reply]:
        """Open an answer below `/api/v1` as a stream. Raises `Refused` if it is not good, or not `media`."""
        request = HttpRequest(method, "/api/v1" + path, headers=self._headers, body=body, idle=idle)
        async with self._transport.stream(request) as stream:
            if stream.status >= 300:
                raise refusal(stream.status, await stream.read(), path)
            if media is not None:
                check_media(stream.header("content-type"), media, path)
            yield stream

    async def close(self) -> None:
        """Give up what no caller waits for any longer."""
        await self._flushes.close()

    async def ask(self, method: str, path: str, what: str, body: Any = None) -> Any:
        """Return the decoded answer to a request below `/api/v1`; `what` names the thing in errors."""
        return expect(await self._request(method, path, body), what)

    async def socket(self, path: str, *, headers: Env | None = None) -> Socket:
        """Open a WebSocket below `/api/v1`; to be closed by the caller."""
        fields = {**self._headers, **(headers or {})}
        return await self._transport.socket("/api/v1" + path, headers=fields)

    def _body(self, request: StartRequest, base_env: Env | None) -> dict[str, Any]:
        if self.extensions:
            body = _start_body(request)
        else:
            from sbxcompose.api.contract_body import start_body  # few daemons have no extension

            body = start_body(request)
        env = {**(base_env or {}), **request.env}
        return {**body, "env": env} if env or self.extensions else body

    async def _request(self, method: str, path: str, body: Any = None) -> Answer:
        return await self._transport.request(HttpRequest(method, "/api/v1" + path, headers=self._headers, body=body))

    async def _submit(self, operation: _Operation) -> Answer:
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending.append(operation)
        return await operation.answer

    def _flush(self) -> None:
        # A batch has one `env` for all its operations, so those with another base travel in a batch of their own.
        groups: dict[int, list[_Operation]] = {}
        for operation in self._pending:
            groups.setdefault(id(operation.base), []).append(operation)
        self._pending = []
        for group in groups.values():
            self._flushes.start(self._send(group))

    async def _send(self, operations: list[_Operation]) -> None:
        """One batch request; each operation gets its answer as its line comes."""
        body = {"env": dict(operations[0].base or {}), "operations": [operation.body for operation in operations]}
        error: BaseException = closed_by_host("before it had answered")
        try:
            # An operation that stops a process is answered once that is gone.
            grace = max(operation.body.get("grace_ms", 0) for operation in operations) / 1000
            async with self.stream("POST", "/batch", body, idle=grace) as stream:
                await _hand_out(stream, operations)
        except Exception as failure:  # the callers must learn of it, whatever it is
            error = failure
        except asyncio.CancelledError:
            # Otherwise the callers would wait forever: nothing else completes these futures.
            for operation in operations:
                operation.answer.cancel()
            raise
        for operation in operations:
            if not operation.answer.done():
                operation.answer.set_exception(error)


class _Result(Struct, frozen=True):
    """A line of the answer to a batch."""

    index: int
    status: int
    body: Raw = Raw(b"null")


_read_result = JsonDecoder(_Result).decode


async def _hand_out(stream: Reply, operations: Sequence[_Operation]) -> None:
    rest = b""
    async for chunk in stream.chunks():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            result = _read_result(line)
            answer = operations[result.index].answer
            if not answer.done():  # a caller that was cancelled has cancelled its future, and to set it would raise
                answer.set_result(Answer(result.status, bytes(result.body)))


def _start_body(request: StartRequest) -> dict[str, Any]:
    body = request.write()
    return {key: value for key, value in body.items() if value is not None and value is not False and value != []}


def _of(process: str) -> str:
    return f"/processes/{segment(process)}"
