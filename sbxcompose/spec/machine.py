"""What a sandbox has besides its processes: sizes, GPUs, file systems and mounts; parts of `spec.project`."""

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
