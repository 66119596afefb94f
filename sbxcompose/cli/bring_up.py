"""`up`: bring everything up, then return (`-d`), wait for the verdict (`--wait`), or stay and show output."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field

from sbxcompose.cli.agree import agree
from sbxcompose.cli.context import Shell
from sbxcompose.cli.publish import publisher
from sbxcompose.cli.running import Interrupts, run_command
from sbxcompose.engine.road import go
from sbxcompose.engine.session import Session
from sbxcompose.engine.states import States, instances_of
from sbxcompose.errors import Interrupted, UsageError
from sbxcompose.plan.names import Names, resolve_all
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import Intent, Options
from sbxcompose.plan.steps import Plan
from sbxcompose.spec.project import Process, Project

if TYPE_CHECKING:
    from sbxcompose.plan.verdict import Judge


class UpRequest(Struct, frozen=True, kw_only=True):
    """What the command line of `up` says."""

    names: tuple[str, ...] = ()
    scale: Mapping[str, int] = field(default_factory=dict)
    no_deps: bool = False
    force_recreate: bool = False
    remove_orphans: bool = False
    recreate_sandboxes: bool = False
    grace: float | None = None
    watch: bool = False
    detach: bool = False
    wait: bool = False
    wait_timeout: float | None = None
    abort_on_exit: bool = False
    exit_code_from: str | None = None
    timestamps: bool = False
    no_log_prefix: bool = False
    raw: bool = False
    as_json: bool = False
    junit: str | None = None

    @property
    def ends_itself(self) -> bool:
        """Whether the end of a process ends it all, also while files are watched."""
        return self.abort_on_exit or self.exit_code_from is not None

    def check(self) -> None:
        """Raises `UsageError` for options that contradict each other."""
        if self.wait_timeout is not None and not (self.wait or self.ends_itself):
            raise UsageError("`--wait-timeout` goes with `--wait`, `--exit-code-from` or `--abort-on-exit`")
        if self.junit is not None and self.detach and not self.wait:
            raise UsageError("`--junit` reports a verdict, so it goes with `--wait` or without `-d`")
        if self.watch and (self.detach or self.wait):
            raise UsageError(
                "`--watch` stays and watches, so it does not go with `-d` or `--wait`",
                hint="`sbxcompose watch` watches what was started with `-d`",
            )
        if self.ends_itself and (self.detach or self.wait):
            word = "--abort-on-exit" if self.abort_on_exit else "--exit-code-from"
            raise UsageError(f"`{word}` stays until something ends, so it does not go with `-d` or `--wait`")

    def options(self, project: Project) -> Options:
        """What the planner is asked."""
        targets = resolve_all(project, self.names)
        source = resolve_all(project, [self.exit_code_from] if self.exit_code_from else [])
        return Options(
            targets=targets,
            rerun=(targets or frozenset()) | (source or frozenset()),
            no_deps=self.no_deps,
            force_recreate=self.force_recreate,
            remove_orphans=self.remove_orphans,
            recreate_sandboxes=self.recreate_sandboxes,
            grace=self.grace,
        )

    def judge(self, project: Project, *, attached: bool) -> Judge:
        """Who gives the verdict: on all being ready, or attached on all having ended."""
        # Imported here: while it is, the host is at work already.
        from sbxcompose.plan.verdict import Goal, Judge, Mode

        source = Names(project).resolve(self.exit_code_from) if self.exit_code_from else None
        return Judge(project, Mode(Goal.ENDED if attached else Goal.READY, self.abort_on_exit, source))


def bring_up(shell: Shell, request: UpRequest) -> int:
    """Carry out `up`; its exit code."""
    request.check()
    project = shell.project(request.scale)
    options = request.options(project)
    wanted = instances_of(in_scope(project, options))
    if not (request.detach or request.wait):
        from sbxcompose.cli.attached import attached

        return run_command(lambda interrupts: attached(shell, project, request, options, wanted, interrupts))
    return run_command(lambda interrupts: _detached(shell, project, request, options, wanted, interrupts))


def in_scope(project: Project, options: Options) -> list[Process]:
    """The processes that the command is about: what is asked for and, unless told otherwise, what that needs."""
    every = {(each.sandbox, each.name): each for each in project.every_process()}
    active = () if options.targets is not None else project.processes()
    found = {(each.sandbox, each.name): each for each in active}
    named = (options.targets or frozenset()) | options.rerun
    waiting = [(target.sandbox, target.process) for target in named]
    while waiting:
        key = waiting.pop()
        if key not in found and key in every:
            found[key] = every[key]
            if not options.no_deps:
                waiting += [(need.sandbox, need.process) for need in project.needs_of(every[key])]
    return [each for key, each in every.items() if key in found]


async def _detached(
    shell: Shell,
    project: Project,
    request: UpRequest,
    options: Options,
    wanted: Mapping[Instance, Process],
    interrupts: Interrupts,
) -> int:
    from sbxcompose.cli.view.report import Reporter

    reporter = Reporter(shell, project)
    publish = publisher(shell, request.junit)
    begun = time.monotonic()
    deadline = time.time() + request.wait_timeout if request.wait_timeout is not None else None
    plans: list[Plan] = []

    async def work(session: Session) -> int:
        async with States(session, wanted, readiness=request.wait) as states:

            def show(plan: Plan) -> None:
                plans.append(plan)
                states.expect(plan)
                say_notes(shell, plan)
                _say_what_ends_nothing(shell, wanted.values())

            bringing = go(session, Intent.UP, options, show, agree)
            if not request.wait:
                async with reporter.waiting(session):
                    result = await bringing
                await reporter.sum_up(session, plans[-1], result, time.monotonic() - begun)
                return 0 if result.good else 1
            judge = request.judge(project, attached=False)
            return await reporter.wait(session, states, bringing, judge, deadline, request.as_json, publish)

    async with Session(project, tell=reporter.tell, secrets=reporter.secrets, is_up=True) as session:
        try:
            return await interrupts.guard(work(session))
        except Interrupted:
            shell.say("interrupted; started processes keep running, `sbxcompose down` stops them")
            raise


def _say_what_ends_nothing(shell: Shell, processes: Iterable[Process]) -> None:
    """Nobody stays to heed `stop_all_on`."""
    names = dict.fromkeys(process.name for process in processes if process.stop_all_on is not None)
    if names:
        shell.note(f"{', '.join(names)}: `stop_all_on` only has an effect while `up` stays attached")


def say_notes(shell: Shell, plan: Plan) -> None:
    """What is worth knowing about a plan."""
    for note in plan.notes:
        shell.note(str(note))
