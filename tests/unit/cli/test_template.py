"""Templates of `--format`."""

from __future__ import annotations

from typing import Any

import pytest

from sbxcompose.cli.view.template import Template
from sbxcompose.errors import UsageError
from tests.support.cases import each_case

FIELDS = ("Name", "State", "Ready", "Labels", "PID", "Uptime")
ROWS: list[dict[str, Any]] = [
    {"Name": "web", "State": "running", "Ready": True, "Labels": {"a": "1", "b": "2"}, "PID": 7, "Uptime": "3s"},
    {"Name": "a-long-name", "State": "exited", "Ready": None, "Labels": {}, "PID": None, "Uptime": None},
]


@each_case(
    "text, lines",
    [
        ("{{.Name}}", ["web", "a-long-name"]),
        (r"{{ .name }}\t{{.Ready}}|", ["web\ttrue|", "a-long-name\t|"]),
        ("{{.Names}} {{.RunningFor}}", ["web 3s", "a-long-name "]),
        ("{{json .Name}} {{.Labels}}", ['"web" a=1,b=2', '"a-long-name" ']),
        (r"table {{.Name}}\t{{.State}}", ["NAME         STATE", "web          running", "a-long-name  exited"]),
    ],
)
def test_fields_are_filled_in(text: str, lines: list[str]) -> None:
    assert Template(text, FIELDS).lines(ROWS) == lines


def test_all_fields_as_json() -> None:
    assert Template("{{json .}}", FIELDS).lines(ROWS[:1]) == [
        '{"Name": "web", "State": "running", "Ready": true, "Labels": {"a": "1", "b": "2"}, "PID": 7, "Uptime": "3s"}'
    ]


@each_case(
    "text, message, hint",
    [
        ("yaml", "invalid value `yaml`", "{{.Name}}"),
        ("{{.Nmae}}", "no field `Nmae`", "`Name`"),
        ("{{range .}}", "cannot use `{{range .}}`", "{{json .}}"),
        ("{{.}}", "cannot use `{{.}}`", "{{json .}}"),
    ],
)
def test_what_cannot_be_filled_in_is_a_mistake(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Template(text, FIELDS)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_a_template_of_a_table_has_a_header_without_rows() -> None:
    assert Template(r"table {{.Name}}\t{{.PID}}", FIELDS).lines([]) == ["NAME  PID"]
