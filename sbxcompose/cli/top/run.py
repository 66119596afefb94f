"""`top`: the screen on a terminal, from its first frame until the terminal is as it was."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any

from sbxcompose.cli.async_main import Interrupts
from sbxcompose.cli.context import Shell
from sbxcompose.cli.top.app import TopApp
from sbxcompose.cli.top.driver import restore_signals
from sbxcompose.cli.top.effects import Effects, ScreenOwner
from sbxcompose.cli.top.feed import TopFeed
from sbxcompose.cli.top.model import TopModel
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted, SbxError
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import ProcessNames
from sbxcompose.spec.project import Project
from sbxcompose.tasks import Tasks

POLL_INTERVAL = 2.0
"""Seconds after which a sandbox of this machine that does not exist is looked for again: of its creation nothing is
heard."""
LOOK_AGAIN_FAR = 10.0
"""The same in the cloud."""
ENDING = 5.0
"""Seconds in which the screen must have gone after it was told to."""


async def top(shell: Shell, project: Project, name: str | None, interrupts: Interrupts) -> int:
    """Show the project until it is left, at first the process of that name; return the exit code."""
    secrets = KnownSecrets(secret_values(project))
    model = TopModel(project.name, project.provider)
    model.connection = "connecting …"
    feed = TopFeed(model, secrets, lambda: None)
    async with Session(project, secrets=secrets, output=True) as session:
        session.is_up = True
        session.patient = True
        feed.attach(session)
        effects = Effects(model, feed, session, secrets, shell.options, ScreenOwner(shell.project))
        screen = TopScreen(shell, model, feed, effects)
        screen.app.hold_keys()
        poll = asyncio.Event()
        screen.app.touched = poll.set

        async def connect() -> None:
            """Look at the project for the first time, while the first frame is drawn, and stay connected."""
            observed = await session.observe()
            model.connection = None
            feed.begin()
            if name is not None:
                feed.refresh()  # the first frame may not have been drawn, and the list of processes be empty
                model.select_only(ProcessNames(project, observed).resolve(name))
            screen.app.release_keys()
            await stay_connected(session, feed, poll)

        await screen.run(interrupts, [connect()])
    return 0


async def stay_connected(session: Session, feed: TopFeed, poll: asyncio.Event) -> None:
    """Look again for sandboxes of which nothing is heard, every few seconds and when `poll` is set, until cancelled."""
    every = POLL_INTERVAL if session.project.provider == "local" else LOOK_AGAIN_FAR
    said = ""
    while True:
        lost = [connection for connection in session.connections.values() if connection.error is not None]
        if not lost and len(session.connections) >= len(session.project.sandboxes):
            session.changed.clear()
            await session.changed.wait()
            continue
        words = "; ".join(f"sandbox {connection.name}: {connection.error}" for connection in lost)
        try:
            await session.observe_again()
            feed.connected(True)
        except SbxError as error:
            words = words or error.message
            feed.connected(False)
        if words and words != said:
            feed.add_note(words)
        said = words
        with suppress(TimeoutError):
            async with asyncio.timeout(every):
                await poll.wait()
        poll.clear()


class TopScreen:
    """The screen with all that keeps it up to date."""

    def __init__(self, shell: Shell, model: TopModel, feed: TopFeed, effects: Effects) -> None:
        self.app = TopApp(model, effects, colour=shell.out.enabled)
        self.app.before_frame = feed.refresh
        self._feed = feed
        self._effects = effects
        feed.news = self.app.news
        feed.rows_changed = effects.renew
        effects.app = self.app

    async def run(self, interrupts: Interrupts, beside: Sequence[Awaitable[Any]] = ()) -> str | None:
        """Draw until it is left; how it was. Raises `Interrupted` for SIGTERM and SIGHUP, and what a defect raised."""
        async with Tasks() as tasks:
            works = [self._feed.measure(), self._feed.probe_readiness(), *beside]
            background = {tasks.start(work) for work in works}
            drawing = tasks.start(self.app.run_async(mouse=True))
            try:
                await self._until_left(drawing, background, interrupts)
            finally:
                await self._effects.close()
                restore_signals()
        if self.app.failure is not None:
            raise self.app.failure
        return self.app.return_value

    async def _until_left(
        self, drawing: asyncio.Task[Any], background: set[asyncio.Task[Any]], interrupts: Interrupts
    ) -> None:
        """Wait for the end of `drawing`; an interrupt or a failure in the background ends it as well."""
        while not drawing.done():
            async with Tasks() as tasks:
                interrupt = tasks.start(interrupts.next())
                await asyncio.wait({drawing, interrupt, *background}, return_when=asyncio.FIRST_COMPLETED)
                interrupted = interrupt.done()
            for task in [task for task in background if task.done()]:
                background.discard(task)
                if task.exception() is not None:
                    await self._end(drawing)
                    task.result()
            if interrupted and interrupts.signal == signal.SIGINT and not self._effects.has_terminal:
                continue  # it was meant for the shell that has the terminal
            if interrupted and not drawing.done():
                await self._end(drawing)
                raise Interrupted("interrupted")
        drawing.result()

    async def _end(self, drawing: asyncio.Task[Any]) -> None:
        """Leave the screen, whatever it is doing."""
        await self._effects.close()
        self.app.exit("interrupted")
        await asyncio.wait({drawing}, timeout=ENDING)
