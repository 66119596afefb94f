"""How a process is seen to be well, and when it counts as ready: `health_check` and `ready_when`."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from sbxcompose.spec.base_models import Strict, duration_field
from sbxcompose.spec.command_field import Command
from sbxcompose.spec.fields import (
    AS_NUMBER,
    AlsoInSchema,
    ExtraForms,
    Port,
    RegexText,
    keyed,
    wrong,
)
from sbxcompose.spec.unit_fields import Duration, MeasurableDuration


def _page(value: str) -> str:
    if not value.startswith("/"):
        raise wrong(f"the path `{value}` must begin with `/`", f"did you mean `/{value}`?")
    return value


class HttpModel(Strict):
    """An HTTP request to the process."""

    port: Port | None = Field(None, description="Port that the process listens on. Default: its `port`.")
    path: Annotated[str, AfterValidator(_page), AlsoInSchema(pattern="^/")] = Field(
        "/",
        description=("Path to request. A status from 200 to 399 is a success; redirects are not followed."),
    )


def _own_port(value: Any) -> Any:
    """`http: true` asks the process's own port, `http: /up` asks it for that page."""
    if value is True or value == "true":
        return {}
    return {"path": value} if isinstance(value, str) and value.startswith("/") else value


def _true_or_port(value: Any, port: ValidatorFunctionWrapHandler) -> Any:
    """`tcp: true` asks the process's own port."""
    return True if value is True or value == "true" else port(value)


def _kind_alone(value: Any) -> Any:
    """`health_check: http` for `{http: true}`."""
    return {value: True} if value in ("http", "tcp") else value


class HealthCheckModel(Strict):
    """A check made from inside the sandbox: `http`, `tcp` or `exec`."""

    http: (
        Annotated[
            HttpModel,
            keyed("port", int, str),
            BeforeValidator(_own_port),
            ExtraForms(
                {"type": "integer", "minimum": 1, "maximum": 65535},
                {"type": "string", "pattern": "^/"},
                {"const": True},
            ),
        ]
        | None
    ) = Field(
        None, description=("HTTP request: a port, `{port, path}`, or a path or `true` for the process's own `port`.")
    )
    tcp: Annotated[Port, WrapValidator(_true_or_port), ExtraForms({"const": True})] | None = Field(
        None, description="TCP connection to this port; `true` means the process's own `port`."
    )
    exec: Command | None = Field(
        None,
        description=(
            "Command that runs like the process (user, variables, working directory); exit "
            "code 0 is a success. Only at the provider `local`."
        ),
    )
    initial_delay: Duration = duration_field("5s", "Time after a start in which failures do not count; a success does.")
    interval: MeasurableDuration = duration_field(
        "1s", "Time between checks. Until the first answer, checks are more frequent."
    )
    timeout: MeasurableDuration | None = Field(
        None, description="Longest time for an answer. Default: `500ms`, for `exec` `5s`."
    )
    failure_threshold: Annotated[int, Field(ge=1), AS_NUMBER] = Field(
        3,
        description="Consecutive failures after which the process is unhealthy and its `restart` policy applies.",
    )

    @property
    def needs_port(self) -> bool:
        """Whether it asks the process's own port."""
        return self.tcp is True or (self.http is not None and self.http.port is None)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in ("http", "tcp", "exec") if getattr(self, kind) is not None]
        if not given:
            raise wrong("a health check needs `http`, `tcp` or `exec`")
        if len(given) > 1:
            raise wrong(f"a health check has `{given[0]}` or `{given[1]}`, not both")
        return self


HealthCheckOf = Annotated[HealthCheckModel, BeforeValidator(_kind_alone), ExtraForms({"enum": ["http", "tcp"]})]


class ReadyModel(Strict):
    """When a process is ready: either `log` or `exec`."""

    log: RegexText | None = Field(
        None,
        description=(
            "Regular expression: ready once a line of output of the current run matches. "
            "Each line is matched by itself (`^` and `$` are its ends), without colours and"
            " other control sequences."
        ),
    )
    exec: Command | None = Field(None, description="Command that runs in the sandbox: ready once it exits with 0.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.log is None) == (self.exec is None):
            both = self.log is not None
            raise wrong("`ready_when` has `log` or `exec`, not both" if both else "`ready_when` needs `log` or `exec`")
        return self
