"""The messages of the contract on sandboxes and their snapshots (section 2), in the manner of `models.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from msgspec import Meta, field

from sbxcompose.api.models import FailedStart, Message, Port, Seconds, set_millis

SandboxStatus = Literal["pending", "running", "snapshotting", "suspending", "suspended", "terminated"]
SnapshotStatus = Literal["in_progress", "local_ready", "completed", "failed", "deleting", "replicating"]
SnapshotType = Literal["filesystem", "memory"]
Isolation = Literal["none", "overlay"]
WORKSPACE = "/workspace"
"""Where the workspace is unless a request says otherwise."""


class ResourcesInfo(Message, frozen=True, kw_only=True):
    """What a sandbox has; the newest clients insist on the first three."""

    cpus: float = 1.0
    memory_mb: int = 1024
    disk_mb: int = 10_240
    ephemeral_disk_mb: int = 10_240


class ProjectClaim(Message, frozen=True, kw_only=True):
    """Ours: the project that a sandbox belongs to, and the sandbox's name in it.

    `directory` and `file` are where its owner works; `file` is missing for a project read from a pipe.
    """

    name: str
    sandbox: str
    directory: str
    file: str | None = None


class SandboxMount(Message, frozen=True, kw_only=True):
    """Ours: a file or directory of this machine that an isolated sandbox sees at `target`."""

    source: str
    target: str
    read_only: bool = True


class LimitsInfo(Message, frozen=True, kw_only=True):
    """Ours: what a sandbox may use of this machine; `memory` and `disk` in bytes.

    `refused` says why memory, processors and processes are not limited, `disk_refused` why the disk is not.
    """

    memory: Annotated[int, Meta(ge=1)] | None = None
    cpus: Annotated[float, Meta(gt=0)] | None = None
    processes: Annotated[int, Meta(ge=1)] | None = None
    disk: Annotated[int, Meta(ge=1)] | None = None
    refused: str | None = None
    disk_refused: str | None = None


class CreateRequest(Message, frozen=True, kw_only=True):
    """Body of `POST /sandboxes` (contract, section 2.2)."""

    name: str | None = None
    image: str | None = None
    resources: dict[str, Any] | None = None
    timeout_secs: Seconds | None = None
    entrypoint: list[str] | None = None
    network: dict[str, Any] | None = None
    snapshot_id: str | None = None
    template_id: str | None = None
    allow_unauthenticated_access: bool = False
    exposed_ports: list[Port] | None = None
    secret_names: list[str] | None = None
    file_systems: list[dict[str, Any]] | None = None
    auto_resume: bool = True
    wait: bool = True
    max_pending_secs: Seconds | None = None
    project_directory: str | None = None
    """Ours: the directory that the sandbox works for; another one may not take its name."""
    project: ProjectClaim | None = None
    """Ours: the project that it belongs to."""
    isolation: Isolation | None = None
    """Ours: whether it has a root of its own; if it does not say and has no project, as the host was started."""
    mounts: list[SandboxMount] | None = None
    """Ours: what an isolated sandbox sees of this machine."""
    workspace: str | None = None
    """Ours: where an isolated sandbox sees the project's directory, or its own."""
    limits: LimitsInfo | None = None
    """Ours: what is enforced on this machine."""


class PatchRequest(Message, frozen=True, kw_only=True):
    """Body of `PATCH /sandboxes/{sandbox}` (contract, section 2.6). What is not given stays as it is."""

    name: str | None = None
    allow_unauthenticated_access: bool | None = None
    exposed_ports: list[Port] | None = None
    network: dict[str, Any] | None = None
    auto_resume: bool | None = None
    resources: dict[str, Any] | None = None
    project: ProjectClaim | None = None
    """Ours: another owner. A sandbox that works in its project's directory moves to the new one."""
    limits: LimitsInfo | None = None
    """Ours: what is enforced from now on."""


class ImageBuildRequest(Message, frozen=True, kw_only=True):
    """Body of `POST /images/v4/builds`."""

    name: str
    kind: str = "dockerfile"
    image_ref: str | None = None
    dockerfile_path: str = "Dockerfile"
    disk_mb: int | None = None
    client_request_id: str | None = None


class ContextSealRequest(Message, frozen=True, kw_only=True):
    """Body of the request that completes a context: the SHA-256 of what was uploaded."""

    digest: str


class FileSystemMount(Message, frozen=True, kw_only=True):
    """Body of `POST /sandboxes/{sandbox}/file_systems`."""

    file_system_id: str
    mount_path: str
    read_only: bool | None = None
    prefetch: bool | None = None
    """Taken, and without an effect: nothing is far away here."""
    snapshot_id: str | None = None
    owner: str | None = None


class FileSystemDetachRequest(Message, frozen=True, kw_only=True):
    """Body of `DELETE /sandboxes/{sandbox}/file_systems`."""

    mount_path: str


class FileSystemRequest(Message, frozen=True, kw_only=True):
    """Body of `POST …/file-systems`; a description is not kept."""

    name: str


class SnapshotRequest(Message, frozen=True, kw_only=True):
    """Body of `POST /sandboxes/{sandbox}/snapshot`."""

    snapshot_type: SnapshotType = "filesystem"


