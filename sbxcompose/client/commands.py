"""One-off commands: the request, the errors of a start, and for scripts the whole output at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api.models import StartRequest
from sbxcompose.command_line import command_line
from sbxcompose.engine.one_off import OneOff
from sbxcompose.engine.ready import message_without_name
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.engine.session import Session
from sbxcompose.errors import DeadlinePassed, FailedProcess, NotStarted, ProcessFailed, Refused, UsageError
from sbxcompose.plan.observed import Exit, Observed, ObservedSandbox, SandboxState
from sbxcompose.tasks import task_group

OUTPUT_INCOMPLETE = "the output is incomplete: the sandbox's daemon left lines out, and others may appear twice"
_PIECE = 65536
EXIT_CODE_UNKNOWN = "exit code unknown: the sandbox or the host was stopped meanwhile"


class FinishedCommand(Struct, frozen=True, kw_only=True):
    """A command that has exited. `exit_code` is 128 + n if signal n killed it."""

    command: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes
    out_of_memory: bool = False
    """It failed, and the kernel killed it or another process of its sandbox for want of memory meanwhile."""
    complete: bool = True
    """False if lines of the output are missing or come twice, because the sandbox's daemon has left some out."""
    left_out: int = 0
    """Bytes of output that were dropped, because there were more than `max_output`."""

    @property
    def text(self) -> str:
        """Standard output as text (UTF-8), without the line end at its end."""
        return self.stdout.decode("utf-8", "replace").removesuffix("\n")

    def check(self) -> FinishedCommand:
        """Return itself. Raises `ProcessFailed` if the exit code is not 0."""
        if self.exit_code == 0:
            return self
        end = Exit(self.exit_code, oom_kills=int(self.out_of_memory))
        error = ProcessFailed(f"`{command_line(self.command)}` {end}")
        if self.stderr:
            error.add_note(self.stderr.decode("utf-8", "replace").rstrip("\n"))
        raise error


class CommandSettings(Struct, frozen=True):
    """What a caller sets for one command; `timeout` is in seconds, `stdin` is all of its standard input.

    `max_output` is how many bytes of each stream are kept, the last ones.
    """

    env: Mapping[str, str]
    workdir: str | None
    user: str | None
    stdin: bytes | None
    timeout: float | None
    max_output: int | None


