"""Parts of a file that are not read because of a wrong key, so that what lacks them is not a mistake besides; pure."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from sbxcompose.spec.models import ProjectModel, SandboxModel
from sbxcompose.spec.nodes import Mapping, Node


def has_lost_section(root: Node) -> bool:
    """Return whether a mapping stands under an unknown key where processes or sandboxes are expected (`sandboxs:`).

    What it holds has no name then, so that names which are not found tell nothing.
    """
    if not isinstance(root, Mapping):
        return False
    sandboxes = root.get("sandboxes")
    inner = sandboxes.entries.values() if isinstance(sandboxes, Mapping) else ()
    return any(_unknown(root, ProjectModel)) or any(any(_unknown(sandbox, SandboxModel)) for _, sandbox in inner)


def _unknown(node: Node, model: type[BaseModel]) -> Iterator[bool]:
    """Yield True for each mapping under a key that the model does not have."""
    known = {info.alias or name for name, info in model.model_fields.items()}
    for key, (_, value) in node.entries.items() if isinstance(node, Mapping) else ():
        if key not in known and not key.startswith("x-") and isinstance(value, Mapping) and value.entries:
            yield True
