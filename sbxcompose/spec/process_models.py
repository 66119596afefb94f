"""One process of the file as frozen pydantic models: each key with its type, its default and what it means.

They refuse what they do not know. Short forms are expanded while reading, so that the rest of the program
sees one form; the JSON schema and `docs/spec.md` are made from here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, create_model, model_validator

from sbxcompose.spec.base_models import Profiles, Strict, WithEnvironment, duration_field
from sbxcompose.spec.check_models import HealthCheckOf, ReadyModel
from sbxcompose.spec.command_field import Command
from sbxcompose.spec.fields import (
    AS_NUMBER,
    AlsoInSchema,
    Boolean,
    ExtraForms,
    NonEmpty,
    OneLine,
    Port,
    Signal,
    User,
    choice,
    keyed,
    wrong,
)
from sbxcompose.spec.key_models import model_fields
from sbxcompose.spec.need_models import Dependencies
from sbxcompose.spec.path_patterns import directory_of, is_pattern
from sbxcompose.spec.project import Process
from sbxcompose.spec.schema_patterns import NO_STAR
from sbxcompose.spec.unit_fields import Duration

POLICIES = ["never", "on_failure", "always"]
_OTHER_POLICIES = {
    "no": "never",
    "false": "never",
    "on_failure": "on_failure",
    "onfailure": "on_failure",
    "failure": "on_failure",
    "unless_stopped": "always",
    "yes": "always",
    "true": "always",
    "any": "always",
}


def _policy_word(value: Any) -> Any:
    """Explain `true`, `false` and Compose's `no`, which read like an answer to "restart?"."""
    counted = re.fullmatch(r"on[-_]failure:(\d{1,9})", value) if isinstance(value, str) else None
    if counted is not None:
        hint = f"write `restart: {{policy: on_failure, max_restarts: {counted[1]}}}`"
        raise wrong(f"`{value}` has a number, which has a key of its own", hint)
    if value == "exit_on_failure":
        raise wrong(f"`{value}` is not a restart policy here", "write `stop_all_on: failure` in the process")
    return str(value).lower() if isinstance(value, bool) else value


RestartPolicyName = Annotated[
    Literal["never", "on_failure", "always"],
    choice(POLICIES, _OTHER_POLICIES),
    BeforeValidator(_policy_word),
]


class RestartModel(Strict):
    """When the sandbox's supervisor starts an ended process again, and how long it waits before."""

    policy: RestartPolicyName = Field(
        "on_failure",
        description="`never`; `on_failure`: after an exit code other than 0, a signal, or failed health "
        "checks; `always`.",
    )
    max_restarts: Annotated[int, Field(ge=0), AS_NUMBER] | None = Field(
        None, description="Maximum number of restarts. Default: no limit."
    )
    initial_backoff: Duration = duration_field("500ms", "Wait before the first restart; doubles with each restart.")
    max_backoff: Duration = duration_field("30s", "Longest wait between restarts.")

    @property
    def tries_for_ever(self) -> bool:
        """Whether a failure is never final."""
        return self.policy != "never" and self.max_restarts is None

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.max_backoff < self.initial_backoff and "max_backoff" in self.model_fields_set:
            raise wrong("`max_backoff` is shorter than `initial_backoff`", at=("max_backoff",))
        return self


class StopModel(Strict):
    """How a process is asked to end."""

    command: Command | None = Field(
        None,
        description=(
            "Command that stops the process instead of the signal. Runs like the process; "
            "`SBXCOMPOSE_PID` is its process id. If it fails, the signal is sent."
        ),
    )
    signal: Signal = Field(
        15, description="Signal that asks the process to stop.", json_schema_extra={"default": "SIGTERM"}
    )
    grace: Duration = duration_field("10s", "Grace period, after which the process and all its descendants are killed.")


def _no_pattern(path: str) -> str:
    if not is_pattern(path):
        return path
    raise wrong(
        f"`{path}` is a pattern; `watch` takes files and directories",
        f"did you mean `{directory_of(path)}`? `ignore: [...]` takes patterns of what to leave out",
    )