class KeptOutput:
    """The output of a command as it comes: all, or of each stream the last `most` bytes."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._kept: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self.left_out = 0
        """Bytes that were dropped."""

    def add(self, stream: int, data: bytes) -> None:
        """Take what was written to stream 1 or 2."""
        kept = self._kept[stream]
        kept.extend(data)
        if self._most is not None and len(kept) > 2 * self._most + _PIECE:  # not for each byte
            self._cut(kept, self._most)

    def stream(self, number: int) -> bytes:
        """Return what is kept of a stream."""
        if self._most is not None:
            self._cut(self._kept[number], self._most)
        return bytes(self._kept[number])

    def _cut(self, kept: bytearray, most: int) -> None:
        more = max(len(kept) - most, 0)
        del kept[:more]
        self.left_out += more

    def last_lines(self) -> tuple[str, ...]:
        """Return the last lines of standard output, and then of standard error."""
        from sbxcompose.engine.tail import LINES  # late, as the next: commands rarely time out
        from sbxcompose.logs.sanitize import clean_text

        return tuple(
            clean_text(line)
            for number in (1, 2)
            for line in self.stream(number).rstrip(b"\n").split(b"\n")[-LINES:]
            if line
        )


def adapted(
    request: StartRequest, env: Mapping[str, str], workdir: str | None, user: str | None, *, stdin: bool
) -> StartRequest:
    """Return the request with other variables, directory and user; `stdin` says whether its standard input is fed."""
    return replace(
        request,
        env={**request.env, **env},
        working_dir=(workdir and os.path.join(request.working_dir or "/", workdir)) or request.working_dir,
        user=user or request.user,
        stdin_mode="pipe" if stdin else "closed",
    )


def running_sandbox(session: Session, name: str) -> SandboxConnection:
    """Return the connection to a sandbox. Raises `UsageError` if it is suspended or does not exist."""
    connection = session.connections.get(name)
    if connection is None:
        raise not_running(session.observed().sandbox(name))
    return connection


def nothing_running(observed: Observed) -> UsageError:
    """Return the error of a command about processes where no sandbox of the project runs."""
    suspended = [sandbox for sandbox in observed.sandboxes if sandbox.state is SandboxState.SUSPENDED]
    if suspended:
        return not_running(suspended[0])
    return UsageError("nothing has been started yet", hint="`sbxcompose up -d` starts everything")


def not_running(sandbox: ObservedSandbox) -> UsageError:
    """Return the error of a command that needs a sandbox to run."""
    if sandbox.state is SandboxState.SUSPENDED:
        return UsageError(
            f"sandbox {sandbox.name} is suspended", hint=f"`sbxcompose unpause {sandbox.name}` resumes it"
        )
    return UsageError(f"sandbox {sandbox.name} does not exist yet", hint="`sbxcompose up` creates it")


@contextmanager
def not_started(command: str) -> Iterator[None]:
    """Raise `NotStarted` for a command that could not be started, with exit code 127 or 126 as shells have it."""
    try:
        yield
    except Refused as error:
        words = message_without_name(error.message)
        told = words.removeprefix(f"{command}: ")
        if command in told:
            words = told
        missing = is_missing_command(words)
        # Daemons have codes of their own for this, which are not public.
        if error.status != 500 or not (missing or error.code in (None, "SPAWN_FAILED")):
            raise
        raise NotStarted(words, found=not missing) from error


def is_missing_command(words: str) -> bool:
    """Return whether the system's message is about a missing command, and not a missing user."""
    said = words.lower()
    return "user not found" not in said and any(text in said for text in ("not found", "no such file"))


async def run_to_end(
    connection: SandboxConnection,
    request: StartRequest,
    base: Mapping[str, str],
    settings: CommandSettings,
    hide: Callable[[str], str],
) -> FinishedCommand:
    """Run a command and return its output; `hide` masks secrets in errors.

    It is ended when the caller is cancelled or the timeout passes (`DeadlinePassed`). Raises `NotStarted`, and
    `ProcessFailed` when it has ended and it is not known how.
    """
    command = (request.command, *request.args)
    with not_started(request.command):
        one_off = await OneOff.start(connection, replace(request, end_unwatched=True), base)
    output = KeptOutput(settings.max_output)
    try:
        async with asyncio.timeout(settings.timeout), task_group() as group:
            if settings.stdin is not None:
                group.create_task(one_off.feed(_once(settings.stdin)))
            ended = await one_off.follow(output.add)
    except TimeoutError:
        await one_off.leave()
        raise _timed_out(command, settings.timeout or 0.0, [hide(line) for line in output.last_lines()]) from None
    except BaseException:
        await one_off.leave()
        raise
    if not ended.known:
        raise ProcessFailed(EXIT_CODE_UNKNOWN)
    return FinishedCommand(
        command=command,
        exit_code=ended.exit_code,
        stdout=output.stream(1),
        stderr=output.stream(2),
        out_of_memory=ended.out_of_memory is not None,
        complete=not ended.torn,
        left_out=output.left_out,
    )


def _timed_out(command: tuple[str, ...], timeout: float, lines: Sequence[str]) -> DeadlinePassed:
    words = f"`{command_line(command)}` timed out after {timeout:g}s and was killed"
    error = DeadlinePassed(words, causes=[FailedProcess(command_line(command), words, lines)])
    if lines:
        error.add_note("\n".join(f"  | {line}" for line in lines))
    return error


async def _once(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data


def argv_of(command: str | Sequence[str]) -> tuple[str, ...]:
    """Return the argument vector; a text goes through `sh -c`, as in the file. Raises `UsageError` for none."""
    words = ("sh", "-c", command) if isinstance(command, str) else tuple(command)
    if not words or not all(isinstance(word, str) for word in words):
        raise UsageError("the command must be a string or a list of strings that is not empty")
    return words
