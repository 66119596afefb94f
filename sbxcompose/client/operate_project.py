"""A project for scripts, as far as one acts on what runs: commands beside processes, signals, files, ports."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

from msgspec.structs import replace

from sbxcompose.client.cancellation import ClosingContext, cancelled_once
from sbxcompose.client.changes import check_result
from sbxcompose.client.commands import (
    CommandSettings,
    FinishedCommand,
    adapted,
    argv_of,
    run_to_end,
    running_sandbox,
)
from sbxcompose.client.copy_files import CopiedFiles, path_in_sandbox, sides_of
from sbxcompose.client.definition import FilePath, check_seconds, variables
from sbxcompose.client.inspect_project import InspectableProject
from sbxcompose.client.port_route import ForwardedPort, port_route
from sbxcompose.client.signal_processes import send_signal, signal_number
from sbxcompose.client.suspension import changed_sandboxes
from sbxcompose.engine.one_off import bring_up_needs
from sbxcompose.engine.session import Session
from sbxcompose.errors import UsageError
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import Process


class OperableProject(InspectableProject):
    """The part of `OpenProject` that acts on what runs; see there."""

    @cancelled_once
    async def exec(
        self,
        name: str,
        command: str | Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        user: str | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
        max_output: int | None = None,
    ) -> FinishedCommand:
        """Run a command in the environment of a process (sandbox, directory, user, variables), and return its output.

        A text goes through `sh -c`. The command is ended after `timeout` seconds (`DeadlinePassed`, which has its last
        lines). Its exit code is in the result; `exec(...).check()` raises for any but 0. All output is kept in memory;
        `max_output` limits that to the last bytes of each stream. Raises `NotStarted` for a command that does not
        exist.
        """
        settings = _checked(CommandSettings(env or {}, workdir, user, stdin, timeout, max_output))
        instance, process = self._chosen(name)
        words = argv_of(command)
        session, secrets = self._session()
        async with session:
            await session.observe()
            return await self._to_end(session, instance, process, words, settings, secrets)

    @cancelled_once
    async def run(
        self,
        name: str,
        command: str | Sequence[str] | None = None,
        *,
        no_deps: bool = False,
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        user: str | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
        max_output: int | None = None,
    ) -> FinishedCommand:
        """Start what a process needs, then run it once, or another `command` in its place; otherwise as `exec`."""
        settings = _checked(CommandSettings(env or {}, workdir, user, stdin, timeout, max_output))
        instance, process = self._chosen(name)
        words = process.command if command is None else argv_of(command)
        session, secrets = self._session()
        async with session:
            check_result(await bring_up_needs(session, process, no_deps=no_deps, timeout=None), secrets.hide)
            return await self._to_end(session, instance, process, words, settings, secrets)

    def _chosen(self, name: str) -> tuple[Instance, Process]:
        target = ProcessNames(self._project).resolve(name)
        process = self._project.process(target.sandbox, target.process)
        assert process is not None, "the name was resolved"
        return Instance(target.sandbox, target.process, target.replica or 1), process

    async def _to_end(
        self,
        session: Session,
        instance: Instance,
        process: Process,
        words: tuple[str, ...],
        settings: CommandSettings,
        secrets: KnownSecrets,
    ) -> FinishedCommand:
        connection = running_sandbox(session, instance.sandbox)
        request, base = session.command_request(process, instance, words)
        request = adapted(request, settings.env, settings.workdir, settings.user, stdin=settings.stdin is not None)
        return await run_to_end(connection, request, base, settings, secrets.hide)

    # -- signals, suspension, files, ports -----------------------------------------------------------------

    @cancelled_once
    async def kill(self, *names: str, signal: str | int = "KILL") -> tuple[str, ...]:
        """Send a signal to processes and their process groups; return the names of the instances that got it.

        `signal` is a name (`HUP`, `SIGHUP`), a number, or a member of `signal.Signals`. Processes stay supervised: one
        that exits is restarted if its restart policy says so. Raises `UsageError` if none of those named is running.
        """
        number = signal_number(signal)
        session, _ = self._session()
        async with session:
            return await send_signal(session, names, number, lambda name: None)

    @cancelled_once
    async def pause(self, *sandboxes: str) -> tuple[str, ...]:
        """Suspend sandboxes and everything running in them; return the names of those that were running.

        Memory and disk are kept. Without names, all sandboxes that exist are meant. Raises `UnknownName`, and
        `UsageError` if one that is named does not exist yet.
        """
        return await changed_sandboxes(self._project, self._environ, sandboxes, asleep=True)

    @cancelled_once
    async def unpause(self, *sandboxes: str) -> tuple[str, ...]:
        """Resume suspended sandboxes; return the names of those that were suspended. Otherwise as `pause`."""
        return await changed_sandboxes(self._project, self._environ, sandboxes, asleep=False)

    @cancelled_once
    async def cp(
        self, source: FilePath, target: FilePath, *, archive: bool = False, follow_link: bool = False
    ) -> CopiedFiles:
        """Copy files or directories into or out of a sandbox.

        One of the two is `NAME:PATH`, where NAME is a sandbox (relative paths start at its workspace) or a process
        (relative paths start at its working directory). The other one is a path of this machine, relative to this
        process's working directory; a `pathlib.Path` always is. If the target is an existing directory, or ends with
        `/`, the source is copied into it; `SOURCE/.` copies the contents of a directory. `archive` preserves owners,
        `follow_link` copies what symbolic links point to. Raises `SbxError` for a path that does not exist, and
        `UsageError` if the sandbox is not running.
        """
        from sbxcompose.files.by_hand import ByHand, CopyOptions  # late: few scripts copy
        from sbxcompose.files.sandbox_remote import SandboxRemote

        sides = sides_of(self._project, source, target)
        session, _ = self._session()
        async with session:
            await session.observe()
            there = path_in_sandbox(session, sides.remote)
            remote = SandboxRemote(session.connections[sides.remote.sandbox].client)
            hand = ByHand(remote, CopyOptions(archive, follow_link))
            moved = await (hand.put(sides.local, there) if sides.into else hand.get(there, sides.local))
        return CopiedFiles(files=moved.files, size=moved.size)

    def port(
        self, name: str, port: int | None = None, *, listen: str | int | None = None
    ) -> ClosingContext[ForwardedPort]:
        """Return an `async with` block in which a port of this machine leads to a port in a sandbox.

        `name` is a process or a sandbox, and `port` may be left out where the file names only one. `listen` is a local
        port, or `ADDRESS:PORT`; by default it is the same port of 127.0.0.1, or any free one if that is in use. The
        event loop carries the connections, so use `asyncio.to_thread` for a client that blocks. Raises `UsageError` if
        the address is in use, or the sandbox is not running.

        ```python
        import asyncio
        import sbxcompose

        async def main():
            async with sbxcompose.open_project() as project:
                await project.up(wait=True)
                async with project.port("web") as forwarded:
                    print(f"http://{forwarded.address}:{forwarded.port}/")
                await project.down()

        asyncio.run(main())
        ```
        """
        return ClosingContext(self._forward(port_route(self._project, name, port, listen)), self._streams)

    async def _forward(self, route: ForwardedPort) -> AsyncGenerator[ForwardedPort, None]:
        from sbxcompose.engine.forward import PortForward  # late: few scripts forward a port

        session, _ = self._session()
        async with session:
            await session.observe()
            client = running_sandbox(session, route.sandbox).client
            way = (route.sandbox, route.target_port, route.address, route.port)
            async with PortForward(client, *way, lambda text: None) as forward:
                yield replace(route, port=forward.port)


def _checked(settings: CommandSettings) -> CommandSettings:
    """Return the settings. Raises `UsageError` for those that make no sense."""
    variables(settings.env)
    check_seconds(timeout=settings.timeout)
    most = settings.max_output
    if most is not None and (not isinstance(most, int) or most < 0):
        raise UsageError(f"invalid value {most!r} for `max_output`", hint="expected a number of bytes, 0 or greater")
    return settings