class WatchModel(Strict):
    """Files whose change concerns the process."""

    path: Annotated[NonEmpty, AfterValidator(_no_pattern), AlsoInSchema(pattern=NO_STAR)] = Field(
        description="File or directory, relative to the project directory."
    )
    action: Annotated[
        Literal["restart", "sync", "sync+restart", "signal", "run"] | None,
        choice(
            ["restart", "sync", "sync+restart", "signal", "run"],
            {"rebuild": "restart", "exec": "run", "sync+exec": "run"},
        ),
    ] = Field(
        None,
        description=(
            "Action on a change: `restart` (the default), `sync` (copy only), "
            "`sync+restart`, `signal` (the default if `signal` is given), `run` (the "
            "default if `run` is given)."
        ),
    )
    ignore: tuple[str, ...] = Field((), description="Patterns of paths to ignore, as in `.gitignore`.")
    signal: Signal | None = Field(None, description="Signal for the action `signal`.")
    run: Command | None = Field(
        None, description=("Command for the action `run`. Runs in the sandbox, then the process is restarted.")
    )
    debounce: Duration = duration_field(
        "50ms", "Time without further changes before the action: one save, one restart."
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


class WrittenOutKeys(WithEnvironment):
    """The keys of a process that are defined here and not in `spec.project.Process`."""

    description: OneLine | None = Field(None, description="One-line description, shown by `ps -l` and `why`.")
    command: Command = Field(
        description=(
            "Command to run: a list runs as it is, a string runs in `sh -c`. Write `$$` for"
            " a dollar sign that the shell should see."
        )
    )
    extends: NonEmpty | None = Field(
        None,
        description=(
            "Process that this one extends: merged key by key, as a file over one that it "
            "includes. Write `sandbox/process` for a process of another sandbox."
        ),
    )
    user: User | None = Field(
        None,
        description=(
            "User who runs the process: `name`, `uid`, `uid:gid` or `name:group`. Default: the user of the sandbox."
        ),
    )
    workdir: NonEmpty | None = Field(
        None, description=("Working directory, relative to the sandbox's `workspace`. Default: the workspace.")
    )
    stdin: Literal["closed", "pipe"] = Field(
        "closed", description="Standard input: `closed` is empty, `pipe` stays open for `attach`."
    )
    port: Port | None = Field(
        None,
        description=(
            "Port that the process listens on. Sets `PORT` (replica 2 gets the next port, "
            "and so on) and is the default port of the `health_check`. It must be free "
            "before the start."
        ),
    )
    replicas: Annotated[int, Field(ge=0, le=9999), AS_NUMBER] = Field(
        1, description="Number of replicas; `--scale` overrides it."
    )
    restart: Annotated[RestartModel, keyed("policy", str, bool), ExtraForms({"enum": list(POLICIES)})] = Field(
        RestartModel(),
        description="Restart policy: a policy alone, or a mapping.",
        json_schema_extra={"default": "on_failure"},
    )
    health_check: HealthCheckOf | None = Field(
        None,
        description=(
            "How the supervisor checks that the process works: a mapping, or `http` or `tcp` alone to check its `port`."
        ),
    )
    ready_when: ReadyModel | None = Field(
        None,
        description=(
            "When the process is ready. Default: when its health check succeeds or, without one, when it runs."
        ),
    )
    depends_on: Dependencies = Field(
        {},
        description="Dependencies: a list of names (they must be ready), or a mapping of names to `started`, "
        "`ready`, `completed`, `ended` or `{condition, restart, required}`. Write `sandbox/process` for one in another "
        "sandbox.",
    )
    restart_dependents: Boolean = Field(False, description="When we restart this process, also restart its dependents.")
    autostart: Boolean = Field(
        True,
        description=("With `false`, start it only when it is named on the command line or another process needs it."),
    )
    stop_all_on: Literal["exit", "failure"] | None = Field(
        None,
        description="Stop everything when this process exits (`exit`) or fails (`failure`), and exit with its code. "
        "Applies to an attached `up`. `restart` then defaults to `never`.",
    )
    stop: StopModel = Field(StopModel(), description="How to stop the process.", json_schema_extra={"default": {}})
    watch: tuple[Annotated[WatchModel, keyed("path", str), ExtraForms({"type": "string", "pattern": NO_STAR})], ...] = (
        Field((), description=("Files whose change restarts the process, or has another effect; a path, or a mapping."))
    )
    profiles: Profiles = Field(
        (),
        description=("Profiles that enable the process (`--profile`, `SBXCOMPOSE_PROFILES`). Default: always enabled."),
    )
    update: Literal["stop-first", "start-first"] = Field(
        "stop-first",
        description=(
            "How a running process is replaced by its new definition; `start-first` stops "
            "the old run once the new one is ready."
        ),
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_port()
        if self.stop_all_on is not None and "restart" in self.model_fields_set:
            never_ends = self.restart.policy == "always"
            never_fails = self.stop_all_on == "failure" and self.restart.tries_for_ever
            if never_ends or never_fails:
                what = "never ends for good" if never_ends else "never fails for good"
                message = f"`stop_all_on: {self.stop_all_on}` has no effect: the process {what}, it is restarted"
                raise wrong(message, "use `restart: never`, or `restart: {max_restarts: 3}`", at=("stop_all_on",))
        return self

    def _check_port(self) -> None:
        variable = self.env.get("PORT")
        if self.port is not None and "PORT" in self.env and variable != str(self.port):
            raise wrong("`port` and `env` set different values of PORT", "keep `port` only", at=("port",))
        check = self.health_check
        if self.port is None and check is not None and check.needs_port:
            raise wrong(
                "the health check has no port", "give it one, or give the process a `port`", at=("health_check",)
            )


if TYPE_CHECKING:

    class ProcessModel(WrittenOutKeys):
        """One entry under `processes`."""

else:
    ProcessModel = create_model(
        "ProcessModel",
        __base__=WrittenOutKeys,
        __module__=__name__,
        __doc__="One entry under `processes`.",
        **model_fields(Process),
    )
