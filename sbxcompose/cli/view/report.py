"""Commands that work in the foreground without logs: a line for each thing done, and a summary at the end."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sized

from sbxcompose.cli.context import Shell
from sbxcompose.cli.publish import Publish
from sbxcompose.cli.view.announce import Announcement, Announcer, Tone
from sbxcompose.cli.view.held_up import held_up
from sbxcompose.cli.view.status_block import StatusBlock
from sbxcompose.cli.view.wait_report import WaitReport
from sbxcompose.client.verdict import Verdict, await_verdict, with_last_lines
from sbxcompose.engine.events import EngineEvent, StepDone
from sbxcompose.engine.instance_states import InstanceStates
from sbxcompose.engine.ports import whose_port
from sbxcompose.engine.result import Result
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.engine.tail import last_lines
from sbxcompose.logs.sanitize import clean_text
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.describe import times
from sbxcompose.plan.judge import Judge, Pending, Success
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Await, Plan
from sbxcompose.spec.project import Project


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
        self._block = StatusBlock(shell.err.enabled, self.plain)
        shell.before_say = self._block.make_room

    def waiting(
        self, session: Session, pending: Callable[[], Pending | None] = lambda: None, wanted: Sized = ()
    ) -> WaitReport:
        """Say what is waited for while inside; `pending` and `wanted` are as `WaitReport` has them."""

        def say(text: str) -> None:
            self._shell.say(self.plain(text))

        return WaitReport(session, say, self._block if self._block.enabled else None, pending, lambda: len(wanted))

    def adopt(self, project: Project) -> None:
        """Go on with another reading of the project's file."""
        self._project = project
        self._names = ProcessNames(project)
        self.secrets.add_current(secret_values(project))

    def tell(self, event: EngineEvent) -> None:
        """One line, if the event is worth one."""
        self._stepped = self._stepped or isinstance(event, StepDone)
        for said in self._announcer(event):
            self._shell.say(self.secrets.hide(self.line(said)))
        self._block.restore()

    def plain(self, text: str) -> str:
        """Return the text as one harmless line, without secrets and colours."""
        return clean_text(self.secrets.hide(text), colours=False)

    def line(self, said: Announcement) -> str:
        """Return the announcement with its name and colour."""
        style = self._shell.err
        paint = {Tone.GOOD: style.green, Tone.BAD: style.red, Tone.PLAIN: style.plain}[said.tone]
        if said.instance is None:
            return paint(said.text)
        name = self._names.instance(said.instance)
        return f"{style.cyan(name)} {paint(said.text.removeprefix(name + ' '))}"

    async def sum_up(self, session: Session, plan: Plan, result: Result, seconds: float) -> None:
        """What was done and how long it took; for failures the last lines, and what they held up."""
        await self.show_failures(session, result)
        if plan.over or (plan.empty and not self._stepped):
            self._shell.say(plan.summary)
            return
        failed = f", {self._shell.err.red(f'{len(result.failures)} failed')}" if result.failures else ""
        self._shell.say(f"{_done(plan, result)}{failed} in {seconds:.2f}s")

    async def wait(
        self,
        session: Session,
        states: InstanceStates,
        bringing: Awaitable[Result],
        judge: Judge,
        deadline: float | None,
        as_json: bool,
        publish: Publish,
    ) -> int:
        """Wait for the verdict on a bring-up that is under way, and tell it; the exit code."""
        begun = time.monotonic()
        async with self.waiting(session, lambda: states.pending, states.wanted):
            found = await await_verdict(states, bringing, judge, deadline)
        seconds = time.monotonic() - begun
        found = await self._tell_verdict(session, found, seconds, as_json)
        publish(self._project, states.wanted, found, seconds)
        return found.exit_code

    async def _tell_verdict(self, session: Session, verdict: Verdict, seconds: float, as_json: bool) -> Verdict:
        """Print the verdict, and return it with the last lines of what failed."""
        verdict = await with_last_lines(session, verdict, self.secrets.hide)
        if as_json:
            self._shell.print_json(verdict.to_json())
        headline, newline, rest = str(verdict).partition("\n")
        if isinstance(verdict, Success):
            self._shell.say(f"{self._shell.err.green(ready_words(verdict, seconds))}{newline}{rest}")
        else:
            words = f"{self._shell.err.red(headline.removesuffix(':'))} after {seconds:.1f}s:"
            self._shell.say(f"{words}{newline}{rest}")
        return verdict

    async def show_failures(self, session: Session, result: Result) -> None:
        """The last lines of what failed, and what that held up."""
        for failure in result.failures:
            instance = _instance(failure.step.action)
            if instance is not None:
                await self.show_last_lines(session, instance)
        self.show_held_up(result)

    def show_held_up(self, result: Result) -> None:
        """What was not begun, and the failure at the root of it."""
        for text in held_up(result):
            self._shell.say(text)

    async def show_last_lines(
        self, session: Session, instance: Instance, say: Callable[[str], None] | None = None
    ) -> None:
        """The end of the output of the run that failed, on stderr unless `say` puts it elsewhere."""
        say = say or self._shell.say
        link = session.links.get(instance.sandbox)
        rows = link.rows(instance) if link is not None else ()
        if not rows:
            return
        run = rows[-1].run  # the newest: beside it an older definition may still run
        lines = await last_lines(session, instance, run)
        name = self._names.instance(instance)
        if not lines:
            say(self._shell.err.dim(f"  {name}#{run} wrote nothing"))
            return
        say(self._shell.err.dim(f"  last lines of {name}#{run}:"))
        shown = [self.secrets.hide(clean_text(line)) for line in lines]
        for line in shown:
            say(f"  {self._shell.err.dim('|')} {line}")
        for text in whose_port(shown, self._ports(instance)):
            say(f"  {self._shell.err.cyan('hint:')} {text}")

    def _ports(self, instance: Instance) -> list[int]:
        """Return the ports that the process is known to use: its health check's, and what its variables call PORT."""
        process = self._project.process(instance.sandbox, instance.process)
        if process is None:
            return []
        check, port = process.check_of(instance.replica), process.port_of(instance.replica)
        own = [port for port in (port, check.port if check else None) if port]
        sandbox = next(sandbox for sandbox in self._project.sandboxes if sandbox.name == process.sandbox)
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
    if plan.unchanged:
        words.append(f"{plan.unchanged} unchanged")
    return ", ".join(words) or "done"


def ready_words(verdict: Success, seconds: float) -> str:
    """That all is up: `5 processes ready in 1.8s`, with what has completed or ended on the way."""
    parts = [f"{times(verdict.ready, 'process')} ready"] if verdict.ready else []
    parts += [f"{verdict.completed} completed"] if verdict.completed else []
    parts += [f"{verdict.ended} ended"] if verdict.ended else []
    return f"{', '.join(parts) or 'nothing to wait for'} in {seconds:.1f}s"
