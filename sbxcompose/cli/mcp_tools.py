"""The tools that coding agents get: each opens the project anew, so that it works with the files as they are now.

What they return is text for a model: short, with the cause and the remedy where something failed.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from inspect import signature
from typing import Any

from sbxcompose.cli.context import GlobalOptions
from sbxcompose.cli.moments import moment
from sbxcompose.client.changes import AppliedChanges
from sbxcompose.client.definition import check_seconds
from sbxcompose.client.inspect_project import hide_secrets
from sbxcompose.client.open_project import open_project
from sbxcompose.client.process_status import ProcessStatus
from sbxcompose.client.project import OpenProject
from sbxcompose.clock import monotonic, wall_time
from sbxcompose.errors import SbxError, UsageError
from sbxcompose.logs.filter import LineFilter
from sbxcompose.tasks import TaskOwner, report_failure

MAX_OUTPUT = 20_000
"""Characters of a command's output that are returned, from its end."""
MAX_COMMAND_OUTPUT = 1_000_000
"""Bytes of each of its streams that are kept in memory meanwhile."""
MAX_LOGS = 50_000
"""The same of log lines: what is longer fills the context of a model, or is refused by its client."""
LONGEST_LINE = 2_000
EXPECTED: dict[str, tuple[tuple[type, ...], str]] = {
    "list[str]": ((list,), "a list of strings"),
    "str": ((str,), "a string"),
    "bool": ((bool,), "true or false"),
    "float": ((int, float), "a number"),
    "int": ((int,), "a whole number"),
}
"""By annotation: the types of a value in JSON, and what is expected in words."""


