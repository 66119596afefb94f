"""Projects that a provider knows: listed by `ls`, and looked at or stopped by `-p NAME` without their file."""

from __future__ import annotations

import os
from typing import Literal, cast

from sbxcompose.cli.async_main import run_simply
from sbxcompose.engine.projects import KnownProject, find_project, group
from sbxcompose.engine.providers import Provider, provider_of
from sbxcompose.errors import UsageError
from sbxcompose.spec.project import Project

PROVIDERS = ("local", "tensorlake")


def project_without_file(name: str, provider: str | None) -> Project:
    """The project of that name, as its sandboxes tell of it. Raises `UnknownName`."""

    async def main() -> Project:
        kind = _kind(provider)
        there = _provider(kind)
        try:
            return await find_project(name, there, kind)
        finally:
            await there.close()

    return run_simply(main)


def known_projects(provider: str | None) -> list[KnownProject]:
    """All projects that have sandboxes at the provider."""

    async def main() -> list[KnownProject]:
        there = _provider(_kind(provider))
        try:
            return group(await there.sandboxes())
        finally:
            await there.close()

    return run_simply(main)


def _kind(provider: str | None) -> Literal["local", "tensorlake"]:
    name = provider or os.environ.get("SBXCOMPOSE_PROVIDER") or "local"
    if name not in PROVIDERS:
        raise UsageError(f"unknown provider `{name}`", hint="there are `local` and `tensorlake`")
    return cast(Literal["local", "tensorlake"], name)


def _provider(kind: Literal["local", "tensorlake"]) -> Provider:
    return provider_of(Project(name="", directory="/", provider=kind, sandboxes=()), os.environ)
