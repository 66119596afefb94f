"""Read a project's files, without looking at what runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from msgspec import Struct

from sbxcompose.client.error_words import read_with_notes
from sbxcompose.errors import UsageError
from sbxcompose.plan.names import ProcessNames
from sbxcompose.spec.project import Process, Project
from sbxcompose.spec.request import LoadRequest

FilePath = str | os.PathLike[str]


class ProcessDefinition(Struct, frozen=True, kw_only=True):
    """An entry under `processes`, fully resolved. `env` holds the file's variables, with the values of secrets.

    `name` is what the command line calls it: `web`, or `app/web` where two sandboxes have a `web`.
    """

    name: str
    sandbox: str
    process: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    workdir: str
    port: int | None
    replicas: int
    depends_on: tuple[str, ...]
    profiles: tuple[str, ...]
    active: bool
    """Whether `up` without names starts it."""
    description: str | None


class ProjectDefinition(Struct, frozen=True, kw_only=True):
    """A project as its files define it."""

    name: str
    directory: str
    provider: str
    files: tuple[str, ...]
    processes: tuple[ProcessDefinition, ...]
    """In the order of the file; those that are not active come last. Commands of `setup` are not among them."""

    def process(self, name: str) -> ProcessDefinition:
        """Return the process of that name. Raises `KeyError`."""
        for process in self.processes:
            if name in (process.name, f"{process.sandbox}/{process.process}"):
                return process
        raise KeyError(name)


def load(
    *files: FilePath,
    directory: FilePath = ".",
    project_name: str | None = None,
    profiles: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    env_files: Sequence[FilePath] = (),
    provider: str | None = None,
    scale: Mapping[str, int] | None = None,
) -> ProjectDefinition:
    """Read and validate a project's files. Nothing is started and no request is made.

    `files`: later ones override earlier ones; without any, `SBXCOMPOSE_FILE`, or the file that is found from
    `directory` upwards. `env`: variables on top of this process's environment. `scale`: numbers of replicas. The others
    are as on the command line. Raises `InvalidSpec` (its `mistakes` have places), `SpecNotFound`, `UsageError`.

    ```python
    import sbxcompose

    project = sbxcompose.load("sbxcompose.yaml")
    for process in project.processes:
        print(process.name, process.port, process.depends_on)
    ```
    """
    request = load_request(files, directory, project_name, profiles, env, env_files, provider, scale)
    return definition_of(read_with_notes(request))


def load_request(
    files: Sequence[FilePath],
    directory: FilePath,
    project_name: str | None,
    profiles: Sequence[str],
    env: Mapping[str, str] | None,
    env_files: Sequence[FilePath],
    provider: str | None,
    scale: Mapping[str, int] | None,
) -> LoadRequest:
    """Return the request of `load` and `open_project` for their arguments. Raises `UsageError`."""
    return LoadRequest(
        directory=absolute(directory),
        files=texts("files", files),
        project_name=project_name,
        profiles=texts("profiles", profiles),
        provider=provider,
        env_files=texts("env_files", env_files),
        environ=environment(env),
        scale=dict(replica_numbers(scale or {})),
    )


def environment(env: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return this process's environment with `env` on top. Raises `UsageError` for what cannot be in one."""
    return os.environ if env is None else {**os.environ, **variables(env)}


def variables(env: Mapping[str, str]) -> Mapping[str, str]:
    """Return `env` itself. Raises `UsageError` for values that are not texts, such as `{"PORT": 8000}`."""
    for name, value in env.items():
        if not isinstance(value, str):
            raise UsageError(f"the variable `{name}` must be a string, not {value!r}", hint=f'write `"{value}"`')
    return env


def replica_numbers(scale: Mapping[str, int]) -> Mapping[str, int]:
    """Return `scale` itself. Raises `UsageError` for values that are not whole numbers, such as `{"web": "2"}`."""
    for name, count in scale.items():
        if not isinstance(count, int) or isinstance(count, bool):
            raise UsageError(f"the number of replicas of `{name}` must be a whole number, not {count!r}")
    return scale


def check_seconds(**given: float | None) -> None:
    """Raise `UsageError` for what cannot be a time span: one that is negative, infinite, or not a number."""
    for name, value in given.items():
        if value is not None and not (isinstance(value, int | float) and 0 <= value < float("inf")):
            raise UsageError(
                f"invalid value {value!r} for `{name}`",
                hint="expected a number of seconds, 0 or greater; without it there is no limit",
            )


def absolute(directory: FilePath) -> str:
    """Return the absolute path of a directory. Raises `UsageError` if the working directory is gone."""
    try:
        return os.path.abspath(directory)
    except FileNotFoundError:
        raise UsageError("the working directory no longer exists", hint="name another `directory`") from None


def texts(argument: str, values: Sequence[FilePath]) -> tuple[str, ...]:
    """Return the values of an argument, paths as texts. Raises `UsageError` for a string in place of a list."""
    if isinstance(values, str):
        hint = f"write `{argument}=[{values!r}]`"
        raise UsageError(f"`{argument}` must be a list of strings, not a string", hint=hint)
    return tuple(os.fspath(value) for value in values)


def definition_of(project: Project) -> ProjectDefinition:
    """Return the project as a plain value."""
    names = ProcessNames(project)
    shown = [process for process in project.every_process() if not process.name.startswith("@")]
    return ProjectDefinition(
        name=project.name,
        directory=project.directory,
        provider=project.provider,
        files=project.files,
        processes=tuple(_process(project, names, process) for process in shown),
    )


def _process(project: Project, names: ProcessNames, process: Process) -> ProcessDefinition:
    needs = (need for need in process.depends_on if not need.process.startswith("@"))
    return ProcessDefinition(
        name=names.process(process.sandbox, process.name),
        sandbox=process.sandbox,
        process=process.name,
        command=process.command,
        env=dict(process.env),
        workdir=process.workdir,
        port=process.port,
        replicas=process.replicas,
        depends_on=tuple(names.process(need.sandbox, need.process) for need in needs),
        profiles=process.profiles,
        active=process.address not in project.disabled,
        description=process.description,
    )
