"""The OpenAPI document: true, complete, and made of valid schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from sbxcompose.host.openapi.document import DESCRIPTIONS, NAMESPACED, description, generate, methods_of
from sbxcompose.host.routes.openapi import FILE_NAME, document_text
from sbxcompose.host.routes.table import ROUTES

ROOT = Path(__file__).parents[3]


def document() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(document_text())
    return told


def test_every_route_is_described() -> None:
    missing = []
    for method, path in methods_of(ROUTES):
        try:
            description(method, path)
        except KeyError:
            missing.append(f"{method} {path}")
    assert not missing, "add them to the tables in sbxcompose/host/openapi, then `make openapi`"


def test_nothing_is_described_that_is_not_served() -> None:
    served = {f"{method} {path}" for method, path in methods_of(ROUTES)}
    served |= {f"{method} {path.removeprefix(NAMESPACED)}" for method, path in methods_of(ROUTES)}
    assert DESCRIPTIONS.keys() - served == set()


def test_the_document_is_current() -> None:
    assert (ROOT / "schemas" / FILE_NAME).read_text() == generate(), "renew it: make openapi"


def test_every_route_is_in_the_document() -> None:
    paths = document()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(methods_of(ROUTES))


def test_a_path_in_a_namespace_and_the_flat_one_are_one_route() -> None:
    served: dict[str, dict[str, object]] = {}
    for route in ROUTES:
        for method, path in methods_of([route]):
            served.setdefault(path, {})[method] = getattr(route, "endpoint", None)
    flat = [path for path in served if NAMESPACED + path in served]
    assert [path for path in flat if served[path] != served[NAMESPACED + path]] == []
    assert {"/sandboxes", "/sandboxes/{sandbox}", "/snapshots/{snapshot}", "/sandbox-pools"} <= set(flat)


def schemas(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [found for item in value for found in schemas(item)]
    if not isinstance(value, dict):
        return []
    own = [value["schema"]] if isinstance(value.get("schema"), dict) else []
    return own + [found for item in value.values() for found in schemas(item)]


def test_the_schemas_are_schemas() -> None:
    told = document()
    found = [*schemas(told["paths"]), *told["components"]["schemas"].values()]
    assert len(found) > 50
    found = list({json.dumps(item, sort_keys=True): item for item in found}.values())  # each once: it is slow
    together = {"$defs": {str(number): item for number, item in enumerate(found)}}
    jsonschema.Draft202012Validator.check_schema(together)


def test_references_lead_somewhere_and_operations_have_names_of_their_own() -> None:
    told = document()
    text = document_text()
    for line in text.splitlines():
        if '"$ref"' in line:
            assert line.split('"')[3].rpartition("/")[2] in told["components"]["schemas"], line
    names = [method["operationId"] for methods in told["paths"].values() for method in methods.values()]
    assert len(names) == len(set(names))


def test_fields_say_what_they_mean_and_what_they_may_be() -> None:
    fields = document()["components"]["schemas"]["StartRequest"]["properties"]
    assert fields["stop_grace_ms"]["description"].startswith("Ours: how long it may take")
    assert (fields["stop_signal"]["minimum"], fields["stop_signal"]["maximum"]) == (1, 64)
