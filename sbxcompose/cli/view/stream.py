"""The one stream of output: every process's lines behind its name, and what the engine tells between them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from sbxcompose.cli.context import Shell, is_drawable
from sbxcompose.cli.view.announce import Announcement, Announcer, Severity
from sbxcompose.clock import monotonic, wall_ms
from sbxcompose.engine import events
from sbxcompose.engine.secrets import secret_values
from sbxcompose.errors import NotWritten
from sbxcompose.logs.mux import LineSource
from sbxcompose.logs.output import LogOutput
from sbxcompose.logs.prefix import Prefixes, label_limit
from sbxcompose.logs.render import JsonRenderer, PrefixedRenderer, Renderer
from sbxcompose.logs.sanitize import clean_line, cleaner
from sbxcompose.logs.screen import Screen
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.logs.write import FdSink
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance, Observed
from sbxcompose.spec.project import Project

if TYPE_CHECKING:
    from sbxcompose.cli.view.live import Live
    from sbxcompose.logs.filter import LineFilter

STALLED = 1024 * 1024
"""Bytes that wait for a slow reader before we read no more output ourselves."""


class LogStyle(Struct, frozen=True):
    """How lines are shown. `runs`: with run numbers (`web#3`).

    `live`: as output comes, so on a terminal unfinished lines are of interest, too.
    """

    timestamps: bool = False
    prefix: bool = True
    raw: bool = False
    as_json: bool = False
    runs: bool = False
    live: bool = False


class ShownOutput(Struct, frozen=True):
    """Which output is shown: of which instances (None: of all that the project has or had), and which lines of it.

    `observed` has instances that are no longer in the file. What happens to an instance is announced also if its output
    is hidden by `hides`.
    """

    instances: Collection[Instance] | None = None
    observed: Observed | None = None
    lines: LineFilter | None = None
    hides: Callable[[Instance], bool] = lambda instance: False
    new: Callable[[Instance], bool] = lambda instance: False
    """Which of those that appear later are shown, too."""


def complete(project: Project, shown: Collection[Instance]) -> dict[tuple[str, str], int]:
    """Return the processes of which all replicas of the file are shown, with their number.

    Those that `scale` adds to them in another terminal are shown, too.
    """
    return {
        (process.sandbox, process.name): process.replicas
        for process in project.every_process()
        if process.replicas
        and all(Instance(process.sandbox, process.name, number + 1) in shown for number in range(process.replicas))
    }


class LogView:
    """Shows output on stdout."""

    def __init__(
        self,
        shell: Shell,
        project: Project,
        style: LogStyle,
        shown: ShownOutput,
        *,
        secrets: KnownSecrets,
        on_lost: Callable[[NotWritten], None] | None = None,
    ) -> None:
        """`on_lost` is told when stdout can no longer be written to; without it that is raised as `NotWritten`."""
        self._names = ProcessNames(project, shown.observed)
        self._shown = None if shown.instances is None else frozenset(shown.instances)
        self._complete = complete(project, self._shown or ())
        self._hides = shown.hides
        self._new = shown.new
        self._muted = False
        self._announcer = Announcer()
        self._sources: dict[tuple[Instance, int, int], LineSource] = {}
        self._renamed: set[tuple[Instance, int, int]] = set()
        """Those whose label may have changed since their last line."""
        self._on_lost = on_lost
        self.sink = FdSink(sys.stdout.fileno(), on_lost=None if on_lost is None else self.lose)
        self._on_screen = is_drawable(sys.stdout)
        clean = None if style.raw else cleaner(terminal=sys.stdout.isatty(), colours=shell.out.enabled)
        screen = Screen(self._size) if style.live and self._on_screen else None
        renderer = self._renderer(shell, project, style)
        self._log = LogOutput(renderer, self.sink, clean=clean, secrets=secrets, screen=screen, lines=shown.lines)
        self.secrets = secrets
        self._timer: asyncio.TimerHandle | None = None
        shell.before_echo = self.make_room
        shell.hold_output = self._hold
        self._colours = shell.out.enabled
        self.elapsed: Callable[[], str] = lambda: ""
        """What is put before announcements: in CI, how long the command has been running."""
        self.heard: Callable[[events.EngineEvent], None] = lambda event: None
        """What else wants to hear of events."""

    def _renderer(self, shell: Shell, project: Project, style: LogStyle) -> Renderer:
        if style.as_json:
            return JsonRenderer()
        prefixes = None
        if style.prefix:
            labels = self._labels(project)
            shown = [label for instance, label in labels.items() if self._shows(instance)]
            limit = label_limit(self._size()[0] if self._on_screen else None)
            prefixes = Prefixes(shown, colour=shell.out.enabled, runs=style.runs, limit=limit, among=labels.values())
        columns = (lambda: self._size()[0]) if self._on_screen and not style.raw else None
        return PrefixedRenderer(prefixes, timestamps=style.timestamps, colour=shell.out.enabled, columns=columns)

    def _labels(self, project: Project) -> dict[Instance, str]:
        return {
            instance: self._names.instance(instance)
            for process in project.every_process()
            if process.is_connector or not process.name.startswith("@")
            for instance in (Instance(process.sandbox, process.name, index + 1) for index in range(process.replicas))
        }

    def replace_project(self, project: Project, shown: Collection[Instance]) -> None:
        """Show another reading of the project's file; what is new gets a name and a prefix."""
        self._names = ProcessNames(project)
        self._renamed = set(self._sources)
        if self._shown is not None:
            self._shown = frozenset(shown) | self._shown
            self._complete = complete(project, self._shown)
        self.secrets.add_current(secret_values(project))

    def output(self, instance: Instance, stream: int, run: int, time_ms: int, data: bytes) -> None:
        """Take a chunk of output. Raises `NotWritten`."""
        if self._shows(instance) and not self._hides(self._in_file(instance)):
            self._log.feed(self._source(instance, stream, run), data, time_ms)
            self._set_timer()

    def on_event(self, event: events.EngineEvent) -> None:
        """Take an event: ends of runs complete their last lines, and what is worth a line gets one."""
        if isinstance(event, events.RunEnded) and not self._muted:
            for stream in (1, 2):
                self._log.end(self._source(event.instance, stream, event.run))
                del self._sources[event.instance, stream, event.run]
        for said in self._announcer(event):
            if said.instance is None or self._shows(said.instance):
                self.announce(said)
        self.heard(event)

    def announce(self, said: Announcement) -> None:
        """Print a line of this program between the lines of the processes."""
        if self._muted:
            return
        now = wall_ms()
        if said.instance is None:
            self._log.announce(self.elapsed() + said.text, now, error=said.tone is Severity.BAD)
            return
        name = self._names.instance(said.instance)
        text = f"{self.elapsed()}{name} {said.text.removeprefix(name + ' ')}"
        self._log.announce(text, now, self._source(said.instance, 1, 0), error=said.tone is Severity.BAD)

    def document(self, value: dict[str, Any]) -> None:
        """Print a JSON object of its own as a line, after everything that was shown."""
        import json

        if not self._muted:
            text = json.dumps(self.secrets.hide_all(value), separators=(",", ":"))
            self.sink.write([text.encode() + b"\n"])
            self.sink.flush()

    @property
    def draws(self) -> bool:
        """Whether a status block can be shown."""
        return self._log.draws

    def draw(self, live: Live) -> None:
        """On a terminal: show this below everything, until it is changed; an empty one takes it away."""
        if self._muted:
            return
        from sbxcompose.cli.tty import in_foreground

        if not live or not in_foreground(self.sink.fd):
            self._log.status(())
            return
        from sbxcompose.cli.view.status_block import block_lines

        self._log.status(block_lines(live, self._size(), colours=self._colours, clean=clean_line))

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """While inside, Ctrl-Z takes away what is not final before this process stops."""
        if not self.draws:
            yield
            return
        from sbxcompose.cli.tty import around_stops

        with around_stops(self.make_room, self._set_timer):
            yield

    def make_room(self) -> None:
        """Clear unfinished lines because another writer uses the terminal; they are redrawn below."""
        if not self._muted:
            self._log.make_room()
            self._set_timer()

    @contextmanager
    def _hold(self) -> Iterator[None]:
        """Hold everything back while inside; afterwards another writer can continue below it."""
        with self.sink.held():
            yield
        self.make_room()

    def _set_timer(self) -> None:
        """Look at unfinished lines once they have stood still."""
        wait = self._log.wait
        if wait is None:
            return
        loop = asyncio.get_running_loop()
        if self._timer is not None and self._timer.when() > loop.time() + wait:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_later(wait, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._muted:
            return
        with suppress(NotWritten):  # whoever writes next hears of it
            self._log.tick(monotonic())
            self._set_timer()

    def _size(self) -> tuple[int, int]:
        from sbxcompose.cli.tty import size_of

        return size_of(self.sink.fd)

    def blank(self) -> None:
        """Print an empty line after the user pressed Enter to mark a place."""
        if not self._muted:
            self._log.blank()

    async def pace(self) -> None:
        """Wait for a reader that has fallen behind, so that what it has not read stays in the log's files."""
        if not self._muted and self.sink.waiting > STALLED:
            await self.sink.drain()

    def finish(self) -> None:
        """Show what is still held back."""
        if self._muted:
            return
        self._log.end_all()
        self.sink.flush()

    def lose(self, error: NotWritten) -> None:
        """Show nothing more, because it cannot be written, and tell `on_lost` once."""
        if self._muted:
            return
        self._muted = True
        if self._on_lost is not None:
            self._on_lost(error)

    def _shows(self, instance: Instance) -> bool:
        if self._muted:
            return False
        if self._shown is None or instance in self._shown:
            return True
        return self._in_file(instance) is not instance or self._new(instance)

    def _in_file(self, instance: Instance) -> Instance:
        """Return the instance, or the first replica for one that `scale` has added to those of the file."""
        added = instance.replica > self._complete.get((instance.sandbox, instance.process), instance.replica)
        return Instance(instance.sandbox, instance.process) if added else instance

    def _source(self, instance: Instance, stream: int, run: int) -> LineSource:
        key = (instance, stream, run)
        source = self._sources.get(key)
        # A line that has begun under the old name ends under it.
        if source is not None and key in self._renamed and not self._log.is_unfinished(source):
            self._renamed.discard(key)
            source = None
        if source is None:
            if self._names.include([instance]):
                self._renamed = set(self._sources)
            label = self._names.instance(instance)
            source = LineSource(label, stream, run, instance.sandbox, instance.process, instance.replica)
            self._sources[key] = source
        return source
