"""The OpenAPI document of the host, made from its routes, their descriptions and the wire's classes;
`python -m sbxcompose.host.openapi.document` prints it anew.

The server never makes it: it serves the file.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from sbxcompose.api import models, pty, sandbox_models
from sbxcompose.api.models import Message
from sbxcompose.host.openapi import control, daemon, own, sockets, storage
from sbxcompose.host.openapi.operation import BodyContent, Operation, of

NAMESPACED = "/v1/namespaces/{namespace}"
DESCRIPTIONS: Mapping[str, Operation] = {
    **daemon.OPERATIONS,
    **sockets.OPERATIONS,
    **control.OPERATIONS,
    **storage.OPERATIONS,
    **own.OPERATIONS,
}

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_PROBLEM = {
    "title": "Problem",
    "description": "Why something is refused: a sentence, the contract's word for it, and a way out if there is one.",
    "type": "object",
    "properties": {
        "error": {"type": "string"},
        "code": {"type": "string"},
        "hint": {"type": "string"},
        "live": {
            "type": "boolean",
            "description": "Extension, with 409 for a start: whether what is in the way runs or is being started.",
        },
        "holder": {
            "type": "string",
            "description": "Extension, with 409 for a start: the managed name of what is in the way.",
        },
    },
    "required": ["error"],
}


def generate() -> str:
    """Return the document as text with a line break at the end. Raises `KeyError` for a route that is not described."""
    from sbxcompose.host.routes.table import ROUTES

    paths: dict[str, dict[str, Any]] = {}
    for method, path in methods_of(ROUTES):
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, description(method, path))
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "sbxcompose host",
            "description": "The sandbox HTTP contract as this machine serves it, and what the host adds to it.",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Problem": _PROBLEM, **_messages()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def methods_of(routes: Any) -> Iterator[tuple[str, str]]:
    """Yield every method and path that the routes serve. (A HEAD goes without saying, where there is a GET.)"""
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        for method in sorted((getattr(route, "methods", None) or {"GET"}) - {"HEAD"}):
            yield method, path


def description(method: str, path: str) -> Operation:
    """Return how a route is described; a namespaced one by its own path, or by the flat one. Raises `KeyError`."""
    own_name, flat = f"{method} {path}", f"{method} {path.removeprefix(NAMESPACED)}"
    return DESCRIPTIONS[own_name if own_name in DESCRIPTIONS else flat]


def _operation(method: str, path: str, told: Operation) -> dict[str, Any]:
    named = [_parameter(name, "path", {"type": "string"}, required=True) for name in _PARAMETER.findall(path)]
    asked = [_parameter(name, "query", schema, required=name in told.needs) for name, schema in told.query.items()]
    addressed = path.startswith("/api/v1/") and path != "/api/v1/health"
    header = [_parameter("X-Tensorlake-Sandbox-Id", "header", {"type": "string"}, required=True)]
    body = {"requestBody": {"content": _content(told.body)}} if told.body is not None else {}
    answers = {str(status): _answer(content) for status, content in told.answers.items()}
    problem = {"description": "Refused", "content": {"application/json": {"schema": of_name("Problem")}}}
    return {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()} {path}").strip("_"),
        "summary": told.summary,
        "parameters": [*named, *(header if addressed else []), *asked],
        **body,
        "responses": {**answers, "default": problem},
    }


def of_name(name: str) -> dict[str, str]:
    """Return a schema by reference."""
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str, place: str, schema: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _answer(content: BodyContent) -> dict[str, Any]:
    return {"description": "Done"} if content is None else {"description": "Done", "content": _content(content)}


def _content(content: BodyContent) -> dict[str, Any]:
    if isinstance(content, str):
        return {content: {}}
    assert content is not None
    return {"application/json": {"schema": of(content)}}


def _messages() -> dict[str, Any]:
    """Return the wire's classes as schemas, each field with its description and its limits."""
    known = {**vars(models), **vars(sandbox_models), **vars(pty)}
    classes = [kind for _, kind in sorted(known.items()) if _is_message(kind)]
    _, found = msgspec.json.schema_components(classes, ref_template="#/components/schemas/{name}")
    for cls in classes:
        told, schema = _field_words(cls), found[cls.__name__]
        for name, field in schema["properties"].items():
            if name in told:
                field["description"] = told[name]
    return dict(sorted(found.items()))


def _is_message(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Message) and value is not Message


def _field_words(cls: type) -> dict[str, str]:
    """Return the strings that stand below the fields of a class."""
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    told: dict[str, str] = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        match field, after:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(value=str(words))):
                told[name] = " ".join(words.split())
    return told


if __name__ == "__main__":
    print(generate(), end="")
