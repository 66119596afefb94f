"""Plain values -> models, or every mistake in them, in human words and at its place."""

from __future__ import annotations

from collections.abc import Collection
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sbxcompose.errors import Mistake
from sbxcompose.similar import did_you_mean, similar
from sbxcompose.spec import foreign_keys
from sbxcompose.spec.check_models import HealthCheckModel, ReadyModel
from sbxcompose.spec.complaints import complaint
from sbxcompose.spec.locations import Places
from sbxcompose.spec.models import ProjectModel, ResourcesModel
from sbxcompose.spec.process_models import RestartModel, StopModel, WatchModel
from sbxcompose.spec.unresolved import level_of
from sbxcompose.spec.unresolved_part import ScopeOfMistake
from sbxcompose.spec.values import Path


def validate(
    values: Any, places: Places, mistakes: list[Mistake], incomplete: Collection[ScopeOfMistake] = ()
) -> ProjectModel | None:
    """Return the model of the whole file.

    `incomplete` are those that lack a value which could not be resolved: that their keys do not fit together says
    nothing then. Where `mistakes` has grown, it is a model of what is sound, so that dependencies and the like can be
    checked too; or None if so much is wrong that this would only find mistakes that are none.
    """
    try:
        return ProjectModel.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
    meant = _misspelt(found)
    mistakes.extend(
        _mistake(details, places, values)
        for details in found
        if not _follows(details, incomplete) and not (details["type"] == "missing" and details["loc"] in meant)
    )
    return _sound_part(values, found)


def _misspelt(found: list[ErrorDetails]) -> set[Path]:
    """Return the paths of keys that unknown ones were probably meant to be: these are not missing besides."""
    meant: set[Path] = set()
    for path in (details["loc"] for details in found if details["type"] == "extra_forbidden"):
        model = model_at(path[:-1])
        near = similar(str(path[-1]), _keys_of(model), 1) if model is not None else []
        # What a process extends has its command, too.
        meant.update((*path[:-1], "command" if key == "extends" else key) for key in near)
    return meant


def _sound_part(values: Any, found: list[ErrorDetails]) -> ProjectModel | None:
    """Return the model without what is wrong. What is taken out may leave a key missing, so this takes a few rounds."""
    for _ in range(3):
        if not isinstance(values, dict) or not all(_prune(values, details) for details in found):
            return None
        try:
            return ProjectModel.model_validate(values)
        except ValidationError as error:
            found = error.errors(include_url=False)
    return None


def _follows(details: ErrorDetails, incomplete: Collection[ScopeOfMistake]) -> bool:
    """Return whether a mistake is about how the keys of a level fit together of which one is missing."""
    return details["type"] == "spec" and level_of(details["loc"]) in incomplete


def _prune(values: dict[str, Any], details: ErrorDetails) -> bool:
    """Take out the smallest part that is wrong. False if whole processes or sandboxes would have to go."""
    path: Path = details["loc"]
    if details["type"] == "spec":
        path = (*path, *details["ctx"]["at"])
    if path[-1:] == ("[key]",):
        return False
    holder: Any = values
    for depth, step in enumerate(path):
        if step not in holder:
            if step == "command" and details["type"] == "missing":
                holder[step] = ("true",)
                return True
            return _remove(values, path[:depth])
        if not isinstance(holder[step], dict):
            return _remove(values, path[: depth + 1])
        holder = holder[step]
    return _remove(values, path)


def _remove(values: dict[str, Any], path: Path) -> bool:
    if not path or path[-1] in _HOLDERS or (path[-2:-1] and path[-2] in _HOLDERS):
        return False
    holder: Any = values
    for step in path[:-1]:
        holder = holder[step]
    holder.pop(path[-1], None)
    return True


_HOLDERS = ("processes", "sandboxes")


def _mistake(details: ErrorDetails, places: Places, values: Any) -> Mistake:
    path: Path = details["loc"]
    kind, context = details["type"], details.get("ctx", {})
    if kind == "spec":
        path = (*path, *context["at"])
        on_key = path[-1:] == ("[key]",)
        path = path[:-1] if on_key else path
        if context["before"] is not None:
            return places.mistake_behind(path, context["before"], context["message"], context["hint"])
        return places.mistake(path, context["message"], context["hint"], on_key=on_key)
    if kind == "extra_forbidden":
        return _unknown_key(path, details["input"], places)
    if kind == "missing":
        return places.mistake(path[:-1], f"`{path[-1]}` is missing", _missing_hint(path, values), on_key=True)
    return places.mistake(path, *complaint(details, values), on_key=path[-1:] == ("[key]",))


