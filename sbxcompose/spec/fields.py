"""The kinds of value that the models are made of: each reads a short form and says what is wrong in human
words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from sbxcompose import signals
from sbxcompose.similar import did_you_mean
from sbxcompose.spec import schema_patterns

NAME_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
"""Processes and sandboxes, as they are typed."""
FULL_NAME_PATTERN = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
"""A sandbox's name at its provider, and so a project's (contract, section 2.7)."""


def wrong(
    message: str, hint: str | None = None, at: tuple[str | int, ...] = (), before: str | None = None
) -> PydanticCustomError:
    """Return the error that a validator raises; `at` leads from the value to the part that is wrong.

    `before` is the beginning of a text up to the character that is wrong.
    """
    context = {"message": message, "hint": hint, "at": at, "before": before}
    return PydanticCustomError("spec", "{message}", context)


class ExtraForms:
    """Further forms in the JSON schema, beside that of the model: what a `BeforeValidator` expands."""

    def __init__(self, *forms: JsonSchemaValue) -> None:
        self._forms = forms

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [*self._forms, handler(core)]}


class SingleOrList:
    """In the JSON schema of a list, a single item of it, too."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        listed = handler(core)
        item = listed["items"]
        return {"anyOf": [*(item.get("anyOf") or [item]), listed]}


class AlsoInSchema:
    """Keywords of the JSON schema for what a validator checks besides the type."""

    def __init__(self, **keywords: Any) -> None:
        self._keywords = keywords

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), **self._keywords}


TEXT_ITEMS: JsonSchemaValue = {"type": ["string", "number", "boolean"]}
"""Where text is wanted, a number or a boolean counts as it is written."""


def _number(value: Any) -> Any:
    """`"3"`: a number in quotes, which is what `"${REPLICAS}"` becomes."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value, re.ASCII) else value


AS_NUMBER = BeforeValidator(_number)
"""Stands behind the bounds of a number, because the JSON schema only shows what comes before it."""
Port = Annotated[int, Field(ge=1, le=65535), AS_NUMBER]


def _fraction(value: Any) -> Any:
    return (
        float(value) if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}(\.\d{1,9})?", value, re.ASCII) else value
    )


AS_FRACTION = BeforeValidator(_fraction)
"""The same for a number that need not be whole."""


def _boolean(value: Any) -> Any:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


Boolean = Annotated[bool, BeforeValidator(_boolean)]


def _environment(value: Any) -> Any:
    if isinstance(value, tuple):
        value = _environment_list(value)
    if isinstance(value, dict):
        for name in value:
            problem = variable_problem(name)
            if problem is not None:
                raise wrong(problem, "a name has no blanks and no `=`: write `NAME=value`", at=(name,))
    return value


def variable_problem(name: str) -> str | None:
    """Why a process cannot be given a variable of this name."""
    if not name:
        return "a variable has no name"
    if "=" in name or any(character.isspace() for character in name):
        return f"`{name}` cannot be the name of a variable"
    return None


def _environment_list(items: tuple[Any, ...]) -> dict[str, str | None]:
    pairs: dict[str, str | None] = {}
    for index, item in enumerate(items):
        if not isinstance(item, str):
            raise wrong("an entry must be `NAME=value`", at=(index,))
        name, equals, value = item.partition("=")
        pairs[name] = value if equals else None
    return pairs


Environment = Annotated[
    dict[str, str | None],
    BeforeValidator(_environment),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "propertyNames": {"pattern": r"^[^=\s]+$"},
                    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
                },
                {"type": "array", "items": {"type": "string", "pattern": r"^[^=\s]+(=|$)"}},
            ]
        }
    ),
]
"""Names and values; None: the value that the caller's environment has, if it has one."""


def one_or_many(value: Any) -> Any:
    """`x` for `[x]`."""
    return (value,) if isinstance(value, str | dict) else value


def keyed(key: str, *types: type) -> BeforeValidator:
    """Allow a short form: a bare value of one of `types` stands for `{key: value}`."""

    def expand(value: Any) -> Any:
        return {key: value} if type(value) in types else value

    return BeforeValidator(expand)


