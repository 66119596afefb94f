"""What must be so before a process is started: `depends_on`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from sbxcompose.spec.base_models import Strict
from sbxcompose.spec.fields import Boolean, ExtraForms, NonEmpty, choice, wrong

CONDITIONS = ["started", "ready", "completed", "ended"]
_OTHER_CONDITIONS = {
    "service_started": "started",
    "service_healthy": "ready",
    "service_completed_successfully": "completed",
    "process_started": "started",
    "process_healthy": "ready",
    "process_log_ready": "ready",
    "process_completed": "ended",
    "process_completed_successfully": "completed",
    "healthy": "ready",
    "running": "started",
    "success": "completed",
    "done": "completed",
    "exited": "ended",
    "finished": "ended",
}
ConditionWord = Annotated[Literal["started", "ready", "completed", "ended"], choice(CONDITIONS, _OTHER_CONDITIONS)]


class DependencyModel(Strict):
    """What must be so before the process is started."""

    condition: ConditionWord = Field(
        "ready",
        description=(
            "`started`; `ready`: its `ready_when`, or else its health check, or else "
            "running; `completed`: it exited with code 0; `ended`: it exited, with any "
            "code."
        ),
    )
    required: Boolean = Field(
        True,
        description=(
            "With `false`, wait for it only if it starts anyway: it may be in an inactive "
            "profile or have `autostart: false`."
        ),
    )
    restart: Boolean = Field(False, description="Restart this process when we restart the other one.")


def _dependencies(value: Any) -> Any:
    if isinstance(value, str):
        return {_named(value): {}}
    if not isinstance(value, tuple):
        return value
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise wrong("an entry must be the name of a process", _hint(item), at=(index,))
        _named(item, at=(index,))
        if item in value[:index][-100:]:
            raise wrong(f"`{item}` is listed twice", at=(index,))
    return {name: {} for name in value}


def _named(name: str, at: tuple[str | int, ...] = ()) -> str:
    if not name:
        raise wrong("the name of a process is empty", "write a name, such as `db`", at=at)
    return name


def _hint(entry: Any) -> str | None:
    """Return how an entry of the list is written that is not text."""
    if isinstance(entry, dict) and len(entry) == 1:
        return f"to say more of `{next(iter(entry))}`, write a mapping, without `- `: `depends_on: {{NAME: CONDITION}}`"
    if isinstance(entry, bool | int | float):
        return f'put quotes around it: "{str(entry).lower()}"'
    return None


def _dependency(value: Any) -> Any:
    if value is None:
        return {}
    return {"condition": value} if isinstance(value, str) else value


_Need = Annotated[
    DependencyModel, BeforeValidator(_dependency), ExtraForms({"enum": list(CONDITIONS)}, {"type": "null"})
]
Dependencies = Annotated[
    dict[NonEmpty, _Need],
    BeforeValidator(_dependencies),
    ExtraForms(
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True},
    ),
]
