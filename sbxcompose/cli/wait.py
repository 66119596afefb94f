"""`wait`: until processes are ready, or have ended, without changing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from sbxcompose.cli.async_main import run_simply
from sbxcompose.cli.context import Shell
from sbxcompose.cli.publish import Publisher
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.cli.view.report import HowToWait, Reporter
from sbxcompose.client.commands import nothing_running
from sbxcompose.client.plan_options import wanted_instances
from sbxcompose.client.verdict import nothing_to_do
from sbxcompose.clock import monotonic
from sbxcompose.engine.events import WaitBegun, WaitEnded
from sbxcompose.engine.instance_states import InstanceStates
from sbxcompose.engine.session import Session
from sbxcompose.errors import DeadlinePassed
from sbxcompose.plan.judge import Judge, Mode
from sbxcompose.plan.names import ProcessNames, Target
from sbxcompose.plan.observed import Instance, ObservedRow
from sbxcompose.spec.project import Project
from sbxcompose.tasks import gather_all


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
    names = ProcessNames(project)
    reporter = Reporter(shell, project)

    async def ended(session: Session, instance: Instance) -> ObservedRow | None:
        connection = session.connections.get(instance.sandbox)
        if connection is None or connection.row(instance) is None:
            return None

        def finished() -> ObservedRow | None:
            row = connection.row(instance)
            return row if row is not None and not row.live else None

        session.emit(WaitBegun(instance, wanted[instance], None))
        row = await connection.wait_until(instance, finished)
        session.emit(WaitEnded(instance))
        shell.echo(f"{names.instance(instance)} {row.exit or 'has ended'}")
        return row

    async def main() -> int:
        async with Session(project, emit=connection_notes(shell)) as session:
            await session.observe()
            try:
                async with reporter.waiting(session), asyncio.timeout(timeout):
                    rows = await gather_all(*(ended(session, instance) for instance in wanted))
            except TimeoutError:
                raise DeadlinePassed(f"still running after {timeout:g}s", hint="`sbxcompose ps` shows what") from None
        exits = [row.exit for row in rows if row is not None and row.exit is not None]
        if len(wanted) == 1 and exits:
            if exits[0].success:
                return 0
            return 128 + exits[0].signal if exits[0].signal is not None else exits[0].code or 0
        return 0 if all(exit.success for exit in exits) else 1

    return run_simply(main)
