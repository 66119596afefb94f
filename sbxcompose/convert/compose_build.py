"""The installation steps of a Dockerfile -> `setup` of the sandbox, where they stay inside the project; pure."""

from __future__ import annotations

import re
import shlex

from sbxcompose.convert.compose_image import ServiceImage
from sbxcompose.convert.draft import ProcessDraft, ProjectDraft
from sbxcompose.spec.nodes import Node

_INSIDE = re.compile(
    r"(npm (ci|install|i|run)|yarn|pnpm (install|i)|bundle install|go mod download|cargo fetch|mix deps\.get"
    r"|composer install|uv sync|poetry install)\b"
)
_OUTSIDE = re.compile(r" (-g|--global|--system)\b")

_LONGEST = 60
"""Characters of a step that are shown."""
_MOST = 4
"""Steps of a Dockerfile that are named."""


def add_build_steps(draft: ProjectDraft, process: ProcessDraft, image: ServiceImage, build: Node | None) -> None:
    """Run the steps that only change the project before the first start; leave others to a person.

    `pip install` is among the others: it would change the Python that this machine has.
    """
    for step in image.dockerfile.setup if image.dockerfile is not None else []:
        if not _INSIDE.match(step) or _OUTSIDE.search(step) or "$" in step:
            process.todo("build", f"run `{step}` once, as its Dockerfile does", build)
            continue
        folder = process.keys.get("workdir", ".")
        command = step if folder == "." else f"cd {shlex.quote(folder)} && {step}"
        steps = draft.top.setdefault("sandboxes", {"main": {"setup": []}})["main"]["setup"]
        if command not in steps:
            steps.append(command)
        process.changed("build", f"`{step}` of its Dockerfile is a `setup` command, run before the first start", build)
    others = image.dockerfile.others if image.dockerfile is not None else []
    if others:
        shown = [f"`{step if len(step) <= _LONGEST else step[: _LONGEST - 1] + '…'}`" for step in others[:_MOST]]
        more = [f"{len(others) - _MOST} more"] if len(others) > _MOST else []
        words = f"its Dockerfile also runs {', '.join([*shown, *more])}; do by hand what the process needs"
        process.todo("build", words, build)
