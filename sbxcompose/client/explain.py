"""Explain the state of processes: what is the matter, the way out, and the last lines where they help."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.clock import wall_time
from sbxcompose.engine.listing import named_listing
from sbxcompose.engine.ready_now import probe_readiness
from sbxcompose.engine.session import Session
from sbxcompose.engine.tail import last_lines
from sbxcompose.logs.sanitize import clean_text
from sbxcompose.plan.observed import Observed
from sbxcompose.plan.why import Cause, Explanation, why
from sbxcompose.plan.why_disk import with_disk
from sbxcompose.spec.project import Project

_FINE = frozenset({Cause.FINE, Cause.COMPLETED})
_LINES_HELP = frozenset({Cause.FAILED, Cause.BACKING_OFF, Cause.UNHEALTHY})


class ProcessExplanation(Struct, frozen=True, kw_only=True):
    """Why a process is as it is: whole sentences, the most important first, and the way out.

    `cause` is what that comes down to: `fine`, `failed`, `held up`, …; `last_lines` are the last ones that the run
    wrote which failed.
    """

    name: str
    cause: str
    lines: tuple[str, ...]
    hint: str | None
    last_lines: tuple[str, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether nothing is the matter."""
        return self.cause in _FINE

    def __str__(self) -> str:
        shown = [f"  | {line}" for line in self.last_lines]
        hint = [f"hint: {self.hint}"] if self.hint else []
        return "\n".join([*self.lines, *shown, *hint])


class Explanations(Struct, frozen=True):
    """All that were asked for, and what was seen."""

    all: tuple[Explanation, ...]
    observed: Observed

    @property
    def amiss(self) -> tuple[Explanation, ...]:
        """Those of which something is the matter."""
        return tuple(answer for answer in self.all if answer.cause not in _FINE)

    def lines_help(self, answer: Explanation) -> bool:
        """Return whether the last lines of its run are worth showing."""
        return answer.cause in _LINES_HELP and self.observed.failure(answer.instance) is None


async def explain(session: Session, names: Sequence[str]) -> Explanations:
    """Observe, and explain the instances named, or all. Raises `UnknownName`."""
    observed = await session.observe()
    ready = await probe_readiness(session, commands=True)
    now = wall_time()
    entries = named_listing(session.project, observed, names)
    found = [with_disk(why(session.project, observed, entry.instance, now, ready), observed) for entry in entries]
    return Explanations(tuple(with_taken_port(answer, session.project) for answer in found), observed)


def with_taken_port(found: Explanation, project: Project) -> Explanation:
    """Return the explanation of what has not been started with the program that has its port, if there is one."""
    instance = found.instance
    process = project.process(instance.sandbox, instance.process)
    if found.cause is not Cause.NOT_STARTED or process is None or process.port is None:
        return found
    if project.provider_of(instance.sandbox) != "local":
        return found
    from sbxcompose.engine.ports import TAKEN_HINT, taken_port  # late: it reads /proc

    taken = taken_port(project, process, instance, ())
    if taken is None:
        return found
    return replace(found, lines=(f"{found.label} has not been started: {taken}",), hint=TAKEN_HINT)


async def process_explanation(session: Session, answer: Explanation, hide: Callable[[str], str]) -> ProcessExplanation:
    """Return an explanation as a plain value; `hide` masks secrets."""
    lines: tuple[str, ...] = ()
    connection = session.connections.get(answer.instance.sandbox)
    rows = connection.rows(answer.instance) if connection is not None else ()
    if rows and answer.cause in _LINES_HELP:
        lines = tuple(hide(clean_text(line)) for line in await last_lines(session, answer.instance, rows[-1].run))
    return ProcessExplanation(
        name=answer.label,
        cause=answer.cause.value,
        lines=tuple(map(hide, answer.lines)),
        hint=None if answer.hint is None else hide(answer.hint),
        last_lines=lines,
    )
