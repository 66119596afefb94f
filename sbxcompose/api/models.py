"""The messages of the contract on processes, shared by our client and our host; those on sandboxes are in
`sandbox_models.py`.

Plain immutable classes: the client builds them in microseconds and imports no pydantic; the host checks what
strangers send against the same classes' type hints. Field names, types and defaults are the wire's
(contract, sections 2 and 3); times are milliseconds since 1970. Fields marked *ours* are extensions that only our
host sends or honours; every client of the contract ignores fields it does not know.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Self

from msgspec import Meta, Struct, field

Env = Mapping[str, str]

ProcessStatus = Literal["running", "exited", "signaled", "oom_killed"]
ManagedStatus = Literal["starting", "running", "backing_off", "stopped"]
HealthStatus = Literal["disabled", "starting", "healthy", "unhealthy"]
RestartPolicyWord = Literal["never", "on_failure", "always"]

MAX_MILLIS = 10 * 365 * 24 * 3600 * 1000
"""The longest duration in a request, in milliseconds: ten years."""
Port = Annotated[int, Meta(ge=1, le=65535)]
SignalNumber = Annotated[int, Meta(ge=1, le=64)]
Millis = Annotated[int, Meta(ge=0, le=MAX_MILLIS)]
PositiveMillis = Annotated[int, Meta(ge=1, le=MAX_MILLIS)]
Seconds = Annotated[int, Meta(ge=0, le=MAX_MILLIS // 1000)]
Moment = Annotated[int, Meta(ge=0, le=2**53)]
"""Milliseconds since 1970."""
Count = Annotated[int, Meta(ge=0, le=2**31)]
StartKey = Annotated[str, Meta(min_length=1, max_length=64)]
StopReason = Annotated[str, Meta(max_length=200)]
PositiveCount = Annotated[int, Meta(ge=1, le=2**31)]


class Message(Struct, frozen=True):
    """Reading from and writing to JSON values, unknown fields ignored."""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Build the message from a decoded JSON object. Raises `TypeError` if a required field is missing."""
        return cls(**known_values(cls, body))

    def write(self) -> dict[str, Any]:
        """Return the message as a JSON value, every field present."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: _written(value) for name, value in values.items()}


_fields: dict[type[Message], frozenset[str]] = {}


def known_values(kind: type[Message], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a message that a decoded JSON object has; of our own host that is nearly always all."""
    known = _fields.get(kind)
    if known is None:
        known = _fields[kind] = frozenset(kind.__struct_fields__)
    if body.keys() <= known:
        return dict(body)
    return {key: value for key, value in body.items() if key in known}


def _written(value: Any) -> Any:
    if isinstance(value, Message):
        return value.write()
    if type(value) is list and value and isinstance(value[0], Message):
        return [message.write() for message in value]
    return value


def millis(value: str | float) -> int:
    """Read a moment as the contract's servers write it: s, ms or µs since 1970, told apart by size, or ISO text."""
    if isinstance(value, str):
        from datetime import UTC, datetime

        moment = datetime.fromisoformat(value)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    if 1e8 <= value < 1e11:
        return round(value * 1000)
    return round(value if value < 1e14 else value / 1000)


def set_millis(values: dict[str, Any], *names: str) -> None:
    """Bring those moments among the values, where they are given, to milliseconds (see `millis`)."""
    for name in names:
        value = values.get(name)
        # What our own host sends is as it should be, and comes by the thousand.
        if value is not None and not (type(value) is int and 10**11 <= value < 10**14):
            values[name] = millis(value)


class RestartConfig(Message, frozen=True, kw_only=True):
    """`restart` of a start request."""

    policy: RestartPolicyWord = "on_failure"
    max_restarts: Count | None = None
    initial_backoff_ms: Millis = 500
    max_backoff_ms: Millis = 30_000


class HealthCheckConfig(Message, frozen=True, kw_only=True):
    """`health_check` of a start request. `http` and `tcp` need a port, `exec` (ours) a command."""

    type: Literal["http", "tcp", "exec"]
    port: Port | None = None
    path: str | None = None
    command: list[str] | None = None
    """Ours: what is run as the process is; exit code 0 is a success."""
    initial_delay_ms: Millis = 5_000
    interval_ms: PositiveMillis = 1_000
    timeout_ms: PositiveMillis = 500
    failure_threshold: PositiveCount = 3


class StartRequest(Message, frozen=True, kw_only=True):
    """Body of `POST /processes`. A `name`, `restart` or `health_check` makes the process managed."""

    command: str
    args: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    working_dir: str | None = None
    user: str | dict[str, str | int] | None = None
    stdin_mode: Literal["closed", "pipe"] = "closed"
    stdout_mode: Literal["capture", "discard"] = "capture"
    stderr_mode: Literal["capture", "discard"] = "capture"
    name: str | None = None
    restart: RestartConfig | None = None
    health_check: HealthCheckConfig | None = None
    log: str | None = None
    """Ours: the log that the output goes to. Starts that name the same log continue it, and its run numbers."""
    stop_signal: SignalNumber = 15
    """Ours: what asks it to end."""
    stop_grace_ms: Millis = 10_000
    """Ours: how long it may take before it is killed."""
    stop_command: list[str] = field(default_factory=list)
    """Ours: what asks it to end instead of the signal, run as the process is."""
    success_exit_codes: list[int] = field(default_factory=list)
    """Ours: what counts as success besides 0; 128 + n stands for a death by signal n, too."""
    tty: bool = False
    """Ours: its output goes through a terminal; with `stdin_mode` `pipe` its input comes from there, too."""
    end_unwatched: bool = False
    """Ours: end it when nothing watches its output for a few seconds: its caller is gone."""
    key: StartKey | None = None
    """Ours: a start with the key of an earlier one is not made again, but answered with that one's process."""
    replaces: list[str] = field(default_factory=list)
    """Ours: managed names of live runs of the same process that this one may run beside, because it replaces them."""
    secrets: list[str] = field(default_factory=list)
    """Ours: names of variables whose values are secret. Clients that show the output of its runs mask them."""
    up_ms: Moment | None = None
    """Ours: when the `up` was given that its runs belong to."""
    life_ms: Moment | None = None
    """Ours: when the project came up that its runs belong to."""
    beside: str | None = None
    """Ours: the log of the process whose surroundings a one-off command has, so that lists can name it."""

    @property
    def managed(self) -> bool:
        """Whether a supervisor is asked for."""
        return self.name is not None or self.restart is not None or self.health_check is not None


