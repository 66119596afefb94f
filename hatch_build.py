"""Hatchling's hook: the man pages of the wheel are made from the commands while it is built."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPages(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the pages into `share/man/man1`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the pages, except for an editable installation, which has no files of its own."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from sbxcompose.cli.man import write_pages

        for page in write_pages(Path(self.root) / "build" / "man"):
            build_data["shared_data"][str(page)] = f"share/man/man1/{page.name}"
