"""A project for scripts: every command as a method that returns a plain value or raises an error of `errors`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from sbxcompose.client.cancellation import cancelled_once
from sbxcompose.client.changes import (
    AppliedChanges,
    ProjectPlan,
    applied,
    check_result,
    check_verdict,
    project_plan,
)
from sbxcompose.client.commands import nothing_running
from sbxcompose.client.definition import check_seconds, replica_numbers
from sbxcompose.client.error_words import read_with_notes
from sbxcompose.client.exits import ProcessExit, await_exits
from sbxcompose.client.operate_project import OperableProject
from sbxcompose.client.plan_options import (
    down_options,
    restart_options,
    start_options,
    stop_options,
    wanted_instances,
)
from sbxcompose.client.verdict import await_verdict, nothing_to_do, with_last_lines
from sbxcompose.clock import monotonic
from sbxcompose.engine.apply import OnPlan, apply, plan_for
from sbxcompose.engine.instance_states import InstanceStates
from sbxcompose.engine.observed_names import resolve_running
from sbxcompose.engine.result import Result
from sbxcompose.engine.session import Session
from sbxcompose.engine.stop_left import take_down
from sbxcompose.errors import UsageError
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.instances import instances_in_scope
from sbxcompose.plan.judge import Judge, Mode
from sbxcompose.plan.names import resolve_all
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan
from sbxcompose.plan.up_terms import UpTerms


class OpenProject(OperableProject):
    """A project to start, watch and stop; made by `open_project`.

    Names are those of the command line (`web`, `app/web`, `web.2`, `web*`); without any, all processes are meant.
    Durations are in seconds. Leaving the block closes streams of output that were not read to their end. It stops no
    process: that is what `down` is for. Errors are those of `sbxcompose.errors`.
    """

    @cancelled_once
    async def plan(
        self,
        *names: str,
        no_deps: bool = False,
        force_recreate: bool = False,
        no_recreate: bool = False,
        always_recreate_deps: bool = False,
        remove_orphans: bool = False,
        recreate_sandboxes: bool = False,
    ) -> ProjectPlan:
        """Return what `up` would do with the same arguments, step by step, and why. Changes nothing."""
        terms = UpTerms(
            names=names,
            no_deps=no_deps,
            force_recreate=force_recreate,
            no_recreate=no_recreate,
            recreate_needs=always_recreate_deps,
            remove_orphans=remove_orphans,
            recreate_sandboxes=recreate_sandboxes,
        )
        terms.check()
        options = terms.options(self._project)
        session, _ = self._session()
        async with session:
            return project_plan(await plan_for(session, Intent.UP, options))

    @cancelled_once
    async def up(
        self,
        *names: str,
        wait: bool = False,
        timeout: float | None = None,
        no_deps: bool = False,
        force_recreate: bool = False,
        no_recreate: bool = False,
        always_recreate_deps: bool = False,
        remove_orphans: bool = False,
        recreate_sandboxes: bool = False,
        grace: float | None = None,
    ) -> AppliedChanges:
        """Start what is missing and restart what has changed, in dependency order.

        With `wait`, return once everything is ready (one-shots: completed). Raises `ProcessFailed` when something fails
        or can no longer get ready and, after `timeout` seconds of waiting, `DeadlinePassed`; both have `causes`. The
        other arguments are the options of the command line; `grace` is its `--timeout`.
        """
        terms = UpTerms(
            names=names,
            no_deps=no_deps,
            force_recreate=force_recreate,
            no_recreate=no_recreate,
            recreate_needs=always_recreate_deps,
            remove_orphans=remove_orphans,
            recreate_sandboxes=recreate_sandboxes,
            grace=grace,
        )
        terms.check()
        options = terms.options(self._project)
        return await self._apply_or_wait(Intent.UP, options, wait, timeout, is_up=True)

    @cancelled_once
    async def wait(self, *names: str, timeout: float | None = None) -> None:
        """Wait until processes are ready (one-shots: completed), without changing anything. Raises as `up`."""
        check_seconds(timeout=timeout)
        wanted = wanted_instances(self._project, resolve_all(self._project, names))
        session, secrets = self._session()
        async with session:
            await session.observe()
            if not session.connections:
                raise nothing_running(session.observed())
            async with InstanceStates(session, wanted, readiness=True) as states:
                states.only_watch()
                await self._verdict(session, states, secrets, timeout, nothing_to_do())

    @cancelled_once
    async def wait_for_exit(self, *names: str, timeout: float | None = None) -> tuple[ProcessExit, ...]:
        """Wait until processes have exited and will not be restarted, and return how the latest run of each ended.

        Without names these are all that have been started. Raises `UsageError` if one that is named has not been
        started, and `DeadlinePassed` after `timeout` seconds.

        ```python
        import asyncio
        import sbxcompose

        async def main():
            async with sbxcompose.open_project() as project:
                await project.up("migrate")
                (migrate,) = await project.wait_for_exit("migrate", timeout=60)
                print(migrate, migrate.exit_code)
                migrate.check()
                await project.down()

        asyncio.run(main())
        ```
        """
        check_seconds(timeout=timeout)
        wanted = wanted_instances(self._project, resolve_all(self._project, names))
        session, _ = self._session()
        async with session:
            return await await_exits(session, wanted, timeout, named=bool(names))

    @cancelled_once
    async def scale(
        self,
        replicas: Mapping[str, int],
        *,
        wait: bool = False,
        timeout: float | None = None,
        no_deps: bool = False,
    ) -> AppliedChanges:
        """Change how many replicas processes have, such as `{"web": 3}`; `all` stands for every process.

        The project's files are read again. Later calls of this object, `up` included, have these numbers instead of
        those of the file. `wait` and `timeout` are as `up` has them. Raises `ProcessFailed`.
        """
        from sbxcompose.spec.scale import ALL, rescaled  # late: it imports what reads files

        check_waiting(wait, timeout)
        addresses = [(process.sandbox, process.name) for process in self._project.every_process()]
        scale = rescaled(self._request.scale, replica_numbers(replicas), addresses)
        request = self._request._replace(scale=scale)
        project = read_with_notes(request)
        options = UpTerms(names=() if ALL in replicas else tuple(replicas), no_deps=no_deps).options(project)
        self._project, self._request = project, request
        return await self._apply_or_wait(Intent.UP, options, wait, timeout, is_up=True)

    @cancelled_once
    async def start(
        self, *names: str, wait: bool = False, timeout: float | None = None, no_deps: bool = False
    ) -> AppliedChanges:
        """Start stopped processes and what they need; what runs is left alone. `wait` and `timeout` are as `up` has
        them. Raises `ProcessFailed`.
        """
        options = start_options(self._project, names, no_deps=no_deps)
        return await self._apply_or_wait(Intent.START, options, wait, timeout)

    @cancelled_once
    async def restart(
        self,
        *names: str,
        wait: bool = False,
        timeout: float | None = None,
        no_deps: bool = False,
        grace: float | None = None,
    ) -> AppliedChanges:
        """Restart processes; without names, all but completed one-shots. `wait` and `timeout` are as `up` has them.
        Raises `ProcessFailed`.
        """
        options = restart_options(self._project, names, no_deps=no_deps, grace=grace)
        return await self._apply_or_wait(Intent.RESTART, options, wait, timeout)

    @cancelled_once
    async def stop(self, *names: str, grace: float | None = None) -> AppliedChanges:
        """Stop processes in reverse dependency order; what has not exited after `grace` seconds is killed.

        Orphans and replicas beyond those of the file can be named as well.
        """
        check_seconds(grace=grace)

        async def stop(session: Session, on_plan: OnPlan) -> Result:
            options = stop_options(self._project, await resolve_running(session, names), grace=grace)
            return await apply(session, Intent.STOP, options, on_plan)

        return await self._run(stop)

    @cancelled_once
    async def down(
        self, *names: str, grace: float | None = None, remove_orphans: bool = False, terminate: bool = False
    ) -> AppliedChanges:
        """Stop the project. Logs are kept; with `terminate` its sandboxes are destroyed with all their data.

        With names (also those of orphans), only these processes are stopped.
        """
        if terminate and names:
            raise UsageError("`terminate` ends whole sandboxes; it takes no process names")
        check_seconds(grace=grace)

        async def down(session: Session, on_plan: OnPlan) -> Result:
            targets = await resolve_running(session, names)
            options = down_options(
                self._project, targets, grace=grace, remove_orphans=remove_orphans, terminate=terminate
            )
            return await take_down(session, options, on_plan)

        return await self._run(down)

    async def _apply(self, intent: Intent, options: PlanOptions, *, is_up: bool = False) -> AppliedChanges:
        return await self._run(lambda session, on_plan: apply(session, intent, options, on_plan), is_up=is_up)

    async def _apply_or_wait(
        self, intent: Intent, options: PlanOptions, wait: bool, timeout: float | None, *, is_up: bool = False
    ) -> AppliedChanges:
        """Apply a plan and, if wanted, wait until all that it is about is ready."""
        check_waiting(wait, timeout)
        check_seconds(grace=options.grace)
        if not wait:
            return await self._apply(intent, options, is_up=is_up)
        plans: list[Plan] = []
        session, secrets = self._session(is_up=is_up)
        wanted = instances_in_scope(self._project, options)
        async with session, InstanceStates(session, wanted, readiness=True) as states:

            def show(plan: Plan) -> None:
                plans.append(plan)
                states.expect(plan)

            await self._verdict(session, states, secrets, timeout, apply(session, intent, options, show))
        return applied(plans[-1])

    async def _run(
        self, operation: Callable[[Session, OnPlan], Awaitable[Result]], *, is_up: bool = False
    ) -> AppliedChanges:
        """Return what the operation has changed. Raises `ProcessFailed`."""
        plans: list[Plan] = []
        session, secrets = self._session(is_up=is_up)
        async with session:
            check_result(await operation(session, plans.append), secrets.hide)
        return applied(plans[-1])

    async def _verdict(
        self,
        session: Session,
        states: InstanceStates,
        secrets: KnownSecrets,
        timeout: float | None,
        bringing: Awaitable[Result],
    ) -> None:
        deadline = None if timeout is None else monotonic() + timeout
        verdict = await await_verdict(states, bringing, Judge(session.project, Mode()), deadline)
        check_verdict(await with_last_lines(session, verdict, secrets.hide), timeout)


def check_waiting(wait: bool, timeout: float | None) -> None:
    """Raise `UsageError` for a limit of waiting that is not one, or where nothing is waited for."""
    if timeout is not None and not wait:
        raise UsageError("`timeout` needs `wait=True`")
    check_seconds(timeout=timeout)
