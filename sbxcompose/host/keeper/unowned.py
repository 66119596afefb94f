"""Children of the keeper that belong to no unit: they have shed everything by which a unit's processes are known.

A process with an empty environment, a reset limit and a session of its own, whose parents are gone, tells nothing of
where it came from but its age: it is of a unit that started before it. Where no such unit is left, it is killed; else
it is named, and killed when the last such unit has ended.
"""

from __future__ import annotations

from sbxcompose.host.keeper.escaped import Finder, kill_and_wait
from sbxcompose.host.keeper.log import log
from sbxcompose.linux.processes import command_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sbxcompose.host.keeper.unit import Unit
    from sbxcompose.linux.processes import ProcessStat

ROUNDS = 5
"""How often a look is repeated for what was forked in the meantime."""


class UnownedProcesses:
    """Ends them, and remembers whom it has named, and who may not be killed."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._named: set[tuple[int, int]] = set()
        self._immune: set[tuple[int, int]] = set()

    def end(self, units: Collection[Unit], ending: Collection[Unit] = ()) -> list[str]:
        """Kill those that are of no live unit but the `ending` ones: "pid command" each."""
        names = {unit.name for unit in ending}
        killed: dict[int, str] = {}
        for _ in range(ROUNDS):
            seen = self._finder.unowned(units)
            if seen is None:
                break
            # Nothing of what has ended is remembered: a host may run for months.
            keys = {(process.pid, process.started) for process in seen}
            self._named &= keys
            self._immune &= keys
            found = [process for process in seen if (process.pid, process.started) not in self._immune]
            if not found:
                break
            others = [unit for unit in units if unit.live and unit.name not in names]
            doomed = [process for process in found if not may_descend_from(process, self._possible(process, others))]
            self._name([process for process in found if process not in doomed])
            if not doomed:
                break
            killed.update({process.pid: f"{process.pid} {command_of(process.pid)}" for process in doomed})
            kill_and_wait(doomed)
            # Those that are still there may not be killed, or hang in the kernel: each look would wait for them again.
            self._immune.update((process.pid, process.started) for process in doomed)
        return list(killed.values())

    def _possible(self, process: ProcessStat, units: list[Unit]) -> list[Unit]:
        """Return the units that may have started a process: where an init process adopted it, those of that sandbox."""
        sandbox = self._finder.inits.get(process.parent)
        return units if sandbox is None else [unit for unit in units if unit.inside == sandbox]

    def _name(self, processes: Iterable[ProcessStat]) -> None:
        for process in processes:
            key = (process.pid, process.started)
            if key not in self._named:
                self._named.add(key)
                words = "belongs to no known process; it will be killed once all older processes have exited"
                log(f"process {process.pid} ({command_of(process.pid)}) {words}")


def may_descend_from(process: ProcessStat, units: Iterable[Unit]) -> bool:
    """Return whether a process may have been started by one of these units: one that began before it."""
    # One tick more, as both moments are rounded.
    return any(unit.ticks <= process.started + 1 for unit in units)
