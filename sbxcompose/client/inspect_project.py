"""A project for scripts, as far as it is only looked at: what runs, why something does not, and output."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar

from sbxcompose.client.cancellation import cancel_once, cancelled_once
from sbxcompose.client.definition import ProjectDefinition, definition_of
from sbxcompose.client.error_words import add_hint
from sbxcompose.client.event_stream import EventStream
from sbxcompose.client.explain import ProcessExplanation, explain, process_explanation
from sbxcompose.client.output import LineReader, OutputLine, select_output
from sbxcompose.client.process_events import ProjectEvent
from sbxcompose.client.process_status import ProcessStatus, process_status
from sbxcompose.client.processes import list_processes
from sbxcompose.client.stats import ProjectStats, project_stats
from sbxcompose.client.usage_meter import follow_usage, measure_once
from sbxcompose.clock import wall_time
from sbxcompose.engine.read_logs import LogStart, read_logs
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError, UsageError
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import ProcessNames
from sbxcompose.spec.project import Project
from sbxcompose.spec.request import LoadRequest

T = TypeVar("T")


class InspectableProject:
    """The part of `OpenProject` that changes nothing; see there."""

    def __init__(self, project: Project, request: LoadRequest) -> None:
        self._project = project
        self._request = request
        """What the project was read with."""
        self._environ = request.environ
        self._streams: set[AsyncGenerator[Any, None]] = set()

    def __repr__(self) -> str:
        return f"<sbxcompose project {self.name!r} in {self._project.directory}>"

    @property
    def name(self) -> str:
        """The name of the project."""
        return self._project.name

    @property
    def definition(self) -> ProjectDefinition:
        """The project as its files define it."""
        return definition_of(self._project)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @cancelled_once
    async def close(self) -> None:
        """Close the streams of output that are still open."""
        for stream in tuple(self._streams):
            with suppress(RuntimeError):  # another task is reading it, and ends it
                await stream.aclose()

    def _session(self, *, is_up: bool = False) -> tuple[Session, KnownSecrets]:
        """Connect anew for each call, as for each command: nothing outlives a host that was replaced."""
        secrets = KnownSecrets(secret_values(self._project, self._environ))
        session = Session(self._project, environ=self._environ, secrets=secrets)
        session.is_up = is_up
        return session, secrets

    @cancelled_once
    async def ps(self, *names: str, all: bool = False) -> tuple[ProcessStatus, ...]:
        """Return the processes of the file, and orphans that run; with `all` also inactive and stopped ones."""
        session, secrets = self._session()
        async with session:
            found = await list_processes(session, names, everything=all)
        return tuple(process_status(entry, secrets.hide) for entry in found.instances)

    @cancelled_once
    async def why(self, *names: str) -> tuple[ProcessExplanation, ...]:
        """Explain why processes are not running or differ from the file; without names, all that have a problem."""
        session, secrets = self._session()
        async with session:
            found = await explain(session, names)
            shown = found.all if names else found.amiss
            return tuple([await process_explanation(session, answer, secrets.hide) for answer in shown])

    async def logs(
        self,
        *names: str,
        follow: bool = False,
        all: bool = False,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        run: int | None = None,
    ) -> AsyncGenerator[OutputLine, None]:
        """Lines of output since the last `up`, merged by time; with `follow` also what comes, without end.

        `all`: older output, too. `since` (seconds since 1970) or `run` (the number of a
        run) says where to begin; these reach beyond the last `up`. `tail`: the last lines of each process, of those
        since `since` if that is given, and not with `run`. What was written after `until` is left out.

        ```python
        import asyncio
        import sbxcompose

        async def main():
            async with sbxcompose.open_project() as project:
                await project.up(wait=True)
                async for line in project.logs("web", follow=True):
                    print(line.name, line.stream, line.text)
                    if "listening" in line.text:
                        break
                await project.down()

        asyncio.run(main())
        ```
        """
        begin = _begin(tail, since, run)
        everything = all or since is not None or until is not None or run is not None
        lines = self._kept(self._lines(names, begin, follow=follow, everything=everything, until=until))
        try:
            async for line in lines:
                yield line
        finally:
            await lines.aclose()

    @cancelled_once
    async def stats(self, *names: str) -> ProjectStats:
        """Return what running processes and their sandboxes use, measured over half a second."""
        session, _ = self._session()
        async with session:
            found = await measure_once(session, names)
        return project_stats(found.report, found.names, wall_time())

    def follow_stats(self, *names: str) -> AsyncGenerator[ProjectStats, None]:
        """Return what processes use, every two seconds while anything runs, without end.

        Raises `UsageError` if nothing has been started yet.

        ```python
        import asyncio
        import sbxcompose

        async def main():
            async with sbxcompose.open_project() as project:
                await project.up(wait=True)
                async for stats in project.follow_stats():
                    for process in stats.processes:
                        print(process.name, process.cpu_percent, process.memory_bytes)
                    break
                await project.down()

        asyncio.run(main())
        ```
        """
        return self._kept(self._follow_stats(names))

    async def _follow_stats(self, names: Sequence[str]) -> AsyncGenerator[Iterable[ProjectStats], None]:
        session, _ = self._session()
        async with session:
            async for found in follow_usage(session, names):
                yield (project_stats(found.report, found.names, wall_time()),)

    def events(
        self, *names: str, since: float | None = None, until: float | None = None
    ) -> AsyncGenerator[ProjectEvent, None]:
        """Return what happens to processes, and the steps that commands of this machine carry out, as it happens.

        It begins when the first event is asked for; with `since` (seconds since 1970) with what is recorded since
        then. It continues without end, or up to the moment `until`.

        ```python
        import asyncio
        import time
        import sbxcompose

        async def main():
            async with sbxcompose.open_project() as project:
                begun = time.time()
                await project.up(wait=True)
                await project.down()
                async for event in project.events("web", since=begun, until=time.time()):
                    print(event.time, event.type, event.action, event.name, event.text)

        asyncio.run(main())
        ```
        """
        return self._kept(self._events(names, since, until))

    async def _events(
        self, names: Sequence[str], since: float | None, until: float | None
    ) -> AsyncGenerator[Iterable[ProjectEvent], None]:
        session, secrets = self._session()
        async with session:
            stream = EventStream(session, names, self._environ)
            yield [event.without_secrets(secrets) for event in await stream.recorded(since, until)]
            async for event in stream.follow(until):
                yield (event.without_secrets(secrets),)

    async def _kept(self, batches: AsyncGenerator[Iterable[T], None]) -> AsyncGenerator[T, None]:
        """Yield the items one by one, and have `close` close the generator if it is not read to its end."""
        self._streams.add(batches)
        try:
            # Batches, because `cancel_once` takes longer than it takes to read a line.
            while (batch := await cancel_once(anext(batches, None))) is not None:
                for item in batch:
                    yield item
        except SbxError as error:
            add_hint(error)
            raise
        finally:
            await cancel_once(batches.aclose())
            self._streams.discard(batches)

    async def _lines(
        self, names: Sequence[str], begin: LogStart, *, follow: bool, everything: bool, until: float | None
    ) -> AsyncGenerator[Iterable[OutputLine], None]:
        session, secrets = self._session()
        async with session:
            selected = await select_output(session, names, begin, everything=everything)
            reader = LineReader(ProcessNames(self._project, selected.observed).instance, secrets)
            connections = session.connections.values()
            begin, new = selected.begin, selected.new
            async for said in read_logs(connections, selected.instances, begin, going_on=follow, new=new):
                if until is None or getattr(said.event, "time_ms", 0) <= until * 1000:
                    yield reader.feed(said)
            yield reader.finish()


def hide_secrets(project: InspectableProject, text: str) -> str:
    """Return a text with the values of the project's secrets masked, as in its logs."""
    return project._session()[1].hide(text)


def _begin(tail: int | None, since: float | None, run: int | None) -> LogStart:
    """Say where output begins. Raises `UsageError` for what cannot be combined."""
    for word, value in (("tail", tail), ("since", since)):
        if value is not None and run is not None:
            raise UsageError(f"`{word}` and `run` cannot be used together")
    return LogStart(tail=tail, since_ms=None if since is None else round(since * 1000), run=run)
