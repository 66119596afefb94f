"""Errors as people read them: what is wrong, where, and the way out."""

from __future__ import annotations

import sys

from sbxcompose.cli.context import style_of
from sbxcompose.errors import Interrupted, InvalidSpec, SbxError


def show_error(error: SbxError) -> None:
    """Print an error on stderr."""
    style = style_of(sys.stderr)
    if isinstance(error, InvalidSpec):
        from sbxcompose.spec.report import render

        print(render(error, style), file=sys.stderr)
        return
    if isinstance(error, Interrupted):
        print(error.message, file=sys.stderr)
        return
    print(f"{style.red('error:')} {error.message}", file=sys.stderr)
    if error.hint:
        print(f"{style.cyan('hint:')} {error.hint}", file=sys.stderr)
