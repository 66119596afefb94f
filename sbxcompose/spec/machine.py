"""What a sandbox has besides its processes: size, files, file systems, network and connections."""

# No `from __future__ import annotations`: see `spec.project`.
from sbxcompose.spec.part import ProjectPart


class Gpu(ProjectPart, frozen=True):
    """GPUs of one model."""

    model: str
    count: int = 1


class Resources(ProjectPart, frozen=True):
    """What a sandbox has; memory and disk in bytes. Fields left out keep the provider's defaults."""

    cpus: float | None = None
    memory: int | None = None
    disk: int | None = None
    gpus: tuple[Gpu, ...] = ()
    processes: int | None = None


class FileSystem(ProjectPart, frozen=True):
    """A file system of the cloud, mounted into a sandbox."""

    id: str
    mount_path: str
    read_only: bool = False
    prefetch: bool = False
    snapshot: str | None = None
    owner: str | None = None


class Mount(ProjectPart, frozen=True):
    """What an isolated sandbox sees of this machine; `source` may be relative to the project directory."""

    source: str
    target: str
    read_only: bool = True


class Network(ProjectPart, frozen=True):
    """Network policy (contract, section 2.10)."""

    allow_internet_access: bool = True
    allow_out: tuple[str, ...] = ()
    deny_out: tuple[str, ...] = ()

    @property
    def restrictive(self) -> bool:
        """Whether it forbids anything at all."""
        return not self.allow_internet_access or bool(self.allow_out or self.deny_out)


class Files(ProjectPart, frozen=True):
    """What is copied into a sandbox; `from_` is relative to the project directory, `to` to the workspace."""

    from_: str
    to: str
    ignore: tuple[str, ...] = ()


class PortConnection(ProjectPart, frozen=True):
    """Port `port` of another `sandbox`, which is reachable at 127.0.0.1:`listen`; `name` is what the file calls it."""

    name: str
    sandbox: str
    port: int
    listen: int
