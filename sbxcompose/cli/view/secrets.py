"""The values that must never be printed."""

from __future__ import annotations

import os
from typing import Any

from sbxcompose.logs.mask import Masker
from sbxcompose.spec.project import Project


def secret_values(project: Project) -> set[str]:
    """The values that must never be printed: of the variables that `secrets` names, in the file or around us."""
    values: set[str] = set()
    for process in project.every_process():
        if process.secrets:
            env = dict(process.env)
            values |= {env.get(name) or os.environ.get(name, "") for name in process.secrets}
    return values - {""}


def mask_text(masker: Masker, text: str) -> str:
    """The text without the values of secrets."""
    if not masker:
        return text
    return masker.mask(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def mask_json(masker: Masker, value: Any) -> Any:
    """A JSON value whose texts are without the values of secrets."""
    if isinstance(value, str):
        return mask_text(masker, value)
    if isinstance(value, dict):
        return {key: mask_json(masker, item) for key, item in value.items()}
    return [mask_json(masker, item) for item in value] if isinstance(value, list) else value
