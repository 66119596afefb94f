"""What runs, and how it went: the world as the planner sees it, free of the wire's details."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property

from msgspec import Struct

from sbxcompose import signals
from sbxcompose.names import parse_name
from sbxcompose.plan.copies import ToCopy
from sbxcompose.spec.project import ProviderName


class Instance(Struct, frozen=True, order=True):
    """One replica of one process: the thing that is started and stopped. Replicas count from 1."""

    sandbox: str
    process: str
    replica: int = 1

    def to_json(self) -> dict[str, str | int]:
        """Return it for a program."""
        return {"sandbox": self.sandbox, "process": self.process, "replica": self.replica}


class Phase(StrEnum):
    """Where an observed row stands; completes "web is …"."""

    STARTING = "starting"
    """Runs, but its health check has not succeeded yet."""
    RUNNING = "running"
    """Runs; healthy if it has a health check."""
    UNHEALTHY = "unhealthy"
    """Runs, and its health check has failed too often."""
    BACKING_OFF = "backing off"
    """Crashed; its supervisor will start it again."""
    EXITED = "exited"
    """Ended by itself and will not be started again by its supervisor."""
    STOPPED = "stopped"
    """Stopped on request."""


LIVE = frozenset({Phase.STARTING, Phase.RUNNING, Phase.UNHEALTHY, Phase.BACKING_OFF})
"""The phases in which a supervisor holds the process: it must be stopped before its name is free."""


_OF_A_KILLED_CHILD = 128 + 9
"""The exit code of a shell whose command has died of SIGKILL."""


class Exit(Struct, frozen=True):
    """How a run ended: exactly one of `code` and `signal` is set, or neither if the end was not observed."""

    code: int | None = None
    signal: int | None = None
    oom_killed: bool = False
    at: float | None = None
    """Seconds since 1970."""
    accepted: bool = False
    """It is among the `success_exit_codes` of its process."""
    oom_kills: int = 0
    """How many processes of its sandbox the kernel killed for want of memory during the run, as far as known."""

    @property
    def success(self) -> bool:
        """Exit code 0, or one that counts as well."""
        return self.code == 0 or self.accepted

    @property
    def out_of_memory(self) -> bool:
        """It failed, and the kernel killed it or another process of its sandbox meanwhile."""
        return self.oom_killed or (self.oom_kills > 0 and not self.success)

    def __str__(self) -> str:
        if self.oom_killed:
            return "was killed: out of memory"
        if self.code == _OF_A_KILLED_CHILD and self.out_of_memory:
            return f"exited with code {self.code}: out of memory"
        if self.signal is not None:
            words = f"was killed by {signals.shown(self.signal)}"
        elif self.code is not None:
            words = f"exited with code {self.code}"
        else:
            return "ended; exit code unknown"
        return f"{words} after its sandbox ran out of memory" if self.out_of_memory else words


class ObservedRow(Struct, frozen=True):
    """One row of a sandbox's process list that was started by us (its managed name parses).

    `name` is the managed name as the server knows it; `started_at` and `next_restart_at` are seconds since
    1970; `run` counts the process's runs from 1. `last_error` is the supervisor's own words (spawn failure,
    gave up).
    """

    instance: Instance
    digest: str
    name: str
    phase: Phase
    pid: int | None = None
    exit: Exit | None = None
    """The end of the latest ended run, also while a later run is alive."""
    restarts: int = 0
    run: int = 1
    started_at: float | None = None
    next_restart_at: float | None = None
    has_health_check: bool = False
    health_failures: int = 0
    last_error: str | None = None
    last_check: str | None = None
    """What the last failed health check saw."""
    one_shot: bool = False
    """Its restart policy is `never`."""
    past: bool = False
    """It ended before the latest `down`: of what the project needs now, it has done nothing."""
    left_behind: tuple[str, ...] = ()
    """What the latest ended run had put into the background and was killed, each as "pid command"."""
    output_blocked: str | None = None
    """Why its output cannot be written to its log: it waits as soon as its pipe is full."""
    stop_output: str | None = None
    """The end of what the command that stopped its latest run has printed."""
    failed_runs: int = 0
    """How many runs in a row have ended without being good: without one stable second, or never healthy in it."""
    command: tuple[str, ...] = ()
    """What its runs execute: the argument vector that it was started with."""
    stopped_at: float | None = None
    """When it was seen to have been stopped, by our clock; None if it was found so."""
    replaced: bool | None = None
    """Whether the request that stopped it said that a new run will follow; None where its daemon does not tell."""

    @property
    def live(self) -> bool:
        """Whether a supervisor holds it."""
        return self.phase in LIVE

    @property
    def completed(self) -> bool:
        """A one-shot that did its work: ended by itself, with exit code 0."""
        return self.one_shot and self.ended_well

    @property
    def ended_well(self) -> bool:
        """Whether it ended by itself, with exit code 0, since the latest `down`."""
        return self.phase is Phase.EXITED and self.exit is not None and self.exit.success and not self.past


class StartFailure(Struct, frozen=True):
    """The latest start of an instance, which failed and so left no row. `at` is seconds since 1970."""

    instance: Instance
    digest: str
    command: tuple[str, ...]
    directory: str | None
    error: str
    at: float


class Foreign(Struct, frozen=True):
    """A row that was not started from the file: shown, never touched."""

    sandbox: str
    pid: int
    name: str | None
    command: tuple[str, ...]
    running: bool
    beside: Instance | None = None
    """The instance that it was run for by `run` or `exec`; None if it was started by something else."""
    attached: bool = False
    """Another command waits for its end, and ends it when it ends itself."""
    terminal: str | None = None
    """The id of the terminal session that it runs on; None if it is a row of the process list."""

    @property
    def one_off(self) -> bool:
        """Whether it is a command that `run` or `exec` has started, and runs."""
        return self.running and self.beside is not None


class SandboxState(StrEnum):
    """Where a sandbox stands; completes "app is …"."""

    MISSING = "missing"
    PENDING = "pending"
    RUNNING = "running"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class FullDisk(Struct, frozen=True):
    """A disk on which nearly nothing is left: that of a sandbox by its limit, or that of the machine below it.

    `read_only`: that of the sandbox cannot be written to at all, since that of the machine was full.
    """

    left: str
    of_machine: bool = False
    read_only: bool = False


class ObservedSandbox(Struct, frozen=True):
    """A sandbox as its provider reports it, with its rows (the newest last)."""

    name: str
    state: SandboxState
    rows: tuple[ObservedRow, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    failures: tuple[StartFailure, ...] = ()
    """The instances whose latest start failed."""
    differences: tuple[str, ...] = ()
    """The keys (`image`, `resources`, …) in which it differs from the file, so that only a new one would fit.
    """
    full_disk: FullDisk | None = None
    to_copy: ToCopy | None = None
    """What has changed of the files that are copied into it; None if nothing has, or if it was not checked."""
    setup_snapshot: str | None = None
    """The id of a snapshot in which its set-up is done, for a sandbox that has to be made."""
    updates: tuple[str, ...] = ()
    """The keys (`ports`, `network`) in which it differs from the file, and which it can be given as it is."""


class LeftSandbox(Struct, frozen=True):
    """A sandbox of the project that its file no longer has at that provider.

    `running` is how many processes run in it, None if that is unknown; `moved_to` is the provider at which the file has
    a sandbox of that name now.
    """

    name: str
    full_name: str
    provider: ProviderName
    running: int | None
    moved_to: ProviderName | None = None


class Observed(Struct, frozen=True, dict=True):
    """Everything that was asked for, by the sandbox's name in the file."""

    sandboxes: tuple[ObservedSandbox, ...] = ()
    left: tuple[LeftSandbox, ...] = ()
    """Where something of the project may still run, though its file does not have it there."""

    def failure(self, instance: Instance) -> StartFailure | None:
        """Return the latest start of an instance, if it failed."""
        return self._failures.get(instance)

    def sandbox(self, name: str) -> ObservedSandbox:
        """Return the sandbox of that name; `MISSING` if it was not seen."""
        return self._by_name.get(name) or ObservedSandbox(name, SandboxState.MISSING)

    @cached_property
    def _failures(self) -> dict[Instance, StartFailure]:
        return {failure.instance: failure for sandbox in self.sandboxes for failure in sandbox.failures}

    @cached_property
    def _by_name(self) -> dict[str, ObservedSandbox]:
        return {sandbox.name: sandbox for sandbox in self.sandboxes}


def managed_name(instance: Instance, digest: str, suffix: int = 0) -> str:
    """Return the name under which an instance is started: the inverse of `parse_name`."""
    replica = f".{instance.replica}" if instance.replica > 1 else ""
    return f"{instance.process}{replica}.{digest}" + (f".{suffix}" if suffix else "")


def next_name(name: str) -> str:
    """Return the next name for the same thing, for a server on which that of an ended row cannot be used again."""
    process, replica, digest, suffix = parse_name(name) or (name, 1, "", 0)
    return managed_name(Instance("", process, replica), digest, suffix + 1)
