"""What is wanted: a project after reading, merging, interpolation and validation.

Plain frozen structs without pydantic, because every command needs them and start-up time is a feature.
All durations are seconds, all sizes bytes. `spec.load` makes them; `plan` compares them with what is
observed.
"""

# No `from __future__ import annotations`: to compile annotations from text when the cache's decoder is made
# takes 2 ms of every command.
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from msgspec import Meta, field, structs

from sbxcompose.errors import InvalidSpec
from sbxcompose.spec.machine import Files, FileSystem, Mount, Network, PortConnection, Resources
from sbxcompose.spec.part import ProjectPart
from sbxcompose.spec.unresolved_part import Unresolved

Pairs = tuple[tuple[str, str], ...]
"""An environment as sorted (name, value) pairs, so that it is hashable and its order carries no meaning."""


ProviderName = Literal["local", "tensorlake"]
"""Where sandboxes live: on this machine, or in the cloud."""


CONNECTORS = "@connect"
"""The sandbox of the processes that carry the connections of `connect`, and the beginning of their names."""


class Condition(StrEnum):
    """What a dependent waits for; completes "web waits until db is …"."""

    STARTED = "started"
    READY = "ready"
    COMPLETED = "completed"
    ENDED = "ended"


class RestartPolicy(StrEnum):
    """When a supervisor starts an ended process again (contract, section 3.4)."""

    NEVER = "never"
    ON_FAILURE = "on_failure"
    ALWAYS = "always"


class Restart(ProjectPart, frozen=True):
    """A restart policy with its backoff; defaults are the contract's."""

    policy: RestartPolicy = RestartPolicy.ON_FAILURE
    max_restarts: int | None = None
    initial_backoff: float = 0.5
    max_backoff: float = 30.0


class HealthCheck(ProjectPart, frozen=True):
    """A check that the sandbox's supervisor makes from inside; defaults are the contract's.

    `exec` runs `command` and has no port (0).
    """

    kind: Literal["http", "tcp", "exec"]
    port: int
    path: str = "/"
    initial_delay: float = 5.0
    interval: float = 1.0
    timeout: float = 0.5
    failure_threshold: int = 3
    command: tuple[str, ...] = ()


class ReadyLine(ProjectPart, frozen=True, tag=True):
    """Ready once a line of output of the current run matches the regular expression `pattern`."""

    pattern: str


class ReadyCommand(ProjectPart, frozen=True, tag=True):
    """Ready once the command, run inside the sandbox, exits with 0."""

    command: tuple[str, ...]


class Dependency(ProjectPart, frozen=True):
    """`sandbox`/`process` must have reached `condition` first.

    `restart`: a restart of the needed process restarts the dependent too. Not `required`: it counts only where the
    needed process is wanted anyway.
    """

    sandbox: str
    process: str
    condition: Condition = Condition.READY
    restart: bool = False
    required: bool = True

    @property
    def address(self) -> str:
        """That of the needed process."""
        return f"{self.sandbox}/{self.process}"


class StopPolicy(ProjectPart, frozen=True):
    """How a process is asked to end; after `grace` seconds what is left is killed. `signal` is a number.

    A `command` is run instead, and the signal sent only if that fails.
    """

    signal: int = 15
    grace: float = 10.0
    command: tuple[str, ...] = ()


DEBOUNCE = 0.05


class WatchRule(ProjectPart, frozen=True):
    """Paths whose change restarts (or otherwise tells) the process.

    `path` is absolute or relative to the project directory; `ignore` are patterns as in `.gitignore`, relative to it;
    a change counts after `debounce` seconds without another.
    """

    path: str
    action: str = "restart"
    ignore: tuple[str, ...] = ()
    signal: int | None = None
    run: tuple[str, ...] = ()
    debounce: float = DEBOUNCE


