"""Open a project for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sbxcompose.client.definition import FilePath, load_request
from sbxcompose.client.error_words import read_with_notes
from sbxcompose.client.project import OpenProject


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
    request = load_request(files, directory, project_name, profiles, env, env_files, provider, scale)
    return OpenProject(read_with_notes(request), request)
