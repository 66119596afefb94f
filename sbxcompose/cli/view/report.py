"""Commands that work in the foreground without logs: a line for each thing done, and a summary at the end."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence, Sized
from typing import TYPE_CHECKING

from msgspec import Struct

from sbxcompose.cli.ci_log import CiLog
from sbxcompose.cli.context import Shell, is_drawable
from sbxcompose.cli.view.announce import Announcement, Announcer, announced
from sbxcompose.cli.view.held_up import held_up
from sbxcompose.cli.view.wait_report import WaitReport
from sbxcompose.client.verdict import Verdict, await_verdict, with_last_lines
from sbxcompose.clock import monotonic
from sbxcompose.engine.events import EngineEvent, PlanBegun, StepDone
from sbxcompose.engine.instance_states import InstanceStates
from sbxcompose.engine.ports import whose_port
from sbxcompose.engine.result import Result
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.engine.tail import LINES, last_lines
from sbxcompose.logs.sanitize import clean_text
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.judge import Judge, Pending, Success
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Await, Plan, Stop, StopOneOff
from sbxcompose.plurals import counted
from sbxcompose.spec.project import Project

if TYPE_CHECKING:
    from sbxcompose.cli.publish import Publisher
    from sbxcompose.cli.view.status_block import StatusBlock
    from sbxcompose.plan.timings import Timings

CI_LINES = 200
"""Lines of a process that failed which a CI job shows; its machine will be gone."""
Reproduce = Callable[[Sequence[str]], str]
"""From the names of processes that failed to the command that shows it again."""


class LastLines(Struct, frozen=True):
    """The last lines of a run, what they are called, and what they tell of ports."""

    title: str
    lines: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


class HowToWait(Struct, frozen=True):
    """What else is shown beside the verdict, and until when it is waited for."""

    as_json: bool = False
    timings: bool = False
    reproduce: Reproduce | None = None
    deadline: float | None = None
    """By the monotonic clock."""


class Reporter:
    """Tells what the engine does on stderr."""

    def __init__(self, shell: Shell, project: Project) -> None:
        self._shell = shell
        self._announcer = Announcer()
        self._stepped = False  # a plan that is empty may follow one that resumed a sandbox
        self._project = project
        self._names = ProcessNames(project)
        self.secrets = KnownSecrets(secret_values(project))
        """What it hides; for the session, which learns what runs were started with."""
        self.ci = CiLog(shell.mark)
        """The log of a CI job, if this is one."""
        self._block: StatusBlock | None = None
        if is_drawable(sys.stderr):
            from sbxcompose.cli.view.status_block import StatusBlock

            self._block = StatusBlock(shell.err.enabled, self.plain, shell.write)
            shell.before_echo = self._block.make_room

    def waiting(
        self, session: Session, pending: Callable[[], Pending | None] = lambda: None, wanted: Sized = ()
    ) -> WaitReport:
        """Say what is waited for while inside; `pending` and `wanted` are as `WaitReport` has them."""

        def echo_line(text: str) -> None:
            self._shell.echo(self.plain(text))

        return WaitReport(session, echo_line, self._block, pending, lambda: len(wanted))

    def replace_project(self, project: Project) -> None:
        """Continue with another reading of the project's file."""
        self._project = project
        self._names = ProcessNames(project)
        self.secrets.add_current(secret_values(project))

    def on_event(self, event: EngineEvent) -> None:
        """One line, if the event is worth one."""
        self._stepped = self._stepped or isinstance(event, StepDone)
        if isinstance(event, PlanBegun):
            self._names.include(step.action.row.instance for step in event.plan.steps if isinstance(step.action, Stop))
        lines = self._announcer(event)
        for said in lines:
            self._shell.echo(self.ci.elapsed() + self.secrets.hide(self.line(said)))
        if lines and self._block is not None:
            self._block.restore()

    def plain(self, text: str) -> str:
        """Return the text as one harmless line, without secrets and colours."""
        return clean_text(self.secrets.hide(text), colours=False)

    def line(self, said: Announcement) -> str:
        """Return the announcement with its name and colour."""
        return announced(said, self._names.instance, self._shell.err)

    def summarize(self, plan: Plan, result: Result, seconds: float) -> None:
        """Say what was done and how long it took."""
        if plan.finished or (plan.empty and not self._stepped):
            self._shell.echo(plan.summary)
            return
        failed = f", {self._shell.err.red(f'{len(result.failures)} failed')}" if result.failures else ""
        self._shell.echo(f"{_done(plan, result)}{failed} in {seconds:.2f}s")

    def show_timings(self, timings: Timings | None) -> None:
        """Show when everything was started and ready."""
        if timings is None:
            return
        from sbxcompose.cli.view.timings import lines

        for line in lines(timings, self._shell.err, self._shell.err_width):
            self._shell.echo(line)

    async def wait(
        self,
        session: Session,
        states: InstanceStates,
        bringing: Awaitable[Result],
        judge: Judge,
        publisher: Publisher,
        how: HowToWait,
    ) -> int:
        """Wait for the verdict on a bring-up that is under way, and tell it; the exit code."""
        begun = monotonic()
        with self.ci.section("sbxcompose up"):
            async with self.waiting(session, lambda: states.pending, states.wanted):
                found = await await_verdict(states, bringing, judge, how.deadline)
        seconds = monotonic() - begun
        publisher.decided(session, found)
        found = await with_last_lines(session, found, self.secrets.hide)
        timings = publisher.timings(session)
        await self._show_more(session, found, timings, how)
        if how.as_json:
            timed = {"timings": timings.to_json()} if how.timings and timings is not None else {}
            self._shell.print_json({**found.to_json(), **timed})
        self.show_verdict(found, seconds, how.reproduce)
        publisher.publish(session, states.wanted, found, seconds)
        return found.exit_code

    async def _show_more(self, session: Session, verdict: Verdict, timings: Timings | None, how: HowToWait) -> None:
        """Show what was asked for, and in CI what will be gone afterwards: before the verdict, which comes last."""
        if self.ci.enabled and not isinstance(verdict, Success):
            for report in verdict.causes:
                if len(report.lines) == LINES:
                    with self.ci.section(f"output of {report.label}", collapsed=True):
                        await self.show_last_lines(session, report.instance, count=CI_LINES)
        if timings and (how.timings or self.ci.enabled):
            with self.ci.section("timings", collapsed=True):
                self.show_timings(timings)

    def show_verdict(self, verdict: Verdict, seconds: float, reproduce: Reproduce | None = None) -> None:
        """Print the verdict: what failed, its last lines, what it held up, and the command that shows it again."""
        from sbxcompose.cli.view.verdict import verdict_lines

        command = None
        if reproduce is not None and not isinstance(verdict, Success):
            command = reproduce([report.label for report in verdict.causes])
        self._shell.echo("\n".join(verdict_lines(verdict, seconds, self._shell.err, command)))

    async def show_failures(self, session: Session, result: Result) -> None:
        """Show the last lines of what failed, and what that held up."""
        for failure in result.failures:
            instance = _instance(failure.step.action)
            if instance is not None:
                await self.show_last_lines(session, instance)
        self.show_held_up(result)

    def show_held_up(self, result: Result) -> None:
        """Say what was not begun, and the failure at the root of it."""
        for text in held_up(result):
            self._shell.echo(text)

    async def show_last_lines(
        self, session: Session, instance: Instance, echo_line: Callable[[str], None] | None = None, count: int = LINES
    ) -> None:
        """Show the end of the output of the run that failed, on stderr unless `echo_line` puts it elsewhere."""
        echo_line, style = echo_line or self._shell.echo, self._shell.err
        shown = await self.last_lines(session, instance, count, colors=style.enabled)
        if shown is None:
            return
        echo_line(style.dim(f"  {shown.title}"))
        for line in shown.lines:
            echo_line(f"  {style.dim('|')} {line}")
        for hint in shown.hints:
            echo_line(f"  {style.cyan('hint:')} {hint}")

    async def last_lines(
        self, session: Session, instance: Instance, count: int = LINES, *, colors: bool
    ) -> LastLines | None:
        """Return the end of the output of the run that failed; None if there is no run."""
        connection = session.connections.get(instance.sandbox)
        rows = connection.rows(instance) if connection is not None else ()
        if not rows:
            return None
        run = rows[-1].run  # the newest: beside it an older definition may still run
        lines = await last_lines(session, instance, run, count)
        name = self._names.instance(instance)
        if not lines:
            return LastLines(f"{name}#{run} wrote nothing")
        shown = tuple(self.secrets.hide(clean_text(line, colours=colors)) for line in lines)
        return LastLines(f"last lines of {name}#{run}:", shown, tuple(whose_port(shown, self._ports(instance))))

    def _ports(self, instance: Instance) -> list[int]:
        """Return the ports that the process is known to use: its health check's, and what its variables call PORT."""
        process = self._project.process(instance.sandbox, instance.process)
        if process is None:
            return []
        check, port = process.check_of(instance.replica), process.port_of(instance.replica)
        own = [port for port in (port, check.port if check else None) if port]
        sandbox = self._project.sandbox_of(process)
        named = [int(value) for name, value in process.env if name.endswith("PORT") and value.isdecimal()]
        return list(dict.fromkeys([*own, *named, *sandbox.ports]))


def _instance(action: object) -> Instance | None:
    return action.instance if isinstance(action, Await) else None


def _done(plan: Plan, result: Result) -> str:
    counts = plan.counts()
    if not result.good:
        return "some steps were not completed"
    words = [
        f"{counts[key]} {word}"
        for key, word in (("start", "started"), ("replace", "replaced"), ("stop", "stopped"))
        if counts[key]
    ]
    if ended := sum(1 for step in plan if isinstance(step.action, StopOneOff)):
        words.append(f"{counted(ended, 'one-off command')} {'too' if counts['stop'] else 'stopped'}")
    if plan.unchanged:
        words.append(f"{plan.unchanged} unchanged")
    return ", ".join(words) or "done"
