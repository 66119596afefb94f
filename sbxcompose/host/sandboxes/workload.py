"""Everything that runs in one sandbox, supervised processes and terminal sessions alike, treated as one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sbxcompose.host.base.host_info import Interruption
from sbxcompose.host.isolation.root import IsolatedRoot
from sbxcompose.host.keeper import inits
from sbxcompose.host.keeper.client import Adopted, Claim, Exited, KeeperClient
from sbxcompose.host.supervise.processes import Processes
from sbxcompose.host.supervise.spawn_request import Workdir
from sbxcompose.host.terminals.sessions import TerminalSessions
from sbxcompose.tasks import finish_all


class Workload:
    """The processes and the terminal sessions of a sandbox.

    `directory` holds their records, `workdir` is where they run unless they say (None: the user's home), `policy` is
    the network policy of the sandbox, and `isolation` the root of an isolated one.
    """

    def __init__(
        self,
        sandbox: str,
        directory: Path,
        *,
        workdir: Workdir | None,
        keeper: KeeperClient,
        policy: dict[str, Any] | None,
        isolation: IsolatedRoot | None = None,
    ) -> None:
        self.keeper = keeper
        self.isolation = isolation
        self.idle: Callable[[], None] = lambda: None
        """Called when a process has come to rest or a session has ended."""
        self.processes = Processes(sandbox, directory, workdir, keeper, policy, isolation)
        self.processes.idle = self._idle
        self.terminals = TerminalSessions(sandbox, directory, keeper, self.processes.spawn, self._terminals_changed)

    def _terminals_changed(self) -> None:
        self.processes.recheck()
        self._idle()

    def _idle(self) -> None:
        if self.isolation is not None and not self.busy:
            self.isolation.used(lambda: self.busy)
        self.idle()

    @property
    def busy(self) -> bool:
        """Whether anything runs, or will."""
        return self.processes.busy or self.terminals.busy

    @property
    def units(self) -> list[str]:
        """The keeper's names for the runs that exist."""
        return [*self.processes.units, *self.terminals.units]

    @property
    def paused(self) -> bool:
        """Whether the sandbox is suspended: nothing begins in it, and no time passes."""
        return self.processes.paused

    def pause(self) -> None:
        """Begin nothing, check nothing, and let no time pass, from now on."""
        self.terminals.pause()
        self.processes.pause()

    def resume(self) -> None:
        """Undo `pause`."""
        self.terminals.unpause()
        self.processes.unpause()

    async def wait_steady(self, otherwise: Callable[[], bool]) -> None:
        """Wait until what was being started runs, and what was being ended has ended; or until `otherwise()`."""
        await self.processes.wait_until(lambda: otherwise() or not self._in_between())

    def _in_between(self) -> bool:
        return self.terminals.is_changing or self.processes.is_changing

    async def end(self, *, grace_ms: int | None = None) -> None:
        """End everything by signal and grace; `grace_ms` limits the time that each may take."""
        await finish_all([self.processes.end(grace_ms=grace_ms), self.terminals.end(grace_ms)])
        await self.processes.commands.end()

    def closed(self) -> None:
        """End everything of a sandbox that is terminated."""
        self.terminals.closed()
        self.processes.closed()

    # -- after the last server's death ---------------------------------------------------------------------

    def load(self, *, paused: bool) -> None:
        """Read the records, `paused` as the sandbox is. `adopt` and `recover` make them live again."""
        self.processes.paused = paused
        if paused:
            self.terminals.pause()
        self.terminals.load()
        self.processes.load()

    def adopt(self, adopted: Adopted) -> bool:
        """Take over a run; False if neither a process nor a session wants it."""
        return self.processes.adopt(adopted) or self.terminals.adopt(adopted)

    def claims(self, known: set[str]) -> list[Claim]:
        """Return the units that are recorded as existing, or as being started, and are not among the `known` ones."""
        init = [] if self.isolation is None else [Claim(inits.unit_of(self.isolation.sandbox))]
        return [*self.processes.claims(), *self.terminals.claims(known), *init]

    def recover(self, known: set[str], interruption: Interruption) -> None:
        """Continue with everything that is not among the `known` units, once nothing of the others is left."""
        self.terminals.recover(known)
        self.processes.recover(interruption)

    def exited(self, exited: Exited) -> bool:
        """Take note that a run has ended; False if it belongs to neither a process nor a session."""
        return self.processes.exited(exited) or self.terminals.exited(exited)
