"""`wait`: until processes are ready, or have ended, without changing anything."""

from __future__ import annotations

from collections.abc import Collection

from sbxcompose.cli.async_main import run_simply
from sbxcompose.cli.context import Shell
from sbxcompose.cli.publish import Publisher
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.cli.view.report import HowToWait, Reporter
from sbxcompose.client.commands import nothing_running
from sbxcompose.client.exits import await_exits
from sbxcompose.client.plan_options import wanted_instances
from sbxcompose.client.verdict import nothing_to_do
from sbxcompose.clock import monotonic
from sbxcompose.engine.instance_states import InstanceStates
from sbxcompose.engine.session import Session
from sbxcompose.plan.judge import Judge, Mode
from sbxcompose.plan.names import Target
from sbxcompose.spec.project import Project


def wait_until_ready(
    shell: Shell,
    project: Project,
    targets: Collection[Target] | None,
    timeout: float | None,
    *,
    as_json: bool,
) -> int:
    """Wait until the targets are ready; the exit code of the verdict."""
    wanted = wanted_instances(project, targets)

    async def main() -> int:
        reporter = Reporter(shell, project)
        async with Session(project, emit=reporter.on_event, secrets=reporter.secrets) as session:
            await session.observe()
            if not session.connections:
                raise nothing_running(session.observed())
            deadline = monotonic() + timeout if timeout is not None else None
            async with InstanceStates(session, wanted, readiness=True) as states:
                states.only_watch()
                judge = Judge(project, Mode())
                how = HowToWait(as_json, deadline=deadline)
                return await reporter.wait(session, states, nothing_to_do(), judge, Publisher(shell), how)

    return run_simply(main)


def wait_for_exit(shell: Shell, project: Project, targets: Collection[Target] | None, timeout: float | None) -> int:
    """Wait until none of the targets runs; with one target its exit code."""
    wanted = wanted_instances(project, targets)
    reporter = Reporter(shell, project)

    async def main() -> int:
        async with Session(project, emit=connection_notes(shell)) as session:
            ends = await await_exits(
                session,
                wanted,
                timeout,
                named=targets is not None,
                exited=lambda end: shell.echo(str(end)),
                waiting=reporter.waiting(session),
            )
        if all(end.success for end in ends):
            return 0
        return ends[0].exit_code or 1 if len(wanted) == 1 else 1

    return run_simply(main)
