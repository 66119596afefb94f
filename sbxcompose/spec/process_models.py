"""One process of the file as frozen pydantic models: each key with its type, its default and what it means.

They refuse what they do not know. Short forms are expanded while reading, so that the rest of the program
sees one form; the JSON schema and `docs/spec.md` are made from here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sbxcompose.spec.base_models import Profiles, Strict, WithEnvironment
from sbxcompose.spec.fields import (
    AS_NUMBER,
    AlsoAs,
    Boolean,
    Command,
    Duration,
    NonEmpty,
    Pattern,
    Port,
    PositiveDuration,
    Signal,
    User,
    choice,
    keyed,
    wrong,
)
from sbxcompose.spec.units import parse_duration


def _after(default: str, description: str) -> Any:
    """A field for a duration with a default as people write it."""
    return Field(parse_duration(default), description=description, json_schema_extra={"default": default})


POLICIES = ["never", "on_failure", "always"]
_OTHER_POLICIES = {
    "no": "never",
    "false": "never",
    "on_failure": "on_failure",
    "onfailure": "on_failure",
    "failure": "on_failure",
    "exit_on_failure": "on_failure",
    "unless_stopped": "always",
    "yes": "always",
    "true": "always",
    "any": "always",
}


def _policy_word(value: Any) -> Any:
    """`true` and `false` read like an answer to "restart?", and so does Compose's `no`."""
    return str(value).lower() if isinstance(value, bool) else value


Policy = Annotated[
    Literal["never", "on_failure", "always"],
    choice(POLICIES, _OTHER_POLICIES),
    BeforeValidator(_policy_word),
]


class RestartModel(Strict):
    """When the sandbox's supervisor starts an ended process again, and how long it waits before."""

    policy: Policy = Field(
        "on_failure",
        description="`never`; `on_failure`: after an exit code other than 0, a signal, or failed health "
        "checks; `always`.",
    )
    max_restarts: Annotated[int, Field(ge=0), AS_NUMBER] | None = Field(
        None, description="Maximum number of restarts. Default: no limit."
    )
    initial_backoff: Duration = _after("500ms", "The wait before the first restart; it doubles with each one.")
    max_backoff: Duration = _after("30s", "The longest wait.")

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.max_backoff < self.initial_backoff and "max_backoff" in self.model_fields_set:
            raise wrong("`max_backoff` is shorter than `initial_backoff`", at=("max_backoff",))
        return self


class HttpModel(Strict):
    """An HTTP request to the process."""

    port: Port = Field(description="The port on which the process listens.")
    path: Annotated[str, Field(pattern="^/")] = Field(
        "/",
        description="What is asked for. A status from 200 to 399 is a success; redirects are not followed.",
    )


