"""The file as frozen pydantic models: each key with its type, its default and what it means.

They refuse what they do not know. Short forms are expanded while reading, so that the rest of the program
sees one form; the JSON schema and `docs/spec.md` are made from here.
"""

from __future__ import annotations

import posixpath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic.json_schema import JsonSchemaValue

from sbxcompose.spec.base_models import Profiles, Strict, WithEnvironment
from sbxcompose.spec.command_field import Command
from sbxcompose.spec.fields import (
    AS_FRACTION,
    AS_NUMBER,
    AbsolutePath,
    AlsoInSchema,
    Boolean,
    ExtraForms,
    FullName,
    Name,
    NonEmpty,
    Port,
    SingleOrList,
    Workspace,
    choice,
    keyed,
    one_or_many,
    wrong,
)
from sbxcompose.spec.process_models import ProcessModel
from sbxcompose.spec.schema_patterns import INSIDE, MOUNT
from sbxcompose.spec.unit_fields import PositiveSize, WholeSeconds


class GpuModel(Strict):
    """GPUs of one model."""

    model: NonEmpty = Field(description="Model, as the provider calls it.")
    count: Annotated[int, Field(ge=1, le=64), AS_NUMBER] = Field(1, description="Number of GPUs.")


class ResourcesModel(Strict):
    """What a sandbox has."""

    cpus: Annotated[float, Field(gt=0, le=1024, allow_inf_nan=False), AS_FRACTION] | None = Field(
        None, description="Number of processors; may be a fraction."
    )
    memory: PositiveSize | None = Field(None, description="Memory, such as `2gb`.")
    disk: PositiveSize | None = Field(
        None, description="Disk, such as `20gb`; at the provider `local` that of an isolated sandbox."
    )
    processes: Annotated[int, Field(gt=0, le=4_194_304), AS_NUMBER] | None = Field(
        None, description="Maximum number of processes and threads; only at the provider `local`."
    )
    gpus: tuple[Annotated[GpuModel, keyed("model", str), ExtraForms({"type": "string", "minLength": 1})], ...] = Field(
        (), description="GPUs; a model, or `{model, count}`."
    )


class NetworkModel(Strict):
    """Where a sandbox may connect to. The provider `local` knows all or nothing, and refuses the lists."""

    allow_internet_access: Boolean = Field(
        True,
        description=(
            "Whether the sandbox may reach the internet. At the provider `local`, `false` "
            "gives the sandbox its own network with only `localhost`: this machine cannot "
            "reach its ports either, except through `sbxcompose port`."
        ),
    )
    allow_out: tuple[NonEmpty, ...] = Field(
        (),
        description=("If not empty, the only allowed destinations: addresses, networks (`10.0.0.0/8`) or host names."),
    )
    deny_out: tuple[NonEmpty, ...] = Field((), description="Forbidden destinations; takes precedence over `allow_out`.")


class MountModel(Strict):
    """A file or directory of this machine that an isolated sandbox sees."""

    source: NonEmpty = Field(
        description="File or directory of this machine: absolute, relative to the project directory, or below `~`."
    )
    target: AbsolutePath = Field(description="Where it appears in the sandbox.")
    read_only: Boolean = Field(True, description="Whether the sandbox may only read it.")


def _short_mount(value: Any) -> Any:
    """`SOURCE:TARGET`, with `:ro` or `:rw` behind it if need be."""
    if not isinstance(value, str):
        return value
    source, *rest = value.split(":")
    if not rest or len(rest) > 2 or (len(rest) == 2 and rest[1] not in ("ro", "rw")):
        raise wrong(f"invalid mount `{value}`", "examples: `./data:/data`, `~/models:/models:ro`, `./out:/out:rw`")
    return {"source": source, "target": rest[0], "read_only": rest[1:] != ["rw"]}


class FileSystemModel(Strict):
    """A file system of the cloud, mounted into the sandbox."""

    id: NonEmpty = Field(description="Id at the provider.")
    mount_path: AbsolutePath = Field(description="Mount point in the sandbox.")
    read_only: Boolean = Field(False, description="Mount it read-only.")
    prefetch: Boolean = Field(False, description="Load its contents ahead of their use.")
    snapshot: NonEmpty | None = Field(None, description="Id of the snapshot to mount; needs `read_only: true`.")
    owner: NonEmpty | None = Field(None, description="Owner of the mounted files.")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.snapshot is not None and not self.read_only:
            raise wrong("a snapshot of a file system can only be mounted with `read_only: true`", at=("snapshot",))
        return self