class Process(ProjectPart, frozen=True):
    """One entry under `processes:`, fully resolved.

    `command` is the argument vector (a string in the file has become `("sh", "-c", text)`). `env` is the
    spec's own part: sandbox `env_file`, sandbox `env`, process `env_file`, process `env`, later ones
    winning. `workdir` is absolute or relative to the workspace, "" being the workspace itself.
    `inherit_env`: True (all of the caller's environment), False (none) or the names to take; only the
    provider `local` uses it. `secrets` are the names of variables whose values are masked wherever we
    print. `digest` is 8 hex digits. A key with a `Meta` is defined here alone, see `spec.keys`; it
    has the same form in `StartRequest`, if that has a field of its name.
    """

    sandbox: str
    name: str
    command: tuple[str, ...]
    digest: str
    env: Pairs = ()
    user: str | None = None
    workdir: str = ""
    stdin: Literal["closed", "pipe"] = "closed"
    restart: Restart = Restart()
    health_check: HealthCheck | None = None
    ready_when: ReadyLine | ReadyCommand | None = None
    depends_on: tuple[Dependency, ...] = ()
    stop: StopPolicy = StopPolicy()
    replicas: int = 1
    replica_env: tuple[Pairs, ...] = ()
    """Variables that differ from replica to replica (a Procfile's PORT): entry 0 is for replica 1."""
    update: Literal["stop-first", "start-first"] = "stop-first"
    inherit_env: bool | tuple[str, ...] = True
    secrets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    watch: tuple[WatchRule, ...] = ()
    description: str | None = None
    port: int | None = None
    """The port of replica 1; `replica_env` has PORT for each."""
    autostart: bool = True
    stop_all_on: Literal["exit", "failure"] | None = None
    tty: Annotated[
        bool,
        Meta(
            description="Connect output to a terminal (colours, line buffering); with `stdin: pipe` input as well. "
            "At the provider `tensorlake` this needs the program `script` in the sandbox.",
            extra={"new_run": True},
        ),
    ] = False
    success_exit_codes: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=255)], ...],
        Meta(
            description="Exit codes that count as success besides 0; 128 + n also stands for a death by signal n. "
            "The supervisor of the provider `tensorlake` still restarts after them.",
            extra={"new_run": True},
        ),
    ] = ()
    labels: Annotated[
        Pairs,
        Meta(
            description="Names and values for programs that read `ps --json` or use the Python API. A change restarts "
            "nothing."
        ),
    ] = ()

    @property
    def address(self) -> str:
        """`sandbox/process`, unique in the project."""
        return f"{self.sandbox}/{self.name}"

    @property
    def is_connector(self) -> bool:
        """Whether it carries connections between sandboxes, see `spec.connectors`."""
        return self.sandbox == CONNECTORS

    @property
    def is_setup(self) -> bool:
        """Whether it is a command of `setup`, see `Sandbox`."""
        return self.name.startswith("@setup")

    def port_of(self, replica: int) -> int | None:
        """Return the own port of a replica."""
        return None if self.port is None else self.port + replica - 1

    def check_of(self, replica: int) -> HealthCheck | None:
        """Return the health check of a replica: one of the process's own port asks the replica's own."""
        check, port = self.health_check, self.port_of(replica)
        if check is None or port is None or check.port != self.port:
            return check
        return structs.replace(check, port=port)


class Sandbox(ProjectPart, frozen=True):
    """One entry under `sandboxes:`. `full_name` is the name at the provider; `timeout` is seconds (0:
    none).

    A `setup` command has become a process named `@setup1`, `@setup2`, … in `processes` that the sandbox's
    other processes need completed, so that the plan knows a single kind of work.
    """

    name: str
    full_name: str
    processes: tuple[Process, ...]
    workspace: str = "/workspace"
    image: str | None = None
    snapshot: str | None = None
    resources: Resources | None = None
    timeout: int | None = None
    network: Network | None = None
    ports: tuple[int, ...] = ()
    file_systems: tuple[FileSystem, ...] = ()
    files: tuple[Files, ...] = ()
    setup_cache: Literal["none", "snapshot"] = "none"
    copied: bool = False
    """Whether the sandbox has a workspace of its own on this machine too, into which `files` are copied."""
    isolation: Literal["none", "overlay"] = "none"
    mounts: tuple[Mount, ...] = ()
    provider: ProviderName | None = None
    """Where it lives, if elsewhere than its project; see `Project.provider_of`."""
    connect: tuple[PortConnection, ...] = ()