class SnapshotInfo(Message, frozen=True, kw_only=True):
    """A snapshot (contract, section 2.5). `size_bytes` is what its files hold, `rootfs_disk_bytes` what they take."""

    id: str
    namespace: str = "default"
    sandbox_id: str
    status: SnapshotStatus
    snapshot_type: SnapshotType = "filesystem"
    base_image: str | None = None
    error: str | None = None
    snapshot_uri: str | None = None
    snapshot_format_version: str | None = None
    size_bytes: int | None = None
    rootfs_disk_bytes: int | None = None
    created_at: int | None = None
    resources: dict[str, Any] | None = None
    """Ours: those of its sandbox, which one that begins with it inherits."""
    not_covered: list[str] = field(default_factory=list)
    """Ours: what of the files that the sandbox saw is not in it."""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read it; some servers call the id `snapshot_id`."""
        return super().read({**body, "id": body.get("id") or body["snapshot_id"]})


class ShortInfo(Message, frozen=True, kw_only=True):
    """A sandbox in create, claim and copy answers (contract, section 2.4)."""

    sandbox_id: str
    status: SandboxStatus | Literal["timeout", "failed"]
    name: str | None = None
    pending_reason: str | None = None
    reason: str | None = None
    termination_reason: str | None = None
    error_details: Any = None
    sandbox_url: str | None = None
    ingress_endpoint: str | None = None


class ResourceResize(Message, frozen=True, kw_only=True):
    """`resource_resize` of a sandbox: the latest change of its resources."""

    generation: int
    requested: dict[str, Any]
    status: str = "succeeded"
    error_message: str | None = None


class SandboxInfo(Message, frozen=True, kw_only=True):
    """A sandbox in get, list and patch answers (contract, section 2.3)."""

    id: str
    namespace: str = "default"
    status: SandboxStatus
    name: str | None = None
    image: str | None = None
    resources: dict[str, Any] = field(default_factory=dict)
    timeout_secs: Seconds | None = None
    entrypoint: list[str] | None = None
    network: dict[str, Any] | None = None
    sandbox_url: str | None = None
    ingress_endpoint: str | None = None
    exposed_ports: list[Port] | None = None
    allow_unauthenticated_access: bool = False
    created_at: int | None = None
    terminated_at: int | None = None
    archived_at: int | None = None
    """Of a terminated one, in the archive."""
    outcome: str | None = None
    termination_reason: str | None = None
    pending_reason: str | None = None
    error_details: Any = None
    auto_resume: bool = True
    resource_resize: ResourceResize | None = None
    file_systems: list[dict[str, Any]] | None = None
    project_directory: str | None = None
    """Ours: see `CreateRequest`."""
    project: ProjectClaim | None = None
    """Ours: see `CreateRequest`."""
    live_processes: int | None = None
    """Ours: how many processes run, or will run again, in it."""
    workspace_directory: str | None = None
    """Ours: the directory on this machine that the sandbox works in, if it has no project's."""
    isolation: Isolation = "none"
    """Ours: see `CreateRequest`; so are the next three."""
    mounts: list[SandboxMount] = field(default_factory=list)
    workspace: str | None = None
    limits: LimitsInfo | None = None
    isolation_refused: str | None = None
    """Ours: why this machine did not permit the isolation that the sandbox would have by default."""
    enforced_network: Literal["open", "closed"] | None = None
    """Ours: the network that it began with, and keeps: that of the machine, or one of its own without a way out."""
    disk_free: int | None = None
    """Ours: how many bytes may still be written to a disk that is limited."""
    disk_read_only: bool = False
    """Ours: a disk that is limited has become read-only, since the disk of the machine was full or has failed."""
    machine_free: int | None = None
    """Ours: how many bytes are free on the disk of the machine that holds the disk of an isolated sandbox."""
    not_enforced: list[str] = field(default_factory=list)
    """Ours: what is recorded of it, because the host was started to accept it, and not enforced."""
    failed_starts: list[FailedStart] = field(default_factory=list)
    """Ours: the latest failed start of each process that has not been started since."""
    extensions: list[str] = field(default_factory=list)
    """Ours: which of our extensions its daemon speaks: `batch`, `watch`, `stop`, `pty`, `stats`, `start-key`."""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read it under both names of the id and of the network policy (contract, section 2.3)."""
        values = {key: value for key, value in body.items() if key in cls.__struct_fields__ and value is not None}
        values.setdefault("id", body.get("id") or body.get("sandbox_id"))
        if policy := body.get("network") or body.get("network_policy"):
            values["network"] = policy
        set_millis(values, "created_at", "terminated_at")
        claim = body.get("project")
        values["project"] = ProjectClaim.read(claim) if claim else None
        limits = body.get("limits")
        values["limits"] = LimitsInfo.read(limits) if limits else None
        values["mounts"] = [SandboxMount.read(mount) for mount in body.get("mounts") or ()]
        values["failed_starts"] = [FailedStart.read(failed) for failed in body.get("failed_starts") or ()]
        resize = body.get("resource_resize")
        values["resource_resize"] = ResourceResize.read(resize) if resize else None
        return cls(**values)
