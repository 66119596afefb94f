"""Watching a project: files change, and processes get new runs, signals or commands, as their rules say."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from msgspec.structs import replace

from sbxcompose import signals
from sbxcompose.clock import wall_time
from sbxcompose.command_line import command_line
from sbxcompose.engine.apply_loop import ApplyLoop
from sbxcompose.engine.events import WatchMessage
from sbxcompose.engine.one_off import CommandEnded, OneOff
from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError
from sbxcompose.files.load_rules import load_rules
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.tasks import gather_all, task_group
from sbxcompose.watch.gather import Gatherer, SeenChange
from sbxcompose.watch.loops import FileChange, LoopDetector, RestartLoop
from sbxcompose.watch.rules import Key, Reaction, Root, Watched, because, decide, merged, watched
from sbxcompose.watch.watcher import POLL, FileWatcher

ReloadFile = Callable[[], Awaitable[None]]

MOST = 20
"""Paths of one change that are judged: if these are a process's own, so are the others."""


class FileWatch:
    """Say what to `watch`, and `run` it. `reload` is called when the project's file has changed."""

    def __init__(
        self,
        session: Session,
        loop: ApplyLoop,
        *,
        reload: ReloadFile | None = None,
    ) -> None:
        self._session = session
        self._loop = loop
        self._reload = reload
        self._rules: tuple[Watched, ...] = ()
        self._spec: frozenset[str] = frozenset()
        self._gatherer = Gatherer()
        self._news = asyncio.Event()
        self._watcher = FileWatcher(
            session.project.directory,
            lambda root: load_rules(root.path, root.ignore),
            self._see,
            lambda text: self._notify(None, text, bad=True),
            poll=bool(os.environ.get(POLL)),
        )
        self._loops = LoopDetector()
        self._group: asyncio.TaskGroup
        self._waiting: dict[Key, Reaction] = {}
        self._preparing: asyncio.Task[None] | None = None
        self._paused: dict[Key, asyncio.Task[None]] = {}
        self._in_place_said = False

    async def watch(self, keys: Iterable[Key], spec: Collection[str] = ()) -> None:
        """Watch the files of these processes, and of the project's file; from its return on nothing is missed."""
        self._rules = watched(self._loop.project, keys)
        self._spec = frozenset(spec)
        roots = [rule.root for rule in self._rules]
        await self._watcher.watch(dict.fromkeys([*roots, *(Root(path) for path in sorted(self._spec))]))

    @property
    def places(self) -> list[str]:
        """What is watched for processes, as the file has it."""
        return list(dict.fromkeys(rule.rule.path for rule in self._rules))

    async def run(self) -> None:
        """React to changes until cancelled."""
        async with task_group() as self._group:
            self._group.create_task(self._watcher.run())
            await self._handle_batches()

    async def _handle_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            try:
                async with asyncio.timeout_at(self._gatherer.due):
                    await self._news.wait()
            except TimeoutError:
                await self._watcher.poll()  # a change that has not been read yet puts the batch off
                batch = self._gatherer.take(loop.time())
                if batch:
                    await self._react(batch)

    def _see(self, seen: list[SeenChange], at: float) -> None:
        self._gatherer.add(seen, at)
        self._news.set()

    async def _react(self, batch: dict[Root, list[str]]) -> None:
        # A root without ignores is one of the project's own files, and not a folder that happens to hold one.
        if self._reload is not None and any(root.path in self._spec and not root.ignore for root in batch):
            await self._reload()
        reactions = [
            reaction for reaction in decide(self._rules, self._without_spec(batch)) if not self._slowed_down(reaction)
        ]
        if not reactions:
            return
        for reaction in reactions:
            earlier = self._waiting.get(reaction.process)
            self._waiting[reaction.process] = merged(earlier, reaction) if earlier is not None else reaction
        await self._cancel_preparation()
        self._preparing = self._group.create_task(self._perform())

    def _without_spec(self, batch: dict[Root, list[str]]) -> dict[Root, list[str]]:
        """Leave out the project's file, unless a rule names it."""
        return {
            root: [path for path in paths if path not in self._spec or path == root.path]
            for root, paths in batch.items()
        }

    async def _cancel_preparation(self) -> None:
        """End what is being prepared: something newer is to be done instead."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait([self._preparing])
            self._preparing = None

    async def _perform(self) -> None:
        """Copy, run commands, and then do all the rest in one plan."""
        reactions = list(self._waiting.values())
        ready = await gather_all(*(self._prepare(reaction) for reaction in reactions))
        # Not before: what a newer change cancels while it is prepared has to be merged with that one.
        self._waiting.clear()
        good = [reaction for reaction, fine in zip(reactions, ready, strict=True) if fine]
        for reaction in good:
            await self._send_signals(reaction)
        self._restart([reaction for reaction in good if reaction.restart])

    def _slowed_down(self, reaction: Reaction) -> bool:
        """Return whether a process would be restarted for what it has done itself: then it has to wait."""
        key = reaction.process
        paused = self._paused.pop(key, None)
        waits = paused is not None and not paused.done()
        loop = self._loops.judge(key, self._changes(reaction), waits=waits) if reaction.restart else None
        if loop is None:
            if paused is not None:
                paused.cancel()
            return False
        if paused is None or paused.done():
            self._emit_slowed(reaction, loop)
            paused = self._group.create_task(self._later(loop.pause, reaction))
        self._paused[key] = paused
        return True

    def _changes(self, reaction: Reaction) -> dict[str, dict[Instance, FileChange]]:
        """When the files changed, for each instance of the process; none at a provider whose processes cannot do it."""
        if self._loop.project.provider_of(reaction.process[0]) != "local":
            return {}
        found: dict[str, dict[Instance, FileChange]] = {}
        for path in reaction.paths[:MOST]:
            changed = _changed_at(path)
            found[path] = {
                row.instance: FileChange(row.run, row.started_at, changed, _ended_at(row))
                for row in self._rows(reaction.process)
                if row.started_at is not None
            }
        return found

    def _emit_slowed(self, reaction: Reaction, loop: RestartLoop) -> None:
        path = os.path.relpath(loop.path, self._session.project.directory)
        self._notify(
            self._instance(reaction.process),
            f"seems to write {path} itself, since that changes {loop.moment} each start: "
            f"next restart in {loop.pause:g}s; to prevent this, add it to `ignore` in the watch rule",
            bad=True,
        )

    async def _later(self, pause: float, reaction: Reaction) -> None:
        await asyncio.sleep(pause)
        self._paused.pop(reaction.process, None)
        if await self._prepare(reaction):
            self._restart([reaction])

    async def _prepare(self, reaction: Reaction) -> bool:
        """Return whether a reaction's new run, or signals, may follow."""
        try:
            # What is restarted, signalled or built is to find the new files, too.
            sandbox = reaction.process[0]
            if sandbox not in self._session.connections:
                return True  # what is copied in before the first start is all there is
            copied = await self._session.sync_changed(sandbox, reaction.paths)
            if copied is None and reaction.sync and not self._in_place_said:
                self._in_place_said = True
                self._notify(None, "`sync` has nothing to copy here: processes use the files in place")
            for command in reaction.run:
                if not await self._run(reaction, command):
                    return False
        except SbxError as error:
            self._notify(self._instance(reaction.process), error.message, bad=True)
            return False
        return True

    async def _run(self, reaction: Reaction, command: tuple[str, ...]) -> bool:
        """Run a rule's command; whether it was successful."""
        instance = self._instance(reaction.process)
        process = self._loop.project.process(*reaction.process)
        connection = self._session.connections.get(instance.sandbox)
        if process is None or connection is None:
            return False
        shown = command_line(command)
        self._notify(instance, f"runs `{shown}`: {self._why(reaction)}")
        request, base = self._session.command_request(process, instance, command)
        request = replace(request, beside=None)  # no command of a person's, which `down` would end and tell of
        one_off = await OneOff.start(connection, request, base)
        lines = _Lines(lambda line: self._notify(instance, line))
        try:
            ended = await one_off.follow(lambda stream, data: lines.feed(data))
        except asyncio.CancelledError:
            await one_off.kill()
            raise
        lines.end()
        if ended.exit_code != 0:
            self._notify(instance, f"not restarted: `{shown}` {_end(ended)}", bad=True)
        return ended.exit_code == 0

    async def _send_signals(self, reaction: Reaction) -> None:
        for number in reaction.signals:
            for row in self._rows(reaction.process):
                if row.pid is None:
                    continue
                self._notify(row.instance, f"receives {signals.shown(number)}: {self._why(reaction)}")
                try:
                    await self._session.connections[row.instance.sandbox].client.signal(row.name, number)
                except SbxError as error:
                    self._notify(row.instance, error.message, bad=True)

    def _restart(self, reactions: Sequence[Reaction]) -> None:
        why = {
            Target(*reaction.process): self._why(reaction) for reaction in reactions if not self._is_stopped(reaction)
        }
        if not why:
            return
        runs = {row.instance: row.run for target in why for row in self._rows((target.sandbox, target.process))}
        absorbed = self._loop.restart(why)
        for target, reason in why.items():
            for instance in self._instances((target.sandbox, target.process)):
                number = runs.get(instance)
                run = f" (run {number + 1})" if number else ""
                because_of = f", also because {reason}" if target in absorbed else f"{run}: {reason}"
                self._notify(instance, f"is restarting{because_of}")

    def _is_stopped(self, reaction: Reaction) -> bool:
        """Return whether it was stopped on request, which a file change does not undo."""
        rows = self._rows(reaction.process)
        stopped = bool(rows) and all(
            row.phase is Phase.STOPPED and not self._loop.is_starting(row.instance) for row in rows
        )
        if stopped:
            name = reaction.process[1]
            self._notify(None, f"{self._why(reaction)}, but {name} was stopped: `sbxcompose start {name}` starts it")
        return stopped

    def _why(self, reaction: Reaction) -> str:
        return because(reaction.paths, self._session.project.directory)

    def _instances(self, key: Key) -> list[Instance]:
        process = self._loop.project.process(*key)
        return [Instance(*key, replica + 1) for replica in range(process.replicas if process is not None else 0)]

    def _instance(self, key: Key) -> Instance:
        return Instance(*key, 1)

    def _rows(self, key: Key) -> list[ObservedRow]:
        connection = self._session.connections.get(key[0])
        found = [connection.row(instance) for instance in self._instances(key)] if connection is not None else []
        return [row for row in found if row is not None]

    def _notify(self, instance: Instance | None, text: str, *, bad: bool = False) -> None:
        self._session.emit(WatchMessage(instance, text, bad))


class _Lines:
    """Chunks of a command's output -> lines."""

    def __init__(self, emit_line: Callable[[str], None]) -> None:
        self._emit_line = emit_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._emit_line(line.decode("utf-8", "replace"))

    def end(self) -> None:
        if self._rest:
            self._emit_line(self._rest.decode("utf-8", "replace"))


def _end(ended: CommandEnded) -> str:
    if ended.out_of_memory is not None:
        return ended.out_of_memory
    if ended.signal is not None:
        return f"was killed by {signals.shown(ended.signal)}"
    return f"exited with code {ended.exit_code}"


def _ended_at(row: ObservedRow) -> float | None:
    """When its latest run ended; None while that runs."""
    return row.exit.at if row.exit is not None and row.pid is None else None


def _changed_at(path: str) -> float:
    """When a file has changed last, in seconds since 1970; of one that is gone, when its directory did."""
    for known in (path, os.path.dirname(path)):
        try:
            return os.lstat(known).st_ctime  # and not mtime, which copies and checkouts set to the past
        except OSError:
            continue
    return wall_time()
