"""The file as frozen pydantic models: each key with its type, its default and what it means.

They refuse what they do not know. Short forms are expanded while reading, so that the rest of the program
sees one form; the JSON schema and `docs/spec.md` are made from here.
"""

from __future__ import annotations

import posixpath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sbxcompose.spec.base_models import Profiles, Strict, WithEnvironment
from sbxcompose.spec.fields import (
    AS_FRACTION,
    AbsolutePath,
    AlsoAs,
    Boolean,
    Command,
    Duration,
    FullName,
    Name,
    NonEmpty,
    Port,
    PositiveSize,
    Workspace,
    choice,
    keyed,
    one_or_many,
    wrong,
)
from sbxcompose.spec.process_models import ProcessModel


class ResourcesModel(Strict):
    """What a sandbox has."""

    cpus: Annotated[float, Field(gt=0, le=1024, allow_inf_nan=False), AS_FRACTION] | None = Field(
        None, description="Processors; may be a fraction."
    )
    memory: PositiveSize | None = Field(None, description="Memory, such as `2gb`.")
    disk: PositiveSize | None = Field(None, description="Disk, such as `20gb`.")


class NetworkModel(Strict):
    """Where a sandbox may connect to. The provider `local` knows all or nothing, and refuses the lists."""

    allow_internet_access: Boolean = Field(
        True,
        description="Whether there is a way out at all. At the provider `local`, `false` gives the sandbox a network "
        "of its own, with nothing but `localhost`: this machine does not reach its ports either, except "
        "through `sbxcompose port`.",
    )
    allow_out: tuple[NonEmpty, ...] = Field(
        (),
        description="If not empty, the only places it may reach: addresses, networks (`10.0.0.0/8`) or host names.",
    )
    deny_out: tuple[NonEmpty, ...] = Field((), description="Places it may not reach; stronger than `allow_out`.")


class FileSystemModel(Strict):
    """A file system of the cloud, mounted into the sandbox."""

    id: NonEmpty = Field(description="Its id at the provider.")
    mount_path: AbsolutePath = Field(description="Where it appears.")
    read_only: Boolean = Field(False, description="Whether it can be written to.")


def _inside(value: str) -> str:
    path = posixpath.normpath(value)
    if path.startswith(("/", "../")) or path == "..":
        raise wrong(f"`{value}` is not inside of the workspace", "name a folder relative to the workspace")
    return value


class FilesModel(Strict):
    """What is copied into the sandbox at the provider `tensorlake`; locally the project is used in place, unless the
    workspace is `copy`. What `.gitignore` and `.sbxcomposeignore` leave out is not copied.
    """

    from_: NonEmpty = Field(alias="from", description="A file or a folder, relative to the project directory.")
    to: Annotated[NonEmpty, AfterValidator(_inside)] | None = Field(
        None,
        description="Where it goes, relative to the workspace; without it, to the same place as in the project (from "
        "outside of the project: under its own name). What is in a folder goes into that folder, a file gets that "
        "name; with `.` it keeps its own.",
    )
    ignore: tuple[str, ...] = Field(
        (),
        description="Patterns, as in `.gitignore`, of what is left out, too; `!pattern` takes in what a `.gitignore` "
        "leaves out.",
    )


def _free_port(port: int) -> int:
    if port == 9501:
        raise wrong("port 9501 is the sandbox's own", "use another port")
    return port


def _no_mapping(value: Any) -> Any:
    if isinstance(value, str) and ":" in value:
        inner = value.rpartition(":")[2]
        raise wrong(f"`{value}` maps a port, which is not done here", f"name the port alone: `{inner}`")
    return value


SandboxPort = Annotated[Port, AfterValidator(_free_port), BeforeValidator(_no_mapping)]


def _distinct(ports: tuple[int, ...]) -> tuple[int, ...]:
    for index, port in enumerate(ports):
        if port in ports[:index]:
            raise wrong(f"port {port} is listed twice", at=(index,))
    return ports


class SandboxModel(WithEnvironment):
    """One entry under `sandboxes`: an isolated machine or, at the provider `local`, a group of processes."""

    name: FullName | None = Field(None, description="Its name at the provider. Without it, `<project>-<sandbox>`.")
    image: NonEmpty | None = Field(None, description="The image it is made from.")
    snapshot: NonEmpty | None = Field(
        None, description="The id of a snapshot that it is restored from, instead of an image."
    )
    resources: ResourcesModel | None = Field(None, description="Processors, memory and disk.")
    timeout: Duration | None = Field(
        None, description="After so long without traffic it is suspended; `0`: never. Whole seconds."
    )
    network: NetworkModel | None = Field(None, description="Where it may connect to.")
    ports: Annotated[tuple[SandboxPort, ...], AfterValidator(_distinct)] = Field(
        (), description="Ports that can be reached from outside."
    )
    file_systems: tuple[FileSystemModel, ...] = Field(
        (), description="File systems of the cloud, and where they appear."
    )
    workspace: Workspace = Field(
        "/workspace",
        description="Where the project directory appears. At the provider `local` it is used where it "
        "is, and a `workdir` "
        "below the workspace means the same folder below the project directory; with `copy` the sandbox gets a "
        "directory of its own there, too, into which `files` (without any: the whole project) are copied.",
    )
    files: tuple[Annotated[FilesModel, keyed("from", str), AlsoAs({"type": "string", "minLength": 1})], ...] = Field(
        (), description="What is copied in; a path, or `{from, to, ignore}`."
    )
    setup: tuple[Command, ...] = Field(
        (),
        description="Commands that must succeed, in order, before anything else is started; each runs "
        "again only if it, or one before it, has changed.",
    )
    processes: dict[Name, ProcessModel] = Field({}, description="What runs in it, by name.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.image is not None and self.snapshot is not None:
            raise wrong("a sandbox is made from an `image` or a `snapshot`, not both", at=("snapshot",))
        if self.timeout is not None and self.timeout != int(self.timeout):
            raise wrong("`timeout` must be whole seconds", at=("timeout",))
        return self


class ProjectModel(WithEnvironment):
    """The file `sbxcompose.yaml`."""

    name: FullName | None = Field(
        None,
        description="The project's name; `-p` and `SBXCOMPOSE_PROJECT_NAME` beat it. Without it, the folder's name.",
    )
    provider: Annotated[Literal["local", "tensorlake"], choice(["local", "tensorlake"])] = Field(
        "local",
        description="Where the sandboxes live: on this machine, or in the cloud. `--provider` and "
        "`SBXCOMPOSE_PROVIDER` "
        "beat it.",
    )
    include: Annotated[
        tuple[NonEmpty, ...], BeforeValidator(one_or_many), AlsoAs({"type": "string", "minLength": 1})
    ] = Field((), description="Other files, relative to this one, over which this one is laid.")
    profiles: Profiles = Field(
        (),
        description="The profiles that are active unless the command line or `SBXCOMPOSE_PROFILES` names some.",
    )
    sandboxes: dict[Name, SandboxModel] = Field({}, description="The sandboxes, by name.")
    processes: dict[Name, ProcessModel] = Field({}, description="Short for the processes of one sandbox called `main`.")
