"""Attached `up`: everything's output in one stream until it has ended, or until Ctrl-C ends it in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING

from sbxcompose.cli.async_main import Interrupts
from sbxcompose.cli.ci_log import CiLog
from sbxcompose.cli.confirm import confirm_replacing
from sbxcompose.cli.context import Shell
from sbxcompose.cli.keys import Keys, has_terminal
from sbxcompose.cli.publish import Publisher
from sbxcompose.cli.reader_gone import reader_watched
from sbxcompose.cli.style import Style
from sbxcompose.cli.up_request import UpRequest, echo_notes
from sbxcompose.cli.view.announce import Announcement, Severity
from sbxcompose.cli.view.errors import CANNOT_APPLY, mistake_words
from sbxcompose.cli.view.held_up import held_up
from sbxcompose.cli.view.stream import LogStyle, LogView, ShownOutput
from sbxcompose.cli.view.verdict import as_styled, exited_words, ready_text
from sbxcompose.cli.view.wait_report import WaitReport
from sbxcompose.client.verdict import with_last_lines
from sbxcompose.clock import monotonic
from sbxcompose.engine.attached_up import AttachedUp
from sbxcompose.engine.events import (
    ApplyFailed,
    EngineEvent,
    EverythingReady,
    PlanApplied,
    PlanMade,
    ProjectReloaded,
    ReloadFailed,
)
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted, NotWritten, SbxError
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.instances import instances_in_scope
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Await, Plan
from sbxcompose.spec.project import Process, Project

if TYPE_CHECKING:
    from sbxcompose.plan.judge import Failed, Success, TimedOut


async def attached(
    shell: Shell,
    project: Project,
    request: UpRequest,
    wanted: Mapping[Instance, Process],
    interrupts: Interrupts,
) -> int:
    """Bring up and stay; the exit code."""
    style = LogStyle(request.timestamps, not request.no_log_prefix, request.raw, request.as_json, live=True)
    lost: list[NotWritten] = []

    def end(error: NotWritten) -> None:
        """End everything as Ctrl-C would: `up | head`, a closed terminal, a full disk."""
        lost.append(error)
        # A hang-up never counts as the second interrupt, which would kill instead of stopping in order.
        interrupts.interrupt(signal.SIGHUP)

    secrets = KnownSecrets(secret_values(project))
    chosen = ShownOutput(wanted, hides=request.hidden(project))
    view = LogView(shell, project, style, chosen, secrets=secrets, on_lost=end)
    async with Session(project, emit=view.on_event, output=True, secrets=secrets) as session:
        session.is_up = True
        session.hub.pace = view.pace
        session.on_connection(lambda connection: connection.listen(view.output))
        shown = _AttachedView(shell, view, request)
        up = AttachedUp(session, request.file(shell), request.end, shown.confirm)
        session.listen(partial(shown.on_event, session))
        try:
            with reader_watched(1, view.lose):
                code = await shown.stay(session, up, interrupts)
        except Interrupted:
            if not lost:
                raise
    if lost:
        raise lost[0]
    return code


class _AttachedView:
    """What a person sees of an attached `up`, and how they end it."""

    def __init__(self, shell: Shell, view: LogView, request: UpRequest) -> None:
        self._shell = shell
        self._view = view
        self._request = request
        self._keyboard: Keys | None = None
        self._first = True
        """Whether nothing has been planned yet."""
        self._is_timed = False
        """Whether the timings have been shown."""
        self._publisher = Publisher(shell, request.junit, timings=request.timings)
        self._ci = CiLog(lambda line: view.sink.write([f"{line}\n".encode()]))
        if not request.as_json:
            view.elapsed = self._ci.elapsed
            self._ci.begin("sbxcompose up")

    async def stay(self, session: Session, up: AttachedUp, interrupts: Interrupts) -> int:
        """Bring up, wait for the verdict, and stop what is left; the exit code."""
        publisher = self._publisher
        publisher.watch(session)
        begun = monotonic()
        timeout = self._request.wait_timeout
        deadline = begun + timeout if timeout is not None else None
        try:
            async with up, self._waiting(session, up):
                with self._keys(up):
                    verdict = await interrupts.guard(up.verdict(deadline, watch=self._request.watch))
        except Interrupted:
            await self._stop(session, up, interrupts, "stopping; Ctrl-C again kills")
            self._view.finish()
            raise Interrupted("interrupted, everything has been stopped") from None
        except SbxError:
            self._view.finish()
            raise
        seconds = monotonic() - begun
        publisher.decided(session, verdict)
        if self._request.timings and not self._is_timed:
            self._show_timings(session)  # it has ended before everything was ready
        if up.running():
            by = f"{verdict.ended_by} has ended (`stop_all_on`); " if verdict.ended_by is not None else ""
            await self._stop(session, up, interrupts, f"{by}stopping the others")
        else:
            await up.mark_down()
        self._view.finish()
        self._ci.end()
        full = await with_last_lines(session, verdict, self._view.secrets.hide)
        # Elsewhere than in CI the lines have just been seen.
        self._show_verdict(full if self._ci.enabled else verdict)
        publisher.publish(session, up.wanted, full, seconds)
        return verdict.exit_code

    def _waiting(self, session: Session, up: AttachedUp | None) -> WaitReport:
        """Say what is waited for while inside."""
        block = self._view if self._view.draws else None
        if up is None:
            return WaitReport(session, self._announce, block)
        return WaitReport(session, self._announce, block, lambda: up.pending, lambda: len(up.wanted))

    async def _stop(self, session: Session, up: AttachedUp, interrupts: Interrupts, why: str) -> None:
        """Stop what is up in reverse order; an interrupt meanwhile kills it."""
        interrupts.ignore_hangups()
        self._announce(why)
        try:
            async with self._waiting(session, None):
                await interrupts.guard(up.stop())
        except Interrupted:
            self._announce("killing what is left")
            await up.kill()
            if up.options.targets is None:
                with suppress(Interrupted, SbxError):
                    await interrupts.guard(up.stop())
        await asyncio.sleep(0)

    def on_event(self, session: Session, event: EngineEvent) -> None:
        """Show what the engine tells beyond what every command shows."""
        match event:
            case PlanMade(plan):
                self._show_plan(plan)
            case PlanApplied(result):
                for text in held_up(result):
                    self._announce(text, Severity.BAD)
            case ApplyFailed(error):
                self._announce("; ".join(filter(None, [error.message, error.hint])), Severity.BAD)
            case ProjectReloaded(project, options):
                self._view.replace_project(project, instances_in_scope(project, options))
            case ReloadFailed(error):
                self._announce(CANNOT_APPLY, Severity.BAD)
                self._shell.echo(mistake_words(error, self._shell.err_width))
            case EverythingReady(verdict, seconds):
                self._announce(ready_text(verdict, seconds))
                if self._request.timings:
                    self._show_timings(session)

    def _show_timings(self, session: Session) -> None:
        from sbxcompose.cli.view.timings import lines

        self._is_timed = True
        timings = self._publisher.timings(session)
        for line in lines(timings, Style(False), None) if timings is not None else ():
            self._announce(line)

    def _show_plan(self, plan: Plan) -> None:
        echo_notes(self._shell, plan)
        first, self._first = self._first, False
        if first and plan.finished:
            self._announce(plan.how_to_rerun())
        elif first and all(isinstance(step.action, Await) for step in plan):
            self._announce("already up to date; attaching to logs (Ctrl-C stops everything)")

    def _keys(self, up: AttachedUp) -> AbstractContextManager[object]:
        """Read keys if there is a terminal."""
        if self._request.as_json or not has_terminal():
            return nullcontext()
        if not self._request.watch and any(process.watch for process in up.wanted.values()):
            self._announce("press w to watch files, h for help")
        self._keyboard = Keys(lambda key: self._press(key, up))
        return self._keyboard

    async def confirm(self, sandboxes: Sequence[str]) -> bool:
        """Ask for an answer of a whole line."""
        with self._keyboard.set_aside() if self._keyboard is not None else nullcontext():
            return await confirm_replacing(self._shell, sandboxes)

    def _press(self, key: str, up: AttachedUp) -> None:
        match key:
            case "w":
                up.watch.switch(on=not up.watch.wanted)
            case "h" | "?":
                state = "on" if up.watch.wanted else "off"
                self._announce(f"w: watch files (now {state}), h: this help, Ctrl-C: stop everything, twice: kill it")
            case "\n" | "\r":
                self._view.blank()

    def _show_verdict(self, verdict: Success | Failed | TimedOut) -> None:
        from sbxcompose.plan import outcomes

        if self._request.as_json:
            self._view.document(verdict.to_json())
        if isinstance(verdict, outcomes.Success):
            # What `stop_all_on` has ended was stopped, and that has been said.
            by_itself = self._request.ends_itself or verdict.ended_by is not None
            self._shell.echo(self._view.secrets.hide(exited_words(verdict, by_itself=by_itself)))
            return
        headline, *rest = as_styled(self._view.secrets.hide(str(verdict)), self._shell.err)
        self._shell.echo("\n".join([self._shell.err.red(headline), *rest]))
        if self._ci.enabled:
            command = self._request.how_to_reproduce(self._shell.options)([report.label for report in verdict.causes])
            self._shell.echo(f"{self._shell.err.cyan('hint:')} reproduce it with `{command}`")

    def _announce(self, text: str, tone: Severity = Severity.PLAIN) -> None:
        self._view.announce(Announcement(None, text, tone))
