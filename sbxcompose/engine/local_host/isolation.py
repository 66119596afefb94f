"""How sandboxes are isolated that programs create at the host of this machine, in words for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from sbxcompose.engine.local_host import launch
from sbxcompose.errors import SbxError


class IsolationReport(Struct, frozen=True):
    """`mode` is how the host was started; `refused` is the error where this machine permits no isolation, `hint`
    says what to change.
    """

    mode: str
    refused: str | None = None
    hint: str | None = None

    @property
    def cause(self) -> str:
        """The step that failed, where one has."""
        return (self.refused or "").removeprefix("the sandbox cannot be isolated: ")


def ask(status: dict[str, Any]) -> IsolationReport | None:
    """Ask a host with this status, which tries it if it has not yet; None if it does not answer that."""
    try:
        what = "cannot read how sandboxes are isolated"
        return IsolationReport(**launch.ask(Path(status["socket"]), "GET", "/host/v1/isolation", what))
    except (SbxError, TypeError):  # an older host, or one that ends just now
        return None


def described(report: IsolationReport) -> str:
    """Return in one line how sandboxes of programs are isolated."""
    if report.mode == "none":
        return "sandboxes that programs create share the files of this machine: isolation is switched off"
    if report.refused is None:
        return "sandboxes that programs create are isolated"
    return f"{_consequence(report)}: {report.cause}" + (f" ({report.hint})" if report.hint else "")


def shortfall(report: IsolationReport) -> str | None:
    """Return what a host that has just been started cannot do; None if it can do what it should."""
    return None if report.mode == "none" or report.refused is None else described(report)


def _consequence(report: IsolationReport) -> str:
    if report.mode == "overlay":
        return "programs can create no sandboxes"
    return "sandboxes that programs create are not isolated and share the files of this machine"