def _inside(value: str) -> str:
    path = posixpath.normpath(value)
    if path.startswith(("/", "../")) or path == "..":
        raise wrong(f"`{value}` is not inside of the workspace", "name a folder relative to the workspace")
    return value


class FilesModel(Strict):
    """What is copied into the sandbox at the provider `tensorlake`; locally the project is used in place, unless the
    workspace is `copy`. What `.gitignore` and `.sbxcomposeignore` leave out is not copied.
    """

    from_: NonEmpty = Field(alias="from", description="File or directory, relative to the project directory.")
    to: Annotated[NonEmpty, AfterValidator(_inside), AlsoInSchema(pattern=INSIDE)] | None = Field(
        None,
        description=(
            "Destination, relative to the workspace. Default: the same path as in the "
            "project (from outside of the project: its own name). The content of a "
            "directory goes into that directory, a file gets that name; with `.` it keeps "
            "its own."
        ),
    )
    ignore: tuple[str, ...] = Field(
        (),
        description=(
            "Further patterns to leave out, as in `.gitignore`; `!pattern` includes what a `.gitignore` leaves out."
        ),
    )


OWN_PORT = 9501
"""The port that a sandbox answers the contract at."""


def _free_port(port: int) -> int:
    if port == OWN_PORT:
        raise wrong(f"port {OWN_PORT} is the sandbox's own", "use another port")
    return port


def _no_mapping(value: Any) -> Any:
    if isinstance(value, str) and ":" in value:
        inner = value.rpartition(":")[2]
        raise wrong(f"`{value}` maps a port, which is not done here", f"name the port alone: `{inner}`")
    return value


SandboxPort = Annotated[
    Port, AfterValidator(_free_port), BeforeValidator(_no_mapping), AlsoInSchema(**{"not": {"const": OWN_PORT}})
]


def _distinct(ports: tuple[int, ...]) -> tuple[int, ...]:
    for index, port in enumerate(ports):
        if port in ports[:index]:
            raise wrong(f"port {port} is listed twice", at=(index,))
    return ports


PORT_FORM: JsonSchemaValue = {"type": "integer", "minimum": 1, "maximum": 65535}


class ConnectModel(Strict):
    """A port of another sandbox that is reachable in this one."""

    port: Annotated[Port, BeforeValidator(_no_mapping)] = Field(description="Port in the other sandbox.")
    listen: SandboxPort | None = Field(
        None, description="Port of 127.0.0.1 in this sandbox that leads there. Default: the same port."
    )


Connections = Annotated[
    tuple[Annotated[ConnectModel, keyed("port", int, str), ExtraForms(PORT_FORM)], ...],
    BeforeValidator(lambda value: value if isinstance(value, tuple) else (value,)),
    SingleOrList(),
]
_ISOLATIONS = {"docker": "overlay", "chroot": "overlay", "container": "overlay", "off": "none"}
"""What others call it."""


