"""What an `up` is asked to do, and what ends it, in names as people write them; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from sbxcompose.errors import UsageError
from sbxcompose.plan.names import ProcessNames, resolve_all
from sbxcompose.plan.options import PlanOptions
from sbxcompose.spec.project import Project

if TYPE_CHECKING:
    from sbxcompose.plan.judge import Judge


class UpTerms(Struct, frozen=True, kw_only=True):
    """Fields are as in `PlanOptions`; processes named in `names` or `rerun` get a new run unless they are running."""

    names: tuple[str, ...] = ()
    rerun: tuple[str, ...] = ()
    no_deps: bool = False
    force_recreate: bool = False
    recreate_needs: bool = False
    no_recreate: bool = False
    remove_orphans: bool = False
    recreate_sandboxes: bool = False
    grace: float | None = None

    def check(self, called: Callable[[str], str] = str) -> None:
        """Refuse what asks for opposite plans; `called` is how the caller writes an option. Raises `UsageError`."""

        def refuse(name: str, why: str, other: str) -> None:
            word, with_ = called(name), called(other)
            raise UsageError(f"`{word}` {why}, so it cannot be used with `{with_}`")

        others = {
            "force_recreate": self.force_recreate,
            "always_recreate_deps": self.recreate_needs,
            "recreate_sandboxes": self.recreate_sandboxes,
        }
        for other, given in others.items():
            if self.no_recreate and given:
                refuse("no_recreate", "keeps what is running", other)
        if self.recreate_needs and self.no_deps:
            refuse("no_deps", "leaves dependencies alone", "always_recreate_deps")

    def options(self, project: Project) -> PlanOptions:
        """Return what the planner is asked. Raises `UsageError` for names that the project does not have."""
        targets = resolve_all(project, self.names)
        return PlanOptions(
            targets=targets,
            rerun=(targets or frozenset()) | (resolve_all(project, self.rerun) or frozenset()),
            no_deps=self.no_deps,
            force_recreate=self.force_recreate,
            recreate_needs=self.recreate_needs,
            no_recreate=self.no_recreate,
            remove_orphans=self.remove_orphans,
            recreate_sandboxes=self.recreate_sandboxes,
            grace=self.grace,
        )


class EndRule(Struct, frozen=True):
    """What ends an attached `up` before all that it has started has ended, as `Mode` has it."""

    abort_on_exit: bool = False
    exit_code_from: str | None = None

    @property
    def ends_itself(self) -> bool:
        """Whether the end of a process ends it all, also while files are watched."""
        return self.abort_on_exit or self.exit_code_from is not None

    def judge(self, project: Project) -> Judge:
        """Return who says when it ends."""
        # Imported here: while it is, the host is at work already.
        from sbxcompose.plan.judge import Goal, Judge, Mode

        source = ProcessNames(project).resolve(self.exit_code_from) if self.exit_code_from else None
        return Judge(project, Mode(Goal.ENDED, self.abort_on_exit, source))
