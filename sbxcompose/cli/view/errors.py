"""Errors as people read them: what is wrong, where, and the way out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from sbxcompose.cli.context import harmless, style_of, unicode_output, width_of
from sbxcompose.cli.style import Colored, Style
from sbxcompose.errors import DeadlinePassed, Interrupted, InvalidSpec, NotStarted, ProcessFailed, SbxError

_NOT_ANNOTATED = (Interrupted, ProcessFailed, DeadlinePassed, NotStarted)
"""What scripts expect when they ask whether something is ready, or run a command; verdicts have annotations of their
own.
"""

CANNOT_APPLY = "the project's file has changed but cannot be applied; running processes are left unchanged"


def show_error(error: SbxError) -> None:
    """Print an error on stderr."""
    if any(name.startswith("COMPOSE_") for name in os.environ):
        from sbxcompose.cli.compose_variables import explain  # late: few environments have any

        error.hint = "\n".join(filter(None, [error.hint, explain(error, os.environ)])) or None
    print(error_text(error, style_of(sys.stderr), width_of(sys.stderr)), file=sys.stderr)
    if os.environ.get("GITHUB_ACTIONS") == "true" and not isinstance(error, _NOT_ANNOTATED):
        _annotate(error)


def error_text(error: SbxError, style: Style, width: int | None) -> str:
    """Return an error as text: what is wrong, where, and the way out. None: not for a terminal."""
    if isinstance(error, Interrupted):
        return harmless(error.message)
    hint = _labelled("hint:", "cyan", error.hint, style, width) if error.hint else None
    if isinstance(error, InvalidSpec):
        return "\n\n".join(filter(None, [_mistakes(error, style, width), hint]))
    return "\n".join(filter(None, [_labelled("error:", "red", error.message, style, width), hint]))


def _mistakes(error: InvalidSpec, style: Style, width: int | None) -> str:
    if width is None:
        from sbxcompose.spec.report import render

        return harmless(render(error, style))
    from sbxcompose.cli.view.drawn_errors import mistake_lines

    ascii_only = not unicode_output(sys.stderr)
    return "\n".join(mistake_lines(error, width, colors=style.enabled, ascii_only=ascii_only))


def _labelled(label: str, color: Literal["red", "cyan"], message: str, style: Style, width: int | None) -> str:
    return _fitted([Colored(label, color), f" {harmless(message)}"], style, width)


def _fitted(parts: Sequence[str | Colored], style: Style, width: int | None) -> str:
    if width is None:
        return "".join(part if isinstance(part, str) else style.colored(part) for part in parts)
    from sbxcompose.cli.view.drawn import fitted_lines

    return "\n".join(fitted_lines(parts, width, colors=style.enabled))


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


def mistake_words(error: SbxError, width: int | None = None) -> str:
    """Say what is wrong with the file, with its places where they are known."""
    style = style_of(sys.stderr)
    if isinstance(error, InvalidSpec):
        return _mistakes(error, style, width)
    hint = _labelled("hint:", "cyan", error.hint, style, width) if error.hint else None
    return "\n".join(filter(None, [_fitted([harmless(error.message)], style, width), hint]))
