"""Attached `up`: everything's output in one stream until it has ended, or until Ctrl-C ends it in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sbxcompose.cli.agree import agree
from sbxcompose.cli.context import Shell
from sbxcompose.cli.running import Interrupts
from sbxcompose.cli.view.announce import Announcement, Tone
from sbxcompose.cli.view.held_up import held_up
from sbxcompose.cli.view.stream import LogStyle, LogView
from sbxcompose.engine.execute import Result
from sbxcompose.engine.road import go, kill
from sbxcompose.engine.session import Session
from sbxcompose.engine.states import States
from sbxcompose.errors import Interrupted, SbxError
from sbxcompose.logs.write import ReaderGone
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import Intent, Options
from sbxcompose.plan.steps import Plan
from sbxcompose.spec.project import Process, Project

if TYPE_CHECKING:
    from sbxcompose.cli.bring_up import UpRequest
    from sbxcompose.plan.verdict import Failed, Success, TimedOut


async def attached(
    shell: Shell,
    project: Project,
    request: UpRequest,
    options: Options,
    wanted: Mapping[Instance, Process],
    interrupts: Interrupts,
) -> int:
    """Bring up and stay; the exit code."""
    style = LogStyle(request.timestamps, not request.no_log_prefix, request.raw, request.as_json)
    view = LogView(shell, project, style, wanted)
    async with Session(project, tell=view.tell, output=True, pace=view.pace) as session:
        session.on_link(lambda link: link.listen(view.output))
        up = _Up(shell, project, session, view, request, options, wanted)
        try:
            return await up.stay(interrupts)
        except ReaderGone:
            # `up | head`: nobody reads any more, which ends it as a Ctrl-C would.
            view.mute()
            await up.stop(interrupts, "nobody reads our output")
            return 141


class _Up:
    def __init__(
        self,
        shell: Shell,
        project: Project,
        session: Session,
        view: LogView,
        request: UpRequest,
        options: Options,
        wanted: Mapping[Instance, Process],
    ) -> None:
        self._shell = shell
        self._project = project
        self._session = session
        self._view = view
        self._request = request
        self._options = options
        self._wanted = wanted

    async def stay(self, interrupts: Interrupts) -> int:
        """Bring up, wait for the verdict, and stop what is left; the exit code."""
        try:
            async with States(self._session, self._wanted, readiness=False) as states:
                verdict = await interrupts.guard(self._until_verdict(states))
        except Interrupted:
            await self.stop(interrupts, "stopping; Ctrl-C again kills")
            self._view.finish()
            raise Interrupted("interrupted, everything has been stopped") from None
        except SbxError:
            self._view.finish()
            raise
        if any(self._live()):
            await self.stop(interrupts, "stopping the others")
        self._view.finish()
        self._tell_verdict(verdict)
        return verdict.exit_code

    async def _until_verdict(self, states: States) -> Success | Failed | TimedOut:

        def show(plan: Plan) -> None:
            states.expect(plan)
            self._show(plan)

        result = await go(self._session, Intent.UP, self._options, show, agree)
        self._tell_held_up(result)
        return await states.verdict(self._request.judge(self._project, attached=True), None)

    async def stop(self, interrupts: Interrupts, why: str) -> None:
        """Stop what is up in reverse order; an interrupt meanwhile kills it."""
        self._say(why)
        targets = frozenset(Target(each.sandbox, each.process, each.replica) for each in self._wanted)
        everything = self._options.targets is None
        options = Options(targets=None if everything else targets, grace=self._options.grace)
        try:
            await interrupts.guard(self._bring_down(Intent.DOWN if everything else Intent.STOP, options))
        except Interrupted:
            self._say("killing what is left")
            await kill(self._session, list(self._wanted))
        await asyncio.sleep(0)

    async def _bring_down(self, intent: Intent, options: Options) -> None:
        """Also what was just being started when the interrupt came."""
        await self._session.refresh()
        await go(self._session, intent, options, lambda plan: None)

    def _show(self, plan: Plan) -> None:
        from sbxcompose.cli.bring_up import say_notes

        say_notes(self._shell, plan)
        if plan.empty:
            self._say("everything runs already; showing output, Ctrl-C stops it")

    def _tell_held_up(self, result: Result) -> None:
        for text in held_up(result):
            self._view.say(Announcement(None, text, Tone.BAD))

    def _tell_verdict(self, verdict: Success | Failed | TimedOut) -> None:
        words = str(verdict)
        if verdict.kind == "success":
            self._shell.say(f"all have ended: {words}")
        else:
            headline, newline, rest = words.partition("\n")
            self._shell.say(self._shell.err.red(headline) + newline + rest)

    def _say(self, text: str) -> None:
        self._view.say(Announcement(None, text))

    def _live(self) -> list[Instance]:
        return [
            each
            for each in self._wanted
            if (link := self._session.links.get(each.sandbox)) is not None
            and (row := link.row(each)) is not None
            and row.live
        ]