class Project(ProjectPart, frozen=True, dict=True):
    """A whole project, ready to be compared with what runs.

    `directory` is the absolute path of the project; `files` are the files read, in order. `disabled` holds
    the addresses of processes whose profiles are not active, or that start only when asked for (`autostart: false`
    and nothing wanted needs them): known, but not wanted. Processes are in file order.
    """

    name: str
    directory: str
    provider: ProviderName
    sandboxes: tuple[Sandbox, ...]
    files: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    inactive: tuple[Process, ...] = field(default=())
    """The processes that `disabled` names, so that they can be started by name."""
    unresolved: tuple[Unresolved, ...] = ()
    """What some of the processes need and this machine does not have; see `check_resolved`."""
    one_off: Process | None = None
    """For a Procfile: what `run COMMAND` runs, with that command in place of its own. It is none of the processes."""
    unknown_profiles: tuple[str, ...] = ()
    """Profiles of `SBXCOMPOSE_PROFILES` that no process has."""

    def provider_of(self, sandbox: "Sandbox | str") -> ProviderName:
        """Return where a sandbox lives, given it or (which takes longer) its name."""
        own = sandbox if isinstance(sandbox, Sandbox) else self.sandbox(sandbox)
        return (own.provider if own is not None else None) or self.provider

    def processes(self) -> Iterator[Process]:
        """Yield all wanted processes, in file order."""
        for sandbox in self.sandboxes:
            yield from sandbox.processes

    def every_process(self) -> Iterator[Process]:
        """Yield all processes that the file defines, those of inactive profiles last."""
        yield from self.processes()
        yield from self.inactive

    def needs_of(self, process: Process) -> Iterator[Dependency]:
        """Return what a process waits for: what it requires, and what else is wanted."""
        return (need for need in process.depends_on if need.required or need.address not in self.disabled)

    def check_resolved(self, processes: Iterable[tuple[str, str]]) -> None:
        """Raise `InvalidSpec` with what one of these processes (sandbox, name) needs and could not be resolved."""
        wanted = tuple(processes) if self.unresolved else ()
        mistakes = [value.mistake for value in self.unresolved if any(value.concerns(*address) for address in wanted)]
        if mistakes:
            raise InvalidSpec(mistakes)

    def apart(self) -> frozenset[str]:
        """Return the sandboxes that have a network of their own on this machine."""
        return frozenset(
            sandbox.name for sandbox in self.sandboxes if sandbox.network is not None and sandbox.network.restrictive
        )

    def successes(self, sandbox: str) -> dict[str, tuple[int, ...]]:
        """Return the exit codes that count as success besides 0, by the processes of a sandbox that have some."""
        return self._successes.get(sandbox, {})

    def sandbox(self, name: str) -> Sandbox | None:
        """Return the sandbox of that name."""
        return self._sandboxes.get(name)

    def sandbox_of(self, process: Process) -> Sandbox:
        """Return the sandbox that a process is in."""
        return self._sandboxes[process.sandbox]

    def process(self, sandbox: str, name: str) -> Process | None:
        """Return the process of that name in that sandbox, whether or not its profile is active."""
        return self._processes.get((sandbox, name))

    # Made when first asked for: to look through everything for each process takes a thousand times as long for a
    # thousand of them.

    @cached_property
    def _sandboxes(self) -> dict[str, Sandbox]:
        return {sandbox.name: sandbox for sandbox in self.sandboxes}

    @cached_property
    def _processes(self) -> dict[tuple[str, str], Process]:
        return {(process.sandbox, process.name): process for process in self.every_process()}

    @cached_property
    def _successes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        found: dict[str, dict[str, tuple[int, ...]]] = {}
        for process in self.every_process():
            if process.success_exit_codes:
                found.setdefault(process.sandbox, {})[process.name] = process.success_exit_codes
        return found
