"""What became of a plan."""

from __future__ import annotations

from msgspec import Struct

from sbxcompose.errors import SbxError
from sbxcompose.plan.steps import Step


class StepFailure(Struct, frozen=True):
    """A step that did not succeed, and why."""

    step: Step
    error: SbxError


class HeldUp(Struct, frozen=True):
    """A step that was not begun, and the failed step at the root of that."""

    step: Step
    root: Step


class Result(Struct, frozen=True):
    """What became of a plan."""

    failures: tuple[StepFailure, ...] = ()
    held_up: tuple[HeldUp, ...] = ()

    @property
    def good(self) -> bool:
        """Whether every step has succeeded."""
        return not self.failures
