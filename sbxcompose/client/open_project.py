"""Open a project for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sbxcompose.client.definition import FilePath, absolute, environment, texts
from sbxcompose.client.error_words import read_with_notes
from sbxcompose.client.project import OpenProject
from sbxcompose.spec.request import LoadRequest


def open_project(
    *files: FilePath,
    directory: FilePath = ".",
    project_name: str | None = None,
    profiles: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    env_files: Sequence[FilePath] = (),
    provider: str | None = None,
    scale: Mapping[str, int] | None = None,
) -> OpenProject:
    """Open a project to start, watch and stop it; arguments and errors are those of `load`.

    The files are read once, now. `env` is also what processes inherit (at the provider `local`).

    ```python
    import asyncio
    import sbxcompose

    async def main():
        async with sbxcompose.open_project("sbxcompose.yaml") as project:
            await project.up(wait=True, timeout=60)
            for process in await project.ps():
                print(process.name, process.state, process.pid)
            await project.down()

    asyncio.run(main())
    ```
    """
    environ = environment(env)
    request = LoadRequest(
        directory=absolute(directory),
        files=texts("files", files),
        project_name=project_name,
        profiles=texts("profiles", profiles),
        provider=provider,
        env_files=texts("env_files", env_files),
        environ=environ,
        scale=dict(scale or {}),
    )
    return OpenProject(read_with_notes(request), environ)
