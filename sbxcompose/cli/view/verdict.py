"""Verdicts for people: what failed, its last lines, what it held up, and the command that shows it again."""

from __future__ import annotations

from sbxcompose.cli.style import Style
from sbxcompose.client.verdict import Verdict
from sbxcompose.logs.sanitize import clean_line
from sbxcompose.plan.judge import Success
from sbxcompose.plurals import counted


def verdict_lines(verdict: Verdict, seconds: float, style: Style, reproduce: str | None = None) -> list[str]:
    """Return the verdict after `seconds`; `reproduce` is a command."""
    headline, *rest = as_styled(str(verdict), style)
    if isinstance(verdict, Success):
        return [style.green(ready_text(verdict, seconds)), *rest]
    hint = [f"{style.cyan('hint:')} reproduce it with `{reproduce}`"] if reproduce and verdict.causes else []
    return [f"{style.red(headline.removesuffix(':'))} after {seconds:.1f}s:", *rest, *hint]


def as_styled(text: str, style: Style) -> list[str]:
    """Return the lines of a verdict; last lines of output keep their colours if `style` has some."""
    lines = text.split("\n")
    return lines if style.enabled else [clean_line(line) for line in lines]


def exited_words(verdict: Success, *, by_itself: bool) -> str:
    """Return how an attached `up` ended without a failure; `by_itself`: because that was asked for."""
    headline = "success" if by_itself else "all processes have exited"
    seen = verdict.ready or verdict.completed or verdict.ended or verdict.skipped
    return f"{headline}: {verdict}" if seen else headline


def ready_text(verdict: Success, seconds: float) -> str:
    """Return that all is up: `5 processes ready in 1.8s`, with what has completed or ended on the way."""
    parts = [f"{counted(verdict.ready, 'process')} ready"] if verdict.ready else []
    parts += [f"{verdict.completed} completed"] if verdict.completed else []
    parts += [f"{verdict.ended} ended"] if verdict.ended else []
    return f"{', '.join(parts) or 'nothing to wait for'} in {seconds:.1f}s"