class SandboxModel(WithEnvironment):
    """One entry under `sandboxes`: an isolated machine or, at the provider `local`, a group of processes."""

    name: FullName | None = Field(None, description="Name at the provider. Default: `<project>-<sandbox>`.")
    provider: Annotated[Literal["local", "tensorlake"], choice(["local", "tensorlake"])] | None = Field(
        None,
        description=(
            "Where this sandbox lives, if elsewhere than the project. `--provider` and "
            "`SBXCOMPOSE_PROVIDER` move all sandboxes to one provider."
        ),
    )
    image: NonEmpty | None = Field(None, description="Image of the sandbox.")
    snapshot: NonEmpty | None = Field(None, description="Id of a snapshot to restore instead of an image.")
    resources: ResourcesModel | None = Field(
        None,
        description=(
            "Processors, memory and disk. At the provider `local` they are limited where control groups and, for the "
            "disk, loop devices allow it; `up` says where they do not."
        ),
    )
    timeout: WholeSeconds | None = Field(
        None, description=("Suspend the sandbox after this time without traffic; `0`: never. Whole seconds.")
    )
    network: NetworkModel | None = Field(None, description="Network policy.")
    isolation: Annotated[Literal["none", "overlay"], choice(["none", "overlay"], _ISOLATIONS)] = Field(
        "none",
        description=(
            "At the provider `local`: `overlay` gives the sandbox a root directory and process ids of its own. The "
            "operating system is there, and what is written to it stays in the sandbox; the project is at "
            "`workspace`; homes and other files of this machine are not there, except `mounts`. No variables are "
            "inherited unless `inherit_env` says so. In the cloud every sandbox is isolated."
        ),
    )
    mounts: tuple[
        Annotated[MountModel, BeforeValidator(_short_mount), ExtraForms({"type": "string", "pattern": MOUNT})], ...
    ] = Field(
        (),
        description=(
            "What a sandbox with `isolation: overlay` sees of this machine; `SOURCE:TARGET`, read-only unless `:rw` "
            "follows, or `{source, target, read_only}`."
        ),
    )
    ports: Annotated[tuple[SandboxPort, ...], AfterValidator(_distinct), AlsoInSchema(uniqueItems=True)] = Field(
        (), description="Ports that are reachable from outside."
    )
    connect: dict[NonEmpty, Connections] = Field(
        {},
        description=(
            "Ports of other sandboxes that this one reaches at 127.0.0.1: a process or sandbox by name, and a port, "
            "`{port, listen}`, or a list of these. Works between all providers, whatever `network` says."
        ),
    )
    file_systems: tuple[FileSystemModel, ...] = Field(
        (), description="File systems of the cloud, and where to mount them."
    )
    workspace: Workspace = Field(
        "/workspace",
        description=(
            "Where the project directory appears. At the provider `local` the project "
            "directory is used in place, and a `workdir` below the workspace means the same"
            " directory below the project directory; with `copy` the sandbox gets a "
            "directory of its own there too, into which `files` (default: the whole "
            "project) are copied."
        ),
    )
    files: tuple[Annotated[FilesModel, keyed("from", str), ExtraForms({"type": "string", "minLength": 1})], ...] = (
        Field((), description="Files to copy into the sandbox; a path, or `{from, to, ignore}`.")
    )
    setup: tuple[Command, ...] = Field(
        (),
        description=(
            "Commands that must succeed, in order, before any process starts; each runs "
            "again only if it, or one before it, has changed. They are called `setup:1`, `setup:2`, ..."
        ),
    )
    setup_cache: Annotated[Literal["none", "snapshot"], choice(["none", "snapshot"])] = Field(
        "none",
        description=(
            "`snapshot`: take a snapshot of a new sandbox once its `setup` is done, and begin the "
            "next new sandbox with the same `image`, `workspace` and `setup` with it. At the provider "
            "`local` this needs `workspace: copy`. The last three snapshots of a sandbox are kept."
        ),
    )
    processes: dict[Name, ProcessModel] = Field({}, description="Processes of the sandbox, by name.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.image is not None and self.snapshot is not None:
            raise wrong("a sandbox is made from an `image` or a `snapshot`, not both", at=("snapshot",))
        if self.mounts and self.isolation == "none":
            hint = "add `isolation: overlay`; without it processes use the files of this machine as they are"
            raise wrong("`mounts` need an isolated sandbox", hint, at=("mounts",))
        return self


class ProjectModel(WithEnvironment):
    """The file `sbxcompose.yaml`."""

    name: FullName | None = Field(
        None,
        description=(
            "Name of the project; `-p` and `SBXCOMPOSE_PROJECT_NAME` take precedence. "
            "Default: the name of the directory."
        ),
    )
    provider: Annotated[Literal["local", "tensorlake"], choice(["local", "tensorlake"])] = Field(
        "local",
        description=(
            "Where the sandboxes live: on this machine (`local`) or in the cloud "
            "(`tensorlake`). `--provider` and `SBXCOMPOSE_PROVIDER` take precedence."
        ),
    )
    include: Annotated[
        tuple[NonEmpty, ...], BeforeValidator(one_or_many), ExtraForms({"type": "string", "minLength": 1})
    ] = Field((), description="Base files, relative to this file, that this file is merged over.")
    profiles: Profiles = Field(
        (),
        description="Active profiles, unless the command line or `SBXCOMPOSE_PROFILES` names some.",
    )
    sandboxes: dict[Name, SandboxModel] = Field({}, description="Sandboxes, by name.")
    processes: dict[Name, ProcessModel] = Field({}, description="Processes of a single sandbox called `main`, by name.")
