"""Mistakes that matter only to some processes: a variable without a value, a missing file of variables."""

# No `from __future__ import annotations`, see `project.py`.
from typing import Self

from sbxcompose.errors import Mistake
from sbxcompose.spec.part import ProjectPart

ScopeOfMistake = tuple[str | None, str | None]
"""Who needs something: a sandbox and a process of it; None for all of them."""


class Unresolved(ProjectPart, frozen=True):
    """A mistake, as `errors.Mistake` has it, that matters to some processes only."""

    sandbox: str | None
    process: str | None
    message: str
    file: str
    line: int
    column: int
    source: str
    hint: str | None

    @classmethod
    def of(cls, mistake: Mistake, scope: ScopeOfMistake) -> Self:
        """Return the mistake with those whom it concerns."""
        sandbox, process = scope
        return cls(
            sandbox,
            process,
            mistake.message,
            mistake.file,
            mistake.line,
            mistake.column,
            mistake.source,
            mistake.hint,
        )

    @property
    def mistake(self) -> Mistake:
        """The mistake, to be reported."""
        return Mistake(
            self.message, file=self.file, line=self.line, column=self.column, source=self.source, hint=self.hint
        )

    def concerns(self, sandbox: str, process: str) -> bool:
        """Return whether that process needs it."""
        return self.sandbox in (None, sandbox) and self.process in (None, process)
