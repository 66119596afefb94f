"""Errors as people read them: what is wrong, where, and the way out."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from sbxcompose.cli.context import harmless, style_of
from sbxcompose.cli.style import Style
from sbxcompose.errors import DeadlinePassed, Interrupted, InvalidSpec, NotStarted, ProcessFailed, SbxError
from sbxcompose.text_width import wrapped

_NOT_ANNOTATED = (Interrupted, ProcessFailed, DeadlinePassed, NotStarted)
"""What scripts expect when they ask whether something is ready, or run a command; verdicts have annotations of their
own.
"""

CANNOT_APPLY = "the project's file has changed but cannot be applied; running processes are left unchanged"


def show_error(error: SbxError) -> None:
    """Print an error on stderr."""
    width = _columns() if sys.stderr.isatty() else None
    print(error_text(error, style_of(sys.stderr), width), file=sys.stderr)
    if os.environ.get("GITHUB_ACTIONS") == "true" and not isinstance(error, _NOT_ANNOTATED):
        _annotate(error)


def _columns() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80


def error_text(error: SbxError, style: Style, width: int | None) -> str:
    """Return an error as text: what is wrong, where, and the way out."""
    if isinstance(error, Interrupted):
        return harmless(error.message)
    hint = _wrapped(f"{style.cyan('hint:')} {harmless(error.hint)}", width) if error.hint else None
    if isinstance(error, InvalidSpec):
        from sbxcompose.spec.report import render

        return "\n\n".join(filter(None, [harmless(render(error, style, width)), hint]))
    return "\n".join(filter(None, [_wrapped(f"{style.red('error:')} {harmless(error.message)}", width), hint]))


def _wrapped(text: str, width: int | None) -> str:
    return "\n".join(part for line in text.split("\n") for part in wrapped(line, width))


def _annotate(error: SbxError) -> None:
    """Show an error on GitHub's page of a run; mistakes in a file beside their lines in the view of a change."""
    from sbxcompose.cli.ci_formats import error_annotation, error_summary, mistake_annotations, mistake_summary

    if isinstance(error, InvalidSpec):
        found = mistake_summary(error)
        lines = mistake_annotations(error, os.getcwd(), os.environ.get("GITHUB_WORKSPACE"))
    else:
        found, lines = error_summary(error), [error_annotation(error)]
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with suppress(OSError), open(page, "a", encoding="utf-8") as file:
            file.write(found)
    for line in lines:
        print(line, file=sys.stderr)


def mistake_words(error: SbxError) -> str:
    """Say what is wrong with the file, with its places where they are known."""
    if isinstance(error, InvalidSpec):
        from sbxcompose.spec.report import render

        return render(error, style_of(sys.stderr))
    return "\n".join(filter(None, [error.message, error.hint]))
