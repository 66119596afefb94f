"""An error as a text that stands alone: for coding agents, and for reports of tests."""

from __future__ import annotations

from sbxcompose.errors import InvalidSpec, SbxError


def error_words(error: SbxError) -> str:
    """Return the error, its causes with their last lines, and the remedy; of a file with mistakes all of them."""
    if isinstance(error, InvalidSpec):
        from sbxcompose.spec.report import render

        return render(error)
    hint = [f"hint: {error.hint}"] if error.hint else []
    notes = [note for note in getattr(error, "__notes__", ()) if note not in hint]
    told = any(note.startswith(error.message) for note in notes)
    return "\n".join([*([] if told else [error.message]), *notes, *hint])
