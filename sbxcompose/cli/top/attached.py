"""`up --ui`: an attached `up` on the whole screen, which ends by stopping everything, or leaves it running."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from sbxcompose.cli.async_main import Interrupts
from sbxcompose.cli.context import Shell
from sbxcompose.cli.publish import Publisher
from sbxcompose.cli.top.effects import Effects, ScreenOwner
from sbxcompose.cli.top.feed import TopFeed
from sbxcompose.cli.top.model import TopModel
from sbxcompose.cli.top.run import TopScreen
from sbxcompose.cli.up_request import UpRequest
from sbxcompose.cli.view.errors import CANNOT_APPLY, mistake_words
from sbxcompose.cli.view.held_up import held_up
from sbxcompose.cli.view.verdict import exited_words, ready_text
from sbxcompose.clock import monotonic
from sbxcompose.engine.attached_up import AttachedUp
from sbxcompose.engine.events import (
    ApplyFailed,
    EngineEvent,
    EverythingReady,
    PlanApplied,
    PlanMade,
    ReloadFailed,
)
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted, SbxError
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.outcomes import Success
from sbxcompose.spec.project import Project
from sbxcompose.tasks import Tasks

LEFT = "left running in the background; `sbxcompose down` stops it"


async def up_on_screen(shell: Shell, project: Project, request: UpRequest, interrupts: Interrupts) -> int:
    """Bring up and stay on the screen; the exit code."""
    secrets = KnownSecrets(secret_values(project))
    model = TopModel(project.name, project.provider, attached=True)
    feed = TopFeed(model, secrets, lambda: None)
    feed.hides = request.hidden(project)
    async with Session(project, secrets=secrets, output=True) as session:
        session.is_up = True
        session.patient = not request.ends_itself
        feed.attach(session)
        await interrupts.guard(session.observe())
        feed.begin()
        up = AttachedUp(session, request.file(shell), request.end, _refuse)
        shown = _UpOnScreen(shell, feed, session, up, secrets, request)
        session.listen(shown.on_event)
        async with up:
            return await shown.stay(interrupts)


async def _refuse(sandboxes: Sequence[str]) -> bool:
    """Never replace sandboxes here: `--recreate-sandboxes` says so beforehand."""
    return False


class _UpOnScreen:
    """The screen of an `up`, and how it ends."""

    def __init__(
        self,
        shell: Shell,
        feed: TopFeed,
        session: Session,
        up: AttachedUp,
        secrets: KnownSecrets,
        request: UpRequest,
    ) -> None:
        self._shell = shell
        model = self._model = feed.model
        self._feed = feed
        self._up = up
        self._request = request
        self._session = session
        self._publisher = Publisher(shell, request.junit)
        self._publisher.watch(session)
        self._killed = asyncio.Event()
        self._code = 0
        self._verdict_words: str | None = None
        self._error: SbxError | None = None
        owner = ScreenOwner(stop_all=self._stop, kill_all=self._killed.set)
        effects = Effects(model, feed, session, secrets, shell.options, owner)
        self._screen = TopScreen(shell, model, feed, effects)

    async def stay(self, interrupts: Interrupts) -> int:
        """Bring up, and draw until that has ended or the screen is left; the exit code."""
        begun = monotonic()
        try:
            how = await self._screen.run(interrupts, [self._until_verdict(begun)])
        except Interrupted:  # SIGTERM, or the terminal was closed
            interrupts.ignore_hangups()
            with suppress(Interrupted):
                await interrupts.guard(self._up.stop())
            raise Interrupted("interrupted, everything has been stopped") from None
        if self._error is not None:
            raise self._error
        if how == "left" and self._up.running():
            self._shell.echo(LEFT)
        elif how == "stopped":
            raise Interrupted("interrupted, everything has been stopped")
        elif self._verdict_words is not None:
            self._shell.echo(self._verdict_words)
        return self._code

    async def _until_verdict(self, begun: float) -> None:
        """Wait for the verdict: an `up` that ends itself leaves the screen, any other stays to be looked at."""
        timeout = self._request.wait_timeout
        deadline = begun + timeout if timeout is not None else None
        try:
            verdict = await self._up.verdict(deadline, watch=self._request.watch)
        except SbxError as error:
            self._error = error
            self._screen.app.exit("failed")
            return
        seconds = monotonic() - begun
        self._publisher.decided(self._session, verdict)
        self._code = verdict.exit_code
        by_itself = self._request.ends_itself or verdict.ended_by is not None
        words = exited_words(verdict, by_itself=by_itself) if isinstance(verdict, Success) else str(verdict)
        self._verdict_words = words
        self._feed.add_note(words)
        if by_itself:
            if self._up.running():
                await self._stop()
            self._screen.app.exit("ended")
        elif not self._up.running():
            try:
                await self._up.mark_down()
            except SbxError as error:  # the host is gone, which has ended everything
                self._feed.add_note(error.message)
            self._model.attached = False
            self._model.show_message("all processes have exited; q leaves")
        self._publisher.publish(self._session, self._up.wanted, verdict, seconds)

    async def _stop(self) -> None:
        """Stop everything in reverse order, or at once when that is asked for meanwhile."""
        self._model.stopping = True
        self._feed.add_note("stopping everything")
        async with Tasks() as tasks:
            stopping = tasks.start(self._up.stop())
            killing = tasks.start(self._killed.wait())
            await asyncio.wait({stopping, killing}, return_when=asyncio.FIRST_COMPLETED)
            if killing.done():
                await self._up.kill()
            await stopping

    def on_event(self, event: EngineEvent) -> None:
        """Show what the engine tells beyond what every command shows."""
        match event:
            case PlanMade(plan):
                for note in plan.notes:
                    self._feed.add_note(f"note: {note}")
            case PlanApplied(result):
                for text in held_up(result):
                    self._feed.add_note(text)
            case ApplyFailed(error):
                self._feed.add_note("; ".join(filter(None, [error.message, error.hint])))
            case ReloadFailed(error):
                self._feed.add_note(f"{CANNOT_APPLY}: {mistake_words(error)}")
            case EverythingReady(verdict, seconds):
                self._feed.add_note(ready_text(verdict, seconds))