def choice(known: list[str], other_words: Mapping[str, str] | None = None) -> BeforeValidator:
    """One of some words; `other_words` are what other tools call them, answered with "did you mean"."""

    def check(value: Any) -> Any:
        if not isinstance(value, str) or value in known:
            return value
        meant = (other_words or {}).get(value.partition(":")[0].lower().replace("-", "_"))
        listed = ", ".join(f"`{name}`" for name in known)
        raise wrong(
            f"`{value}` is not one of {listed}",
            f"did you mean `{meant}`?" if meant else did_you_mean(value, known),
        )

    return BeforeValidator(check)


def _signal(value: Any) -> Any:
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:9])
    if isinstance(value, str):
        number = signals.named(value)
        if number is None:
            word = value.upper() if value.upper().startswith("SIG") else f"SIG{value.upper()}"
            examples = "a name such as `SIGTERM`, `SIGINT`, `SIGHUP`, or a number"
            raise wrong(f"unknown signal `{value}`", did_you_mean(word, list(signals.BY_NAME), examples))
        return number
    if type(value) is int and not 0 < value <= signals.LAST:
        raise wrong(f"invalid signal `{value}`", f"signals go from 1 to {signals.LAST}")
    return value


Signal = Annotated[
    int,
    BeforeValidator(_signal),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": schema_patterns.signal_names(), "examples": ["SIGTERM", "SIGINT"]},
                {"type": "string", "pattern": schema_patterns.SIGNAL, "examples": ["SIGTERM", "SIGINT"]},
                {"type": "integer", "minimum": 1, "maximum": signals.LAST},
            ]
        }
    ),
]
"""Its number."""


def _name(value: str) -> str:
    if not value:
        raise wrong("the name is empty", "write a name, such as `web`")
    if not re.fullmatch(NAME_PATTERN, value, re.ASCII):
        raise wrong(f"`{value}` cannot be a name", "names have letters, digits, `-` and `_`, at most 63 of them")
    return value


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"})]


def _full_name(value: str) -> str:
    problem = full_name_problem(value)
    if problem:
        raise wrong(*problem)
    return value


def full_name_problem(name: str) -> tuple[str, str] | None:
    """Why a provider would not take a name, and what it would take (contract, section 2.7)."""
    rule = "a lower-case letter, then lower-case letters, digits and hyphens, with no hyphen at the end"
    if not name:
        return "the name is empty", rule
    if len(name) > 63:
        return f"the name `{name}` has {len(name)} characters", "63 are allowed"
    if not re.fullmatch(FULL_NAME_PATTERN, name, re.ASCII):
        return f"`{name}` cannot be a name here", rule
    if len(name) == 21 and name.isalnum():
        return f"`{name}` cannot be a name here", "21 letters and digits are the form of an id: add a hyphen"
    return None


FullName = Annotated[
    str,
    AfterValidator(_full_name),
    WithJsonSchema({"type": "string", "pattern": f"^(?![a-z0-9]{{21}}$){FULL_NAME_PATTERN}$"}),
]


def _user(value: str) -> str:
    if not re.fullmatch(schema_patterns.USER, value):
        raise wrong(f"`{value}` is not a user", "write `name`, `uid`, `uid:gid` or `name:group`")
    return value


User = Annotated[
    str,
    AfterValidator(_user),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": schema_patterns.USER}, {"type": "integer", "minimum": 0}]}),
]


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise wrong(f"this is not a regular expression: {error}") from None
    return value


RegexText = Annotated[str, AfterValidator(_pattern)]


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise wrong(f"`{value}` must be an absolute path", f"did you mean `/{value}`?")
    return value


AbsolutePath = Annotated[str, AfterValidator(_absolute), WithJsonSchema({"type": "string", "pattern": "^/"})]
COPY = "copy"
"""What `workspace` says when the sandbox is to have one of its own on this machine too."""


def _workspace(value: str) -> str:
    if value == COPY:
        return value
    if not value.startswith("/"):
        raise wrong(f"`{value}` must be an absolute path", f"did you mean `/{value}`? Or `{COPY}`?")
    return value


Workspace = Annotated[str, AfterValidator(_workspace), WithJsonSchema({"type": "string", "pattern": f"^(/|{COPY}$)"})]
NonEmpty = Annotated[str, Field(min_length=1)]


def _one_line(value: str) -> str:
    if "\n" in value.strip():
        raise wrong("it must be one line")
    return value.strip()


OneLine = Annotated[str, Field(min_length=1), AfterValidator(_one_line), AlsoInSchema(pattern=schema_patterns.ONE_LINE)]
