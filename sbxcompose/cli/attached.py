"""Attached `up`: everything's output in one stream until it has ended, or until Ctrl-C ends it in order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from sbxcompose.cli.async_main import Interrupts
from sbxcompose.cli.confirm import confirm
from sbxcompose.cli.context import Shell
from sbxcompose.cli.keys import Keys, has_terminal
from sbxcompose.cli.project_file import CommandLineProject
from sbxcompose.cli.publish import publisher
from sbxcompose.cli.up_request import UpRequest, in_scope, say_notes
from sbxcompose.cli.view.announce import Announcement, Tone
from sbxcompose.cli.view.held_up import held_up
from sbxcompose.cli.view.report import ready_words
from sbxcompose.cli.view.stream import LogStyle, LogView
from sbxcompose.cli.view.wait_report import WaitReport
from sbxcompose.engine.apply import apply, kill
from sbxcompose.engine.apply_loop import ApplyLoop
from sbxcompose.engine.execute import Result
from sbxcompose.engine.instance_states import InstanceStates, instances_of
from sbxcompose.engine.reload import ProjectReload
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.errors import Interrupted, NotWritten, SbxError
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan, Start
from sbxcompose.spec.project import Process, Project

if TYPE_CHECKING:
    from sbxcompose.plan.judge import Failed, Success, TimedOut

T = TypeVar("T")


async def attached(
    shell: Shell,
    project: Project,
    request: UpRequest,
    options: PlanOptions,
    wanted: Mapping[Instance, Process],
    interrupts: Interrupts,
) -> int:
    """Bring up and stay; the exit code."""
    style = LogStyle(request.timestamps, not request.no_log_prefix, request.raw, request.as_json)
    lost: list[NotWritten] = []

    def end(error: NotWritten) -> None:
        """End everything as Ctrl-C would: `up | head`, a closed terminal, a full disk."""
        lost.append(error)
        interrupts.interrupt(signal.SIGHUP)

    secrets = KnownSecrets(secret_values(project))
    view = LogView(shell, project, style, wanted, secrets=secrets, live=True, on_lost=end)
    async with Session(project, tell=view.tell, output=True, pace=view.pace, secrets=secrets, is_up=True) as session:
        session.on_link(lambda link: link.listen(view.output))
        up = _Up(shell, project, session, view, request, options, wanted)
        try:
            code = await up.stay(interrupts)
        except Interrupted:
            if not lost:
                raise
    if lost:
        raise lost[0]
    return code


class _Up:
    def __init__(
        self,
        shell: Shell,
        project: Project,
        session: Session,
        view: LogView,
        request: UpRequest,
        options: PlanOptions,
        wanted: Mapping[Instance, Process],
    ) -> None:
        self._shell = shell
        self._project = project
        self._session = session
        self._view = view
        self._request = request
        self._options = options
        self._wanted = wanted
        self._publish = publisher(shell, request.junit)
        self._begun = time.monotonic()
        self._states: InstanceStates | None = None
        self._deadline: float | None = None
        """When to give up, in seconds since 1970."""
        self._keyboard: Keys | None = None
        self._first = True
        """Whether nothing has been planned yet."""
        self._started = False
        """Whether we have started anything: then our end is the end of the project's life, as `down` is."""
        self._toggling: asyncio.Task[None] | None = None
        self._conductor = ApplyLoop(session, self._show, self._tell_held_up, self._tell_error, self._agree)
        file = CommandLineProject(shell, request.scale)
        self._live = ProjectReload(file, session, self._conductor, self._scope, self._adopt)
        self._changed = asyncio.Event()
        """Set when watching was switched on or off."""

    async def stay(self, interrupts: Interrupts) -> int:
        """Bring up, wait for the verdict, and stop what is left; the exit code."""
        if self._request.wait_timeout is not None:
            self._deadline = time.time() + self._request.wait_timeout
        try:
            patient = not self._request.ends_itself
            async with (
                InstanceStates(self._session, self._wanted, readiness=True, patient=patient) as self._states,
                self._waiting(self._states),
            ):
                verdict = await interrupts.guard(self._until_verdict(self._states))
        except Interrupted:
            await self.stop(interrupts, "stopping; Ctrl-C again kills")
            self._view.finish()
            raise Interrupted("interrupted, everything has been stopped") from None
        except SbxError:
            self._view.finish()
            raise
        if any(self._running()):
            by = f"{verdict.ended_by} has ended (`stop_all_on`); " if verdict.ended_by is not None else ""
            await self.stop(interrupts, f"{by}stopping the others")
        elif self._started and self._options.targets is None:
            await self._bring_down(Intent.DOWN, PlanOptions())
        self._view.finish()
        self._tell_verdict(verdict)
        self._publish(self._project, self._wanted, verdict, time.monotonic() - self._begun)
        return verdict.exit_code

    async def _until_verdict(self, states: InstanceStates) -> Success | Failed | TimedOut:
        """Carry out what is wanted, now and as it changes, until the verdict, or as long as files are watched."""
        conducting = asyncio.create_task(self._conductor.run())
        saying = asyncio.create_task(self._say_when_ready(states))
        try:
            with self._keys():
                if self._request.watch:
                    await self._live.on()  # first, so that no change is missed once something runs
                self._conductor.bring_up(self._options)
                return await self._judge(states, conducting)
        finally:
            await self._live.off()
            conducting.cancel()
            saying.cancel()
            await asyncio.gather(conducting, saying, return_exceptions=True)

    async def _say_when_ready(self, states: InstanceStates) -> None:
        """One line once all that this command has started, and the rest, is ready."""
        from sbxcompose.plan.judge import Judge, Mode, Success

        judges: dict[int, Judge] = {}

        def judge() -> Judge:
            project = self._project  # another one after an edit of the file
            if id(project) not in judges:
                judges.clear()
                judges[id(project)] = Judge(project, Mode())
            return judges[id(project)]

        verdict = await states.all_ready(judge)
        if isinstance(verdict, Success) and verdict.ready and self._started:
            self._say(ready_words(verdict, time.time() - self._session.began))

    def _waiting(self, states: InstanceStates | None) -> WaitReport:
        """Say what is waited for while inside."""
        status = self._view.status if self._view.draws else None
        return WaitReport(self._session, self._say, status, lambda: states.pending if states is not None else None)

    async def _judge(self, states: InstanceStates, conducting: asyncio.Task[None]) -> Success | Failed | TimedOut:
        while True:
            # Also while a plan is carried out: it may wait for what never comes.
            judge = self._request.judge(self._project, attached=True)
            verdict = await _first(conducting, states.verdict(judge, self._deadline))
            if self._request.ends_itself or verdict.ended_by is not None:
                return verdict
            if self._conductor.is_busy:
                await _first(conducting, self._conductor.idle())
                continue
            if not self._live.watching:
                return verdict
            self._say("all processes have exited; waiting for file changes")
            self._changed.clear()
            await _first(conducting, _either(self._conductor.busy(), self._changed.wait()))

    def _keys(self) -> AbstractContextManager[object]:
        """Keys that switch, where somebody can press them."""
        if self._request.as_json or not has_terminal():
            return nullcontext()
        if not self._request.watch and any(process.watch for process in self._wanted.values()):
            self._say("w watches files, h helps")
        self._keyboard = Keys(self._press)
        return self._keyboard

    async def _agree(self, sandboxes: Sequence[str]) -> bool:
        """Ask somebody who types a whole answer."""
        self._shell.before_say()
        with self._keyboard.set_aside() if self._keyboard is not None else nullcontext():
            return await confirm(sandboxes)

    def _press(self, key: str) -> None:
        match key:
            case "w":
                self._toggling = asyncio.create_task(self._toggle())
            case "h" | "?":
                state = "on" if self._live.watching else "off"
                self._say(f"w: watch files (now {state}), h: this, Ctrl-C: stop everything, twice: kill it")
            case "\n" | "\r":
                self._view.blank()

    async def _toggle(self) -> None:
        await self._live.toggle()
        self._changed.set()

    def _scope(self, project: Project) -> tuple[PlanOptions, tuple[tuple[str, str], ...]]:
        options = self._request.options(project)
        self._request.judge(project, attached=True)
        return options, tuple((each.sandbox, each.name) for each in in_scope(project, options))

    def _adopt(self, project: Project, options: PlanOptions) -> None:
        """Another reading of the file, before it is carried out."""
        self._project, self._options = project, options
        self._wanted = instances_of(in_scope(project, options))
        self._view.adopt(project, self._wanted)
        if self._states is not None:
            self._states.adopt(self._wanted, self._request.judge(project, attached=True))

    def _tell_error(self, error: SbxError) -> None:
        self._view.say(Announcement(None, "; ".join(filter(None, [error.message, error.hint])), Tone.BAD))

    async def stop(self, interrupts: Interrupts, why: str) -> None:
        """Stop what is up in reverse order; an interrupt meanwhile kills it."""
        interrupts.ignore_hangups()
        self._say(why)
        targets = frozenset(Target(each.sandbox, each.process, each.replica) for each in self._wanted)
        everything = self._options.targets is None
        options = PlanOptions(targets=None if everything else targets, grace=self._options.grace)
        try:
            async with self._waiting(None):
                await interrupts.guard(self._bring_down(Intent.DOWN if everything else Intent.STOP, options))
        except Interrupted:
            self._say("killing what is left")
            await kill(self._session, list(self._wanted))
            if everything:
                with suppress(Interrupted, SbxError):
                    await interrupts.guard(self._bring_down(Intent.DOWN, options))
        await asyncio.sleep(0)

    async def _bring_down(self, intent: Intent, options: PlanOptions) -> None:
        """Also what was just being started when the interrupt came."""
        await self._session.refresh()
        await apply(self._session, intent, options, lambda plan: None)

    def _show(self, plan: Plan) -> None:
        if self._states is not None:
            self._states.expect(plan)
        say_notes(self._shell, plan)
        first, self._first = self._first, False
        self._started = self._started or any(isinstance(step.action, Start) for step in plan)
        if first and plan.over:
            self._say(plan.how_to_rerun())
        elif first and plan.empty:
            self._say("already up to date; showing output (Ctrl-C stops everything)")

    def _tell_held_up(self, result: Result) -> None:
        if self._states is not None:
            self._states.finish(result)
        for text in held_up(result):
            self._view.say(Announcement(None, text, Tone.BAD))

    def _tell_verdict(self, verdict: Success | Failed | TimedOut) -> None:
        if self._request.as_json:
            self._view.document(verdict.to_json())
        words = self._view.secrets.hide(str(verdict))
        if verdict.kind == "success":
            headline = "success" if self._request.ends_itself else "all processes have exited"
            self._shell.say(f"{headline}: {words}")
        else:
            headline, newline, rest = words.partition("\n")
            self._shell.say(self._shell.err.red(headline) + newline + rest)

    def _say(self, text: str) -> None:
        self._view.say(Announcement(None, text))

    def _running(self) -> list[Instance]:
        return [
            each
            for each in self._wanted
            if (link := self._session.links.get(each.sandbox)) is not None
            and (row := link.row(each)) is not None
            and row.live
        ]


async def _first(task: asyncio.Task[None], work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises what ends `task` before that."""
    other = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, other}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return await other
    finally:
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)


async def _either(*works: Coroutine[Any, Any, object]) -> None:
    """Wait for the first of several to end."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