class LastExit(Message, frozen=True, kw_only=True):
    """How the latest ended run of a managed process ended."""

    exit_code: int | None = None
    signal: SignalNumber | None = None
    oom_killed: bool = False
    ended_at: int
    oom_kills: int = 0
    """Ours: how many processes of its sandbox the kernel killed for want of memory during the run, as far as known."""

    def counts_as_success(self, codes: Collection[int]) -> bool:
        """Return whether it is exit code 0 or among `codes`, where 128 + n stands for a death by signal n, too."""
        if self.signal is not None:
            return 128 + self.signal in codes
        return self.exit_code == 0 or self.exit_code in codes

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read it; `ended_at` may be in either form of the contract."""
        return super().read({**body, "ended_at": millis(body["ended_at"])})


class ManagedInfo(Message, frozen=True, kw_only=True):
    """`managed` of a process: what its supervisor says."""

    id: str
    name: str | None = None
    status: ManagedStatus
    restart_count: int
    restart: RestartConfig
    health_check: HealthCheckConfig | None = None
    health_status: HealthStatus = "disabled"
    consecutive_health_failures: int = 0
    last_exit: LastExit | None = None
    last_error: str | None = None
    next_restart_at: int | None = None
    last_check: str | None = None
    """Ours: what the last failed health check saw."""
    stop_requested: bool = False
    """Ours: it was stopped on request and did not exit by itself."""
    replaced: bool | None = None
    """Ours: the request that stopped it said that a new run will follow; None of a daemon that does not tell."""
    left_behind: list[str] = field(default_factory=list)
    """Ours: what the latest ended run had put into the background and was killed, each as "pid command"."""
    stop_signal: SignalNumber | None = None
    stop_grace_ms: Millis | None = None
    stop_command: list[str] = field(default_factory=list)
    """Ours: how it is stopped, as its start said."""
    stop_output: str | None = None
    """Ours: the end of what the command that stopped the latest run has printed."""
    failed_runs: int | None = None
    """Ours: the number of runs in a row that ended without one stable second, or without having been healthy."""
    output_blocked: str | None = None
    """Ours: why its output cannot be written to its log now (the disk is full); it waits once its pipe is full."""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read it, ignoring keys that this version does not know."""
        values = known_values(cls, body)
        values["restart"] = RestartConfig.read(body.get("restart") or {})
        check, last = body.get("health_check"), body.get("last_exit")
        values["health_check"] = HealthCheckConfig.read(check) if check else None
        values["last_exit"] = LastExit.read(last) if last else None
        set_millis(values, "next_restart_at")
        return cls(**values)


class ProcessInfo(Message, frozen=True, kw_only=True):
    """One row of `GET /processes`."""

    pid: int
    handle: int | None = None
    status: ProcessStatus
    exit_code: int | None = None
    signal: SignalNumber | None = None
    oom_killed: bool = False
    oom_kills: int = 0
    """Ours: how many processes of its sandbox the kernel killed for want of memory during the run, as far as known."""
    stdin_writable: bool = False
    command: str
    args: list[str] = field(default_factory=list)
    started_at: int
    ended_at: int | None = None
    managed: ManagedInfo | None = None
    run: int | None = None
    """Ours: the number of the current or latest run in its log, from 1."""
    log: str | None = None
    """Ours: the name of its log."""
    beside: str | None = None
    """Ours: what its start said, see `StartRequest`."""
    end_unwatched: bool = False
    """Ours: what its start said: it ends with its caller."""
    stop_reason: str | None = None
    """Ours: why it was stopped, in the words of the client that stopped it."""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read it, ignoring keys that this version does not know."""
        values = known_values(cls, body)
        managed = body.get("managed")
        values["managed"] = ManagedInfo.read(managed) if managed else None
        if values.get("args", ()) is None:
            del values["args"]
        set_millis(values, "started_at", "ended_at")
        return cls(**values)


class FailedStart(Message, frozen=True, kw_only=True):
    """Ours: the latest start under a log's name that failed and left no row; `at` is milliseconds since 1970."""

    name: str
    log: str
    command: str
    args: list[str] = field(default_factory=list)
    working_dir: str | None = None
    error: str
    at: int


class ProcessUsage(Message, frozen=True, kw_only=True):
    """Ours: what a running process and all its descendants use. CPU time counts from their start."""

    name: str | None = None
    pid: int
    cpu_ms: int
    memory_bytes: int
    processes: int


class SandboxUsage(Message, frozen=True, kw_only=True):
    """Ours: what all processes of a sandbox use, `uptime_ms` after its machine was booted, and the machine's size."""

    uptime_ms: int
    cpus: int
    memory_bytes: int
    processes: list[ProcessUsage]

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read it with its processes."""
        return super().read({**body, "processes": [ProcessUsage.read(usage) for usage in body["processes"]]})


class StopCommand(Struct, frozen=True):
    """The command that asks a process to end, run the way the process is, with the environment under it."""

    request: StartRequest
    base: Env