class ProjectTools:
    """The tools of one project; `options` are those of the command line."""

    def __init__(self, options: GlobalOptions) -> None:
        self._options = options

    def all(self) -> dict[str, Callable[..., Awaitable[str]]]:
        """Return the tools by name. Their docstrings and signatures are what an agent reads."""
        first = (self.plan, self.up, self.ps, self.why, self.logs, self.events)
        tools = (*first, self.restart, self.exec, self.wait, self.down)
        return {tool.__name__: tool for tool in tools}

    async def plan(self, processes: list[str] | None = None) -> str:
        """Show what `up` would start, restart and stop, and why. Changes nothing."""
        async with self._project() as project:
            return str(await project.plan(*processes or ()))

    async def up(self, processes: list[str] | None = None, wait: bool = True, timeout: float = 60) -> str:
        """Start what is missing and restart what has changed, in dependency order; without names, all processes.

        With `wait` returns once everything is ready, or what failed with its last lines. `timeout` is in seconds.
        """
        async with self._project() as project:
            begun = monotonic()
            changes = await project.up(*processes or (), wait=wait, timeout=timeout if wait else None)
            ready = f"\neverything is ready after {monotonic() - begun:.1f}s" if wait else ""
            return changed_words(changes) + ready

    async def ps(self, processes: list[str] | None = None, all: bool = False) -> str:
        """List processes with state, readiness, PID, restarts, exit code, port; one JSON object a line.

        `all` includes stopped ones and those of inactive profiles.
        """
        async with self._project() as project:
            return "\n".join(map(status_line, await project.ps(*processes or (), all=all))) or "no processes"

    async def why(self, processes: list[str] | None = None) -> str:
        """Explain why processes are not running, not ready, or differ from the file; without names, all problems."""
        async with self._project() as project:
            found = await project.why(*processes or ())
            return "\n\n".join(map(str, found)) or "all processes match the file"

    async def logs(
        self,
        processes: list[str] | None = None,
        since: str | None = None,
        grep: str | None = None,
        ignore_case: bool = False,
        run: int | None = None,
        limit: int = 100,
    ) -> str:
        """Show the newest log lines, each behind the name of its process (`!` marks standard error).

        `since` is a time span (`10m`, `30s`) or a date and time; without it, output
        since the last `up`. `grep` is a regular expression. `run` chooses one run by its number, where 1 is the first.
        At most `limit` lines are returned, and at most 50000 characters.
        """
        for name, value in (("limit", limit), ("run", run)):
            if value is not None and value < 1:
                raise UsageError(f"invalid value {value} for `{name}`", hint="expected 1 or greater")
        begin = None if since is None else moment("since", since, wall_time())
        lines = LineFilter(grep, ignore_case=ignore_case) if grep is not None else None
        tail = limit + 1 if lines is None and begin is None and run is None else None
        newest = NewestLines(limit, MAX_LOGS)
        async with self._project() as project:
            async for line in project.logs(*processes or (), since=begin, run=run, tail=tail):
                if lines is None or lines.keeps(line.text):
                    newest.add(f"{line.name} {'!' if line.stream == 'stderr' else '|'} {line.text[:LONGEST_LINE]}")
        return str(newest) or "no output"

    async def restart(self, processes: list[str] | None = None, wait: bool = True, timeout: float = 60) -> str:
        """Restart processes with the definition now in the file; without names, all but completed one-shots.

        With `wait` returns once they are ready, or what failed with its last lines.
        """
        check_seconds(timeout=timeout)  # before anything is restarted
        async with self._project() as project:
            changes = await project.restart(*processes or ())
            if wait:
                await project.wait(*processes or (), timeout=timeout)
            return changed_words(changes)

    async def exec(self, process: str, command: str, timeout: float = 60) -> str:
        """Run a shell command in the environment of a running process: its sandbox, directory, user and variables.

        Returns the exit code and the end of its output, with the values of secrets masked. The command is ended after
        `timeout` seconds; then its last lines are returned.
        """
        if not command.strip():
            raise UsageError("`command` is empty", hint="expected a shell command")
        async with self._project() as project:
            done = await project.exec(process, command, timeout=timeout, max_output=MAX_COMMAND_OUTPUT)
        streams = (("stdout", done.stdout), ("stderr", done.stderr))
        outputs = [f"{name}:\n{cut(hide_secrets(project, _text(data)))}" for name, data in streams if data]
        code = f"exit code {done.exit_code}" + (", out of memory" if done.out_of_memory else "")
        left_out = [f"({done.left_out} bytes of output left out)"] if done.left_out else []
        return "\n".join([code, *left_out, *outputs])

    async def events(self, processes: list[str] | None = None, since: str = "1h", limit: int = 100) -> str:
        """Show what happened to processes (started, exited, unhealthy, restarted, …), and what commands did, and why.

        `since` is a time span (`10m`, `30s`) or a date and time. At most `limit` events are returned, the newest.
        """
        if limit < 1:
            raise UsageError(f"invalid value {limit} for `limit`", hint="expected 1 or greater")
        now = wall_time()
        newest = NewestLines(limit, MAX_LOGS)
        async with self._project() as project:
            async for event in project.events(*processes or (), since=moment("since", since, now), until=now):
                if not event.only_confirms:
                    newest.add(event.line())
        return str(newest) or "no events"

    async def wait(self, processes: list[str] | None = None, timeout: float = 60) -> str:
        """Wait until processes are ready (one-shots: completed), without changing anything."""
        async with self._project() as project:
            await project.wait(*processes or (), timeout=timeout)
            return "ready"

    async def down(self, processes: list[str] | None = None) -> str:
        """Stop the project, or only some processes, in reverse dependency order. Logs are kept."""
        async with self._project() as project:
            return changed_words(await project.down(*processes or ()))

    @asynccontextmanager
    async def _project(self) -> AsyncIterator[OpenProject]:
        options = self._options
        async with open_project(
            *options.files,
            directory=options.project_directory or ".",
            project_name=options.project_name,
            profiles=options.profiles,
            env_files=options.env_files,
            provider=options.provider,
        ) as project:
            yield project


