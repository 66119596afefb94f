"""What a session tells, brought into the model: processes, their output, remarks between it, and what they use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sbxcompose.cli.top.log_buffer import KEPT
from sbxcompose.cli.top.model import TopModel
from sbxcompose.cli.top.spans import SGR
from sbxcompose.cli.view.announce import Announcer
from sbxcompose.client.stats import FIRST_INTERVAL, INTERVAL, NOTHING
from sbxcompose.client.usage_meter import UsageMeter
from sbxcompose.clock import wall_time
from sbxcompose.engine import events
from sbxcompose.engine.listing import listing, readiness_of, with_readiness
from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError
from sbxcompose.logs.mux import Block, LineSource, Mux
from sbxcompose.logs.sanitize import clean_for_terminal, clean_text, shorten
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance

MAX_AT_ONCE = 64 * 1024
"""Bytes of one chunk that are turned into lines."""
NOT_CONNECTED = "not connected, trying again"
POLL_INTERVAL = 1.0
"""Seconds between two looks at whether a process that prints something has become ready by that."""


class TopFeed:
    """Fills a model from a session; `news` is called whenever there is something new to draw."""

    def __init__(self, model: TopModel, secrets: KnownSecrets, news: Callable[[], None]) -> None:
        self.model = model
        self.hides: Callable[[Instance], bool] = lambda instance: False
        """Whose output is not shown."""
        self.news = news
        self.rows_changed: Callable[[], None] = lambda: None
        """Called when the list of processes has changed."""
        self._secrets = secrets
        self._session: Session | None = None
        self._announcer = Announcer()
        self._mux = Mux(cut_at=lambda source, piece: secrets.masker(source).cut_at(piece), shorten=shorten)
        self._sources: dict[tuple[Instance, int, int], LineSource] = {}
        self._names: ProcessNames | None = None
        self._kept: list[tuple[int, str, int, str]] | None = []
        """Lines that were kept when it began, until all of them are there and can be put in order."""
        self._changed = True
        self._stirred = asyncio.Event()
        self._ready: dict[Instance, tuple[int, bool | None]] = {}
        """What was found out of the readiness of a run."""

    def attach(self, session: Session) -> None:
        """Take what this session tells."""
        self._session = session
        session.kept_lines = KEPT // 5
        session.hub.pace = self.pace
        session.on_connection(lambda connection: connection.listen(self.output))
        session.listen(self.on_event)

    def begin(self) -> None:
        """All that was there has been told: show it in order."""
        kept, self._kept = self._kept or [], None
        for _, name, stream, text in sorted(kept, key=lambda line: line[0]):
            self._add(name, stream, text)
        self._stir()

    # -- what is told --------------------------------------------------------------------------------------

    def output(self, instance: Instance, stream: int, run: int, time_ms: int, data: bytes) -> None:
        """Take a chunk of output; of a flood only its end, which is all that will be seen of it."""
        if self.hides(instance):
            return
        source = self._source(instance, stream, run)
        if len(data) > MAX_AT_ONCE and (skipped := data.find(b"\n", len(data) - MAX_AT_ONCE)) >= 0:
            self._mux.flush(source)
            data = data[skipped + 1 :]
        for block in self._mux.feed(source, data, time_ms):
            self._show(block)
        self.news()

    async def pace(self) -> None:
        """Let keys and frames have their turn after each chunk."""
        await asyncio.sleep(0)

    def on_event(self, event: events.EngineEvent) -> None:
        """Take an event: rows may have changed, and what is worth a line gets one."""
        if isinstance(event, events.RunEnded):
            for stream in (1, 2):
                if (rest := self._mux.flush(self._source(event.instance, stream, event.run))) is not None:
                    self._show(rest)
                del self._sources[event.instance, stream, event.run]
        if isinstance(event, events.BecameReady):
            self._set_ready(event.instance, True)
        if isinstance(event, events.ConnectionLost | events.ConnectionRestored | events.ConnectionGivenUp):
            self.connected(not isinstance(event, events.ConnectionLost))
        if isinstance(event, events.RowChanged | events.ProjectReloaded):
            self._names = None
        if self._kept is None:
            for said in self._announcer(event):
                name = "" if said.instance is None else self._label(said.instance)
                self.add_note(f"{name} {said.text.removeprefix(name + ' ')}".strip(), about=name)
        self._stir()

    def add_note(self, text: str, about: str = "") -> None:
        """Add a line of this program between the lines of the processes, or of the one that it is `about`."""
        self._add("*", 0, clean_text(self._secrets.hide(text), colours=False), about)

    def connected(self, well: bool) -> None:
        """Show whether anything is heard of the processes."""
        self.model.connection = None if well else NOT_CONNECTED
        self._stir()

    def _stir(self) -> None:
        self._changed = True
        self._stirred.set()
        self.news()

    # -- lines ---------------------------------------------------------------------------------------------

    def _source(self, instance: Instance, stream: int, run: int) -> LineSource:
        key = (instance, stream, run)
        if key not in self._sources:
            label = self._label(instance)
            self._sources[key] = LineSource(label, stream, run, instance.sandbox, instance.process, instance.replica)
        return self._sources[key]

    def _show(self, block: Block) -> None:
        source = block.source
        data = self._secrets.masker(source).mask_coloured(clean_for_terminal(block.data))
        for line in data.rstrip(b"\n").split(b"\n"):
            text = line.decode("utf-8", "replace")
            if self._kept is not None:
                self._kept.append((block.time_ms, source.label, source.stream, text))
            else:
                self._add(source.label, source.stream, text)

    def _add(self, name: str, stream: int, text: str, about: str = "") -> None:
        self.model.logs.add(name, stream, text, SGR.sub("", text) if "\x1b" in text else text, about)
        self.news()

    def _label(self, instance: Instance) -> str:
        if self._names is None:
            assert self._session is not None
            self._names = ProcessNames(self._session.project, self._session.observed())
        return self._names.instance(instance)

    # -- processes -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the list of processes up to date, if anything has changed; called before a frame."""
        session = self._session
        if session is None or not self._changed:
            return
        self._changed = False
        entries = listing(session.project, session.observed(), everything=False)
        seen = {
            entry.instance: self._ready[entry.instance][1]
            for entry in entries
            if entry.row is not None and self._ready.get(entry.instance, (0,))[0] == entry.row.run
        }
        before = self.model.entries
        self.model.update(with_readiness(entries, session.project, seen, wall_time()))
        if self.model.entries != before:
            self.rows_changed()

    def _set_ready(self, instance: Instance, ready: bool | None) -> None:
        link = self._session.connections.get(instance.sandbox) if self._session is not None else None
        row = link.row(instance) if link is not None else None
        if row is not None:
            self._ready[instance] = (row.run, ready)

    async def probe_readiness(self) -> None:
        """Find out, after each change, whether what has a `ready_when` is ready; runs until it is cancelled."""
        assert self._session is not None
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            self._changed = True
            self.refresh()
            unknown = [
                entry
                for entry in self.model.entries
                if entry.process is not None
                and entry.process.ready_when is not None
                and entry.row is not None
                and self._ready.get(entry.instance) != (entry.row.run, True)
            ]
            for instance, ready in (await readiness_of(self._session, unknown)).items():
                self._set_ready(instance, ready)
            self._changed = True
            self.news()
            await asyncio.sleep(POLL_INTERVAL if unknown else 0)

    # -- usage ---------------------------------------------------------------------------------------------

    async def measure(self) -> None:
        """Measure every two seconds while anything runs and it is wanted; runs until it is cancelled."""
        assert self._session is not None
        session, meter, pause = self._session, UsageMeter(self._session), FIRST_INTERVAL
        while True:
            if not (self.model.measured and meter.worthwhile):
                self.model.usage, pause = NOTHING, FIRST_INTERVAL
                self.news()
                session.changed.clear()
                await session.changed.wait()
                continue
            try:
                self.model.usage = await meter.measure()
            except SbxError:  # the connection is being made again, or it is over, which is told elsewhere
                self.model.usage = NOTHING
            self.news()
            await asyncio.sleep(pause)
            pause = INTERVAL
