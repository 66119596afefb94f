"""Projects that a provider knows: listed by `ls`, and looked at or stopped by `-p NAME` without their file."""

from __future__ import annotations

import os
from typing import Literal, cast

from sbxcompose.cli.async_main import run_simply
from sbxcompose.engine.projects import KnownProject, find_project, group
from sbxcompose.engine.providers import Provider, provider_of
from sbxcompose.errors import InvalidSpec, SbxError, SpecError, SpecNotFound, UsageError
from sbxcompose.similar import did_you_mean
from sbxcompose.spec.project import Project

PROVIDERS = ("local", "tensorlake")


def project_without_file(name: str, provider: str | None) -> Project:
    """Return the project of that name, as its sandboxes tell of it. Raises `UnknownName`."""

    async def main() -> Project:
        kind = _kind(provider)
        there = _provider(kind)
        try:
            return await find_project(name, there, kind)
        finally:
            await there.close()

    return run_simply(main)


def known_projects(provider: str | None) -> list[KnownProject]:
    """Return all projects that have sandboxes at the provider."""

    async def main() -> list[KnownProject]:
        there = _provider(_kind(provider))
        try:
            return group(await there.sandboxes())
        finally:
            await there.close()

    return run_simply(main)


def used_elsewhere(provider: str | None) -> str:
    """Return the projects whose sandboxes at another provider have been used from this machine; empty if none have."""
    if _kind(provider) != "local":
        return ""
    from sbxcompose.engine import cloud_places

    found = cloud_places.projects(os.environ)
    shown = [f"{name} (tensorlake: {', '.join(places)})" for name, places in found.items()]
    return ", ".join(shown)


def explain_without_file(
    error: SpecNotFound | InvalidSpec,
    command: str,
    *,
    name: str | None,
    provider: str | None,
    named_file: bool,
    lenient: bool,
) -> SpecError:
    """Return the error of a command that found no valid file, with a hint: `-p`, or where the file is.

    `lenient`: the command can do without the file; `name` is what `-p` says, `named_file` whether `-f` says something.
    """
    from sbxcompose.spec.files import WRITE_ONE  # `ls` reads no file

    if lenient and isinstance(error, InvalidSpec):
        error.hint = f"`sbxcompose -p NAME {command}` works without the file; `sbxcompose ls` lists the names"
    elif lenient and not named_file and error.hint == WRITE_ONE:
        error.hint = "`sbxcompose ls` lists all projects, and `-p NAME` names one; or name a file with `-f FILE`"
    elif isinstance(error, SpecNotFound) and name is not None and not named_file:
        return _needs_file(name, provider, command) or error
    return error


def _needs_file(name: str, provider: str | None, command: str) -> SpecNotFound | None:
    """Return what to say of a project that is known where its file is needed; None if it is not known."""
    try:
        found = next((project for project in known_projects(provider) if project.name == name), None)
    except SbxError:
        return None
    if found is None or found.directory is None:
        return None
    there = os.path.isdir(found.directory)
    where = f"its folder is {found.directory}" if there else f"its folder {found.directory} no longer exists"
    way = "run it there" if there else "restore the folder"
    return SpecNotFound(
        f"`{command}` needs the file of project `{name}`, which is not here; {where}",
        hint=f"{way}, or name its file with `-f FILE`; `ps`, `logs` and `down` of `-p {name}` work without the file",
    )


def _kind(provider: str | None) -> Literal["local", "tensorlake"]:
    name = provider or os.environ.get("SBXCOMPOSE_PROVIDER") or "local"
    if name not in PROVIDERS:
        hint = did_you_mean(name, PROVIDERS, "expected `local` or `tensorlake`")
        raise UsageError(f"unknown provider `{name}`", hint=hint)
    return cast(Literal["local", "tensorlake"], name)


def _provider(kind: Literal["local", "tensorlake"]) -> Provider:
    return provider_of(Project(name="", directory="/", provider=kind, sandboxes=()), os.environ)