class HealthCheckModel(Strict):
    """A check made from inside the sandbox: either `http` or `tcp`."""

    http: (
        Annotated[HttpModel, keyed("port", int, str), AlsoAs({"type": "integer", "minimum": 1, "maximum": 65535})]
        | None
    ) = Field(None, description="Ask for a page: a port, or `{port, path}`.")
    tcp: Port | None = Field(None, description="Connect to this port.")
    initial_delay: Duration = _after("5s", "A failure within this time after a start does not count; a success does.")
    interval: PositiveDuration = _after(
        "1s", "The time from one check to the next. Until something answers, checks are made more often."
    )
    timeout: PositiveDuration = _after("500ms", "How long an answer may take.")
    failure_threshold: Annotated[int, Field(ge=1), AS_NUMBER] = Field(
        3,
        description="Consecutive failures after which the process is unhealthy and its `restart` policy applies.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.http is None) == (self.tcp is None):
            both = self.http is not None
            raise wrong(
                "a health check has `http` or `tcp`, not both" if both else "a health check needs `http` or `tcp`"
            )
        return self


class ReadyModel(Strict):
    """When a process is ready: either `log` or `exec`."""

    log: Pattern | None = Field(
        None,
        description="A regular expression: ready once a line of output of the current run matches. Each line is "
        "matched by itself (`^` and `$` are its ends), without colours and other control sequences.",
    )
    exec: Command | None = Field(None, description="A command, run inside the sandbox: ready once it exits with 0.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.log is None) == (self.exec is None):
            both = self.log is not None
            raise wrong("`ready_when` has `log` or `exec`, not both" if both else "`ready_when` needs `log` or `exec`")
        return self


CONDITIONS = ["started", "ready", "completed"]
_OTHER_CONDITIONS = {
    "service_started": "started",
    "service_healthy": "ready",
    "service_completed_successfully": "completed",
    "process_started": "started",
    "process_healthy": "ready",
    "process_log_ready": "ready",
    "process_completed": "completed",
    "process_completed_successfully": "completed",
    "healthy": "ready",
    "running": "started",
    "success": "completed",
    "done": "completed",
}
ConditionWord = Annotated[Literal["started", "ready", "completed"], choice(CONDITIONS, _OTHER_CONDITIONS)]


class DependencyModel(Strict):
    """What must be so before the process is started."""

    condition: ConditionWord = Field(
        "ready",
        description="`started`; `ready`: its `ready_when`, or else its health check, or else running; "
        "`completed`: it ended with exit code 0.",
    )
    restart: Boolean = Field(False, description="Restart this process when the other one is restarted by us.")


def _dependencies(value: Any) -> Any:
    if isinstance(value, str):
        return {value: {}}
    if not isinstance(value, tuple):
        return value
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise wrong("an entry must be the name of a process", at=(index,))
        if item in value[:index][-100:]:
            raise wrong(f"`{item}` is listed twice", at=(index,))
    return {name: {} for name in value}


def _dependency(value: Any) -> Any:
    if value is None:
        return {}
    return {"condition": value} if isinstance(value, str) else value


_Need = Annotated[DependencyModel, BeforeValidator(_dependency), AlsoAs({"enum": list(CONDITIONS)}, {"type": "null"})]
Dependencies = Annotated[
    dict[str, _Need],
    BeforeValidator(_dependencies),
    AlsoAs({"type": "string"}, {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
]


class StopModel(Strict):
    """How a process is asked to end."""

    signal: Signal = Field(15, description="The signal that asks it to end.", json_schema_extra={"default": "SIGTERM"})
    grace: Duration = _after("10s", "What has not ended by then is killed, with all that it started.")


class WatchModel(Strict):
    """Files whose change concerns the process."""

    path: NonEmpty = Field(description="A file or a folder, relative to the project directory.")
    action: Annotated[
        Literal["restart", "sync", "sync+restart", "signal", "run"] | None,
        choice(
            ["restart", "sync", "sync+restart", "signal", "run"],
            {"rebuild": "restart", "exec": "run", "sync+exec": "run"},
        ),
    ] = Field(
        None,
        description="What a change does: `restart` (the default), `sync` (copy only), `sync+restart`, "
        "`signal` "
        "(the default when `signal` is given), `run` (the default when `run` is given).",
    )
    ignore: tuple[str, ...] = Field((), description="Patterns, as in `.gitignore`, of paths that do not count.")
    signal: Signal | None = Field(None, description="The signal for the action `signal`.")
    run: Command | None = Field(
        None, description="The command for the action `run`, run in the sandbox; then the process is restarted."
    )
    debounce: Duration = _after(
        "50ms", "How long it must have been quiet before a change counts: one save, one restart."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for word in ("signal", "run"):
            given = getattr(self, word) is not None
            if self.action == word and not given:
                raise wrong(f"the action `{word}` needs the key `{word}`")
            if given and self.action not in (None, word):
                raise wrong(f"`{word}` is for the action `{word}`, not for `{self.action}`", at=(word,))
        if self.signal is not None and self.run is not None:
            raise wrong("a rule has `signal` or `run`, not both", "write two rules")
        return self


class ProcessModel(WithEnvironment):
    """One entry under `processes`."""

    command: Command = Field(
        description="What runs: a list is taken as it is, a text goes through `sh -c`. A dollar sign for the "
        "shell is written `$$`."
    )
    extends: NonEmpty | None = Field(
        None,
        description="Another process over which this one is laid, key by key, as a file over one that it includes. "
        "Write `sandbox/process` for one in another sandbox.",
    )
    user: User | None = Field(
        None,
        description="Who runs it: `name`, `uid`, `uid:gid` or `name:group`. Without it, the sandbox's user.",
    )
    workdir: NonEmpty | None = Field(
        None, description="Where it runs, relative to the sandbox's `workspace`. Without it, the workspace."
    )
    stdin: Literal["closed", "pipe"] = Field(
        "closed", description="`closed`: its input is empty; `pipe`: it is held open, for `attach`."
    )
    replicas: Annotated[int, Field(ge=0, le=9999), AS_NUMBER] = Field(
        1, description="How many run side by side; `--scale` says otherwise."
    )
    restart: Annotated[RestartModel, keyed("policy", str, bool), AlsoAs({"enum": list(POLICIES)})] = Field(
        RestartModel(),
        description="When it is started again: a word, or a mapping.",
        json_schema_extra={"default": "on_failure"},
    )
    health_check: HealthCheckModel | None = Field(
        None, description="How the sandbox's supervisor sees whether it is well."
    )
    ready_when: ReadyModel | None = Field(
        None,
        description="When it is ready, if that is not when its health check succeeds (or, without a check, when it "
        "runs).",
    )
    depends_on: Dependencies = Field(
        {},
        description="What must be so first: a list of names (they must be ready), or a mapping from "
        "names to `started`, "
        "`ready`, `completed` or `{condition, restart}`. Write `sandbox/process` for one in another sandbox.",
    )
    restart_dependents: Boolean = Field(
        False, description="When we restart this process, restart those that depend on it, too."
    )
    stop: StopModel = Field(StopModel(), description="How it is asked to end.", json_schema_extra={"default": {}})
    watch: tuple[Annotated[WatchModel, keyed("path", str), AlsoAs({"type": "string", "minLength": 1})], ...] = Field(
        (), description="Files whose change restarts it, or does something else; a path, or a mapping."
    )
    profiles: Profiles = Field(
        (),
        description="It is wanted only if one of these is active (`--profile`, `SBXCOMPOSE_PROFILES`); "
        "without "
        "the key it always is.",
    )
    update: Literal["stop-first", "start-first"] = Field(
        "stop-first",
        description="How a running process is replaced by its new definition; `start-first` waits until "
        "the new "
        "one is ready before it stops the old one.",
    )
