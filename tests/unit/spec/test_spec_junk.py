"""Whatever stands in a file, there is a project or an error of ours: never anything else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.errors import InvalidSpec, SbxError
from sbxcompose.spec.report import render
from sbxcompose.spec.resolved import resolved
from sbxcompose.spec.schema import schema_text
from sbxcompose.spec.sources import SourceContent
from tests.support.examples import examples
from tests.support.spec_files import load


def keys_of(schema: Any) -> set[str]:
    """Every key that means something anywhere in a file."""
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})).union(*map(keys_of, schema.values()))


DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The one in C, where there is one."""
KEYS = sorted(keys_of(json.loads(schema_text())))
WORDS = st.sampled_from(
    ["web", "db", "$X", "${Y:-1}", "5s", "never", "ready", "1gb", "/a", "a=b", "", "@setup1", "x-a", "\0"]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.text(max_size=5))
NAMES = st.one_of(st.sampled_from(KEYS), WORDS, st.text(max_size=3))
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=25,
)
FIELDS = st.dictionaries(st.sampled_from(KEYS), TREES, max_size=5)
PROJECTS = st.fixed_dictionaries(
    {"processes": st.dictionaries(NAMES, FIELDS.map(lambda keys: {"command": "x", **keys}), max_size=3)},
    optional={"sandboxes": st.dictionaries(NAMES, FIELDS, max_size=2), "env": TREES, "secrets": TREES},
)


def survives(files: dict[str, str | SourceContent]) -> None:
    with suppress(SbxError):
        try:
            project = load(None, {"X": "1"}, files)
        except InvalidSpec as error:
            assert render(error).strip(), "it says what is wrong"  # noqa: PT017 (most files are wrong)
        else:
            assert resolved(project)


@examples(2)
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_any_bytes_are_refused_or_read(content: bytes) -> None:
    for name in ("sbxcompose.yaml", "Procfile"):
        survives({name: content})
    survives({"sbxcompose.yaml": "processes: {web: {command: x}}", ".env": content})


@examples(2)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,?<~$ \n\t\r\x85\u2028\ufeff", max_size=60))
def test_what_nearly_looks_like_yaml(text: str) -> None:
    survives({"sbxcompose.yaml": text})


@examples(2)
@given(TREES, PROJECTS)
def test_any_tree_alone_and_upon_another(below: Any, tree: dict[str, Any]) -> None:
    text = yaml.dump(tree, Dumper=DUMPER, allow_unicode=True)
    survives({"sbxcompose.yaml": text})
    survives({"sbxcompose.yaml": yaml.dump(below, Dumper=DUMPER), "sbxcompose.override.yaml": text})
