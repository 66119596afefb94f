"""Errors as people read them: what is wrong, where, and the way out."""

from __future__ import annotations

import os
import sys

from sbxcompose.cli.context import harmless, style_of
from sbxcompose.errors import Interrupted, InvalidSpec, SbxError


def show_error(error: SbxError) -> None:
    """Print an error on stderr."""
    style = style_of(sys.stderr)
    if isinstance(error, InvalidSpec):
        from sbxcompose.spec.report import render

        print(harmless(render(error, style)), file=sys.stderr)
        _annotate(error)
        if error.hint:
            print(f"\n{style.cyan('hint:')} {harmless(error.hint)}", file=sys.stderr)
        return
    if isinstance(error, Interrupted):
        print(harmless(error.message), file=sys.stderr)
        return
    print(f"{style.red('error:')} {harmless(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"{style.cyan('hint:')} {harmless(error.hint)}", file=sys.stderr)


def _annotate(error: InvalidSpec) -> None:
    """Show the mistakes beside their lines in GitHub's view of a change."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from sbxcompose.cli.ci_formats import mistake_annotations

        for line in mistake_annotations(error, os.getcwd(), os.environ.get("GITHUB_WORKSPACE")):
            print(line, file=sys.stderr)
