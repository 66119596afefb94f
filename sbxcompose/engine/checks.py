"""What `doctor` finds: one line a fact, whether it is as it should be, and what to do where it is not."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from sbxcompose.errors import SbxError


class CheckStatus(StrEnum):
    """How a fact is judged."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


class DoctorCheck(Struct, frozen=True):
    """One finding. `section` is what it is about (`local`, `tensorlake`), `fix` what to do about it."""

    section: str
    name: str
    health: CheckStatus
    text: str
    fix: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the finding for a program."""
        return {
            "section": self.section,
            "name": self.name,
            "health": self.health.value,
            "text": self.text,
            "fix": self.fix,
        }


def failed(section: str, name: str, error: SbxError) -> DoctorCheck:
    """Return a finding that is an error of this project."""
    return DoctorCheck(section, name, CheckStatus.BAD, error.message, error.hint)
