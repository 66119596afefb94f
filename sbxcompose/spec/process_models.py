"""One process of the file as frozen pydantic models: each key with its type, its default and what it means.

They refuse what they do not know. Short forms are expanded while reading, so that the rest of the program
sees one form; the JSON schema and `docs/spec.md` are made from here.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sbxcompose.spec.base_models import Profiles, Strict, WithEnvironment, duration_field
from sbxcompose.spec.check_models import HealthCheckOf, ReadyModel
from sbxcompose.spec.fields import (
    AS_NUMBER,
    AlsoAs,
    Boolean,
    Command,
    Duration,
    NonEmpty,
    OneLine,
    Port,
    Signal,
    User,
    choice,
    keyed,
    wrong,
)
from sbxcompose.spec.need_models import Dependencies

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
    """`true` and `false` read like an answer to "restart?", and so does Compose's `no`."""
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
    initial_backoff: Duration = duration_field("500ms", "The wait before the first restart; it doubles with each one.")
    max_backoff: Duration = duration_field("30s", "The longest wait.")

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
        description="A command that makes it end, run as the process is run, instead of the signal; the variable "
        "`SBXCOMPOSE_PID` is its process id. The signal follows if the command fails.",
    )
    signal: Signal = Field(15, description="The signal that asks it to end.", json_schema_extra={"default": "SIGTERM"})
    grace: Duration = duration_field("10s", "What has not ended by then is killed, with all that it started.")


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
    debounce: Duration = duration_field(
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

    description: OneLine | None = Field(None, description="One-line description, shown by `ps -l` and `why`.")
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
    tty: Boolean = Field(
        False,
        description="Give it a terminal for its output (colours, line buffering); with `stdin: pipe` for its input as "
        "well. At the provider `tensorlake` this needs the program `script` in the sandbox.",
    )
    port: Port | None = Field(
        None,
        description="The port it listens on. Sets `PORT` (replica 2 gets the next port, and so on) and is the default "
        "port of the `health_check`. It must be free before the start.",
    )
    replicas: Annotated[int, Field(ge=0, le=9999), AS_NUMBER] = Field(
        1, description="How many run side by side; `--scale` says otherwise."
    )
    restart: Annotated[RestartModel, keyed("policy", str, bool), AlsoAs({"enum": list(POLICIES)})] = Field(
        RestartModel(),
        description="When it is started again: a word, or a mapping.",
        json_schema_extra={"default": "on_failure"},
    )
    success_exit_codes: tuple[Annotated[int, Field(ge=0, le=255), AS_NUMBER], ...] = Field(
        (),
        description="Exit codes that count as success besides 0; 128 + n stands for a death by signal n as well. The "
        "supervisor of the provider `tensorlake` still restarts after them.",
    )
    health_check: HealthCheckOf | None = Field(
        None,
        description="How the sandbox's supervisor sees whether it is well: a mapping, or `http` or `tcp` alone for a "
        "check of its `port`.",
    )
    ready_when: ReadyModel | None = Field(
        None,
        description="When it is ready, if that is not when its health check succeeds (or, without a check, when it "
        "runs).",
    )
    depends_on: Dependencies = Field(
        {},
        description="What must be so first: a list of names (they must be ready), or a mapping of names to `started`, "
        "`ready`, `completed`, `ended` or `{condition, restart, required}`. Write `sandbox/process` for one in another "
        "sandbox.",
    )
    restart_dependents: Boolean = Field(
        False, description="When we restart this process, restart those that depend on it, too."
    )
    autostart: Boolean = Field(
        True,
        description="With `false`, start it only when it is named on the command line or another process needs it.",
    )
    stop_all_on: Literal["exit", "failure"] | None = Field(
        None,
        description="Stop everything when this process exits (`exit`) or fails (`failure`), and exit with its code. "
        "Applies to an attached `up`. `restart` then defaults to `never`.",
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
