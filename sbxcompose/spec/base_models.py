"""What the models of the file share: strictness, and what can be said about variables at each level."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from sbxcompose.spec.fields import (
    AlsoInSchema,
    Boolean,
    Environment,
    ExtraForms,
    Name,
    NonEmpty,
    keyed,
    one_or_many,
    variable_problem,
    wrong,
)
from sbxcompose.spec.schema_patterns import VARIABLE, VARIABLE_NAME
from sbxcompose.spec.units import parse_duration


def duration_field(default: str, description: str) -> Any:
    """Return a field for a duration with a default as people write it."""
    return Field(parse_duration(default), description=description, json_schema_extra={"default": default})


class Strict(BaseModel):
    """A model that refuses unknown keys and guesses no types. A known key without a value counts as not given."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: Any) -> Any:
        if type(values) is not dict or None not in values.values():
            return values
        known = {info.alias or name for name, info in cls.model_fields.items()}
        return {key: value for key, value in values.items() if value is not None or key not in known}


class EnvFileModel(Strict):
    """A file of variables."""

    path: NonEmpty = Field(description="File, relative to the file that names it.")
    required: Boolean = Field(True, description="Whether a missing file is an error.")


EnvFiles = Annotated[
    tuple[Annotated[EnvFileModel, keyed("path", str), ExtraForms({"type": "string", "minLength": 1})], ...],
    BeforeValidator(one_or_many),
    ExtraForms({"type": "string", "minLength": 1}),
]


def _inherit(value: Any) -> Any:
    value = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
    if not isinstance(value, bool | tuple):
        raise wrong("it must be true, false or a list of names")
    for index, item in enumerate(value if isinstance(value, tuple) else ()):
        if not isinstance(item, str) or not item or "=" in item:
            raise wrong("an entry must be the name of a variable", at=(index,))
    return value


InheritEnv = Annotated[bool | tuple[Annotated[str, AlsoInSchema(pattern=VARIABLE)], ...], BeforeValidator(_inherit)]


def _variable_name(value: str) -> str:
    problem = variable_problem(value)
    if problem is not None:
        raise wrong(problem, "list names, such as `API_TOKEN`")
    return value


SecretNames = tuple[Annotated[str, AfterValidator(_variable_name), AlsoInSchema(pattern=VARIABLE_NAME)], ...]
Profiles = tuple[Name, ...]


class WithEnvironment(Strict):
    """What a file, a sandbox and a process all can say about variables; the narrower one wins."""

    env: Environment = Field(
        {},
        description=(
            "Variables: a mapping, or a list of `NAME=value`. A name without a value takes "
            "its value from the environment."
        ),
    )
    env_file: EnvFiles = Field(
        (),
        description=(
            "Variable files, in order; `env` of the same level takes precedence. A path, "
            "`{path, required}`, or a list of these."
        ),
    )
    inherit_env: InheritEnv | None = Field(
        None,
        description=(
            "Variables that a process inherits from the environment of the command, at the "
            "provider `local`: `true` (all, the default), `false` (none) or a list of "
            "names."
        ),
    )
    secrets: SecretNames = Field(
        (),
        description="Names of variables whose values are masked in all output.",
        examples=[["API_TOKEN"]],
    )