def _unknown_key(path: Path, value: Any, places: Places) -> Mistake:
    key = str(path[-1])
    if not key:
        return places.mistake(path, "a key is empty", on_key=True)
    model = model_at(path[:-1])
    known = sorted(_keys_of(model)) if model is not None else []
    listed = f"known here: {', '.join(f'`{key}`' for key in known)}" if known else None
    name = model.__name__ if model is not None else ""
    near = foreign_keys.hint(key, name, known) or _misplaced(path, value) or _below(key, name)
    return places.mistake(
        path, f"unknown key `{key}`", near or did_you_mean(key, known, _elsewhere(key) or listed), on_key=True
    )


def _misplaced(path: Path, value: Any) -> str | None:
    """Where a process or sandbox belongs that stands at the top of the file."""
    if len(path) > 1 or not isinstance(value, dict):
        return None
    for key, holder in (("command", "processes"), ("processes", "sandboxes")):
        if key in value:
            return f"it has a `{key}`: put it below `{holder}:`"
    return None


def _elsewhere(key: str) -> str | None:
    """Where the key does belong, if not here."""
    for model, place in _PLACES.items():
        found = _BY_NAME.get(model)
        if found is not None and key in _keys_of(found):
            return f"`{key}` belongs to {place}"
    return None


def _below(key: str, model: str) -> str | None:
    """Where the key belongs, be it a key of another tool, if a mapping below a process or sandbox has it."""
    if any(key in _keys_of(other) for other in _BY_NAME.values()):
        return None
    below = {place: frozenset(_keys_of(inner)) for place, inner in _INNER.items() if inner.__name__ != model}
    return foreign_keys.hint_below(key, below, [inner.__name__ for inner in _INNER.values()])


def _missing_hint(path: Path, values: Any) -> str | None:
    if path[-1] != "command" or path[-3] != "processes":
        return None
    # In a file laid over another a process without one is more often a slip of the fingers than a new one.
    siblings = values
    for step in path[:-2]:
        siblings = siblings[step]
    complete = [str(name) for name, keys in siblings.items() if isinstance(keys, dict) and "command" in keys]
    return did_you_mean(str(path[-2]), complete, "say what runs: `command: ...`")


def model_at(path: Path) -> type[BaseModel] | None:
    """Return the model whose keys stand at a path of the file."""
    model: Any = ProjectModel
    for step in path:
        model = _inner(_field(model, step) if _is_model(model) else _item(model))
    return model if _is_model(model) else None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _field(model: type[BaseModel], key: str | int) -> Any:
    for name, info in model.model_fields.items():
        if key == (info.alias or name):
            return info.annotation
    return None


def _item(kind: Any) -> Any:
    arguments = [argument for argument in get_args(kind) if argument is not Ellipsis]
    return arguments[-1] if arguments else None


def _inner(kind: Any) -> Any:
    """Strip `Annotated` and `| None`."""
    while True:
        origin = get_origin(kind)
        if origin is Annotated:
            kind = get_args(kind)[0]
        elif origin in (Union, UnionType):
            kind = next((argument for argument in get_args(kind) if argument is not type(None)), None)
        else:
            return kind


def _keys_of(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


_PLACES = {"ProcessModel": "a process", "SandboxModel": "a sandbox", "ProjectModel": "the top of the file"}
_INNER: dict[str, type[BaseModel]] = {
    "health_check": HealthCheckModel,
    "ready_when": ReadyModel,
    "restart": RestartModel,
    "stop": StopModel,
    "watch": WatchModel,
    "resources": ResourcesModel,
}
"""The mappings below a process or a sandbox."""
_BY_NAME: dict[str, type[BaseModel]] = {"ProjectModel": ProjectModel}
for _key, _name in (("sandboxes", "SandboxModel"), ("processes", "ProcessModel")):
    _found = model_at((_key, "each"))
    if _found is not None:
        _BY_NAME[_name] = _found