class ToolCalls(TaskOwner):
    """The calls that are under way, each as a task of its own.

    The SDK cancels a call by a scope that raises at every further `await` inside of it: cleaning up would be cut off,
    and connections left behind. A task of its own is cancelled once, and cleans up after its caller has gone.
    """

    def __init__(self) -> None:
        super().__init__(_report_defect)

    async def run(self, work: Awaitable[str]) -> str:
        """Return the result of a call, or raise what it raises; cancel it if the caller is cancelled."""
        task = self.start(work)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        return str(task.result())


def unknown_arguments(tool: Callable[..., Awaitable[str]], arguments: Iterable[str]) -> str | None:
    """Return what is wrong with the names of arguments; None if the tool has them all. The SDK ignores others."""
    known = list(signature(tool).parameters)
    unknown = [f"`{name}`" for name in arguments if name not in known]
    if not unknown:
        return None
    return f"unknown argument {', '.join(unknown)}\nhint: `{tool.__name__}` takes {', '.join(known)}"


def wrong_arguments(tool: Callable[..., Awaitable[str]], given: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the types of arguments; None if nothing is. Texts may be numbers or lists in JSON, as
    some models write them.
    """
    lines: list[str] = []
    for name, parameter in signature(tool).parameters.items():
        types, words = EXPECTED[str(parameter.annotation).removesuffix(" | None")]
        if name in given and not (_is(types, given[name]) or (given[name] is None and parameter.default is None)):
            lines.append(f"invalid value {json.dumps(given[name])[:100]} for `{name}`; expected {words}")
        elif name not in given and parameter.default is parameter.empty:
            lines.append(f"missing argument `{name}`; expected {words}")
    return "\n".join(lines) or None


def _is(types: tuple[type, ...], value: Any) -> bool:
    if isinstance(value, str) and str not in types:
        try:
            value = json.loads(value)
        except ValueError:
            return False
    if isinstance(value, bool) and bool not in types:
        return False
    return isinstance(value, types) and (not isinstance(value, list) or all(isinstance(text, str) for text in value))


def _report_defect(error: BaseException) -> None:
    """Report a failure, but for those that the client is told of."""
    if not isinstance(error, SbxError | re.error):
        report_failure(error)


class NewestLines:
    """The newest lines, within a number of lines and of characters; the others are not kept in memory."""

    def __init__(self, count: int, characters: int) -> None:
        self._count = count
        self._room = characters
        self._lines: deque[str] = deque()
        self._left_out = False

    def add(self, line: str) -> None:
        """Take the next line."""
        self._lines.append(line)
        self._room -= len(line) + 1
        while len(self._lines) > self._count or (self._room < 0 and len(self._lines) > 1):
            self._room += len(self._lines.popleft()) + 1
            self._left_out = True

    def __str__(self) -> str:
        return "\n".join([*(["(earlier lines are left out)"] if self._left_out else []), *self._lines])


def changed_words(changes: AppliedChanges) -> str:
    """Return what was done, in a line for each kind."""
    kinds = (("started", changes.started), ("restarted", changes.replaced), ("stopped", changes.stopped))
    lines = [f"{word}: {', '.join(names)}" for word, names in kinds if names]
    lines += [f"unchanged: {changes.unchanged}"] if changes.unchanged else []
    return "\n".join([*lines, *changes.notes]) or "nothing to do"


def status_line(status: ProcessStatus) -> str:
    """Return an instance as a JSON object on one line, without what is not known or as usual."""
    fields: dict[str, Any] = {
        "name": status.name,
        "state": status.state.value,
        "ready": status.ready,
        "health": status.health,
        "pid": status.pid,
        "run": status.run,
        "restarts": status.restarts or None,
        "exit_code": status.exit_code,
        "exit_signal": status.exit_signal,
        "port": status.port,
        "last_error": status.last_error,
        "outdated": status.outdated or None,
        "orphan": status.orphan or None,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").rstrip("\n")


def cut(text: str) -> str:
    """Return the end of an output."""
    return text if len(text) <= MAX_OUTPUT else f"({len(text) - MAX_OUTPUT} characters left out)\n{text[-MAX_OUTPUT:]}"
