"""What `doctor` finds: one line a fact, whether it is as it should be, and what to do where it is not."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from sbxcompose.errors import SbxError


class Health(StrEnum):
    """How a fact is judged."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


class Check(Struct, frozen=True):
    """One finding. `section` is what it is about (`local`, `tensorlake`), `fix` what to do about it."""

    section: str
    name: str
    health: Health
    text: str
    fix: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The finding for a program."""
        return {
            "section": self.section,
            "name": self.name,
            "health": self.health.value,
            "text": self.text,
            "fix": self.fix,
        }


def failed(section: str, name: str, error: SbxError) -> Check:
    """A finding that is an error of ours."""
    return Check(section, name, Health.BAD, error.message, error.hint)
