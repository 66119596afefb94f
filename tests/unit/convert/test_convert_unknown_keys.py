"""What the converters do not know is reported with its place, and broken files are refused with theirs."""

from __future__ import annotations

import pytest

from sbxcompose.convert.draft import NoteKind
from sbxcompose.errors import InvalidSpec
from tests.unit.convert.test_convert_others import converted

SUPERVISORD = """\
[program:a]
command=/bin/a %(host_node_name)s
startsecs=5
umask=022
mystery=1
stopwaitsecs=abc
autorestart=maybe
process_name=x
redirect_stderr=true

[group:all]
programs=a
"""


def test_each_key_of_supervisord_has_its_line_in_the_report() -> None:
    found = converted("supervisord", SUPERVISORD)
    assert [(note.line, note.subject) for note in found.notes if note.kind is NoteKind.MANUAL] == [
        (2, "a.command"),
        (3, "a.startsecs"),
        (4, "a.umask"),
        (5, "a.mystery"),
        (6, "a.stopwaitsecs"),
        (7, "a.autorestart"),
    ]
    assert [(note.line, note.subject) for note in found.notes if note.kind is not NoteKind.MANUAL] == [
        (8, "a.process_name"),
        (9, "a.redirect_stderr"),
        (11, "[group:all]"),
    ]


def test_a_broken_line_of_supervisord_is_shown() -> None:
    with pytest.raises(InvalidSpec) as caught:
        converted("supervisord", "[program:a]\ncommand=x\nfoo\n")
    assert [(mistake.line, mistake.message[:24]) for mistake in caught.value.mistakes] == [
        (3, "a line must be `key=valu")
    ]


def test_a_need_that_mprocs_cannot_find_is_named() -> None:
    found = converted("mprocs", "hide_keymap_window: true\nprocs: {a: {shell: x, deps: [b, nope]}, b: y}\n")
    assert found.processes["a"]["depends_on"] == {"b": "started"}
    assert {note.subject: note.line for note in found.notes} == {"a.depends_on": 2, "hide_keymap_window": 1}


def test_options_of_the_interpreter_of_pm2_come_before_the_script() -> None:
    apps = '{"apps": [{"script": "a.js", "node_args": ["-r", "x"]}, {"script": "b.py", "interpreter_args": "-u"}]}'
    found = converted("pm2", apps.replace('"-u"', '"-u", "interpreter": "python3"'), "pm2.json")
    assert [keys["command"] for keys in found.processes.values()] == ["node -r x a.js", "python3 -u b.py"]


def test_a_cycle_of_an_inactive_profile_is_opened() -> None:
    found = converted(
        "compose",
        "services:\n  a: {command: x, depends_on: [b]}\n"
        "  b: {command: x, depends_on: {c: {condition: service_started, required: false}}}\n"
        "  c: {command: x, profiles: [p], depends_on: [a]}\n",
    )
    assert "depends_on" not in found.processes["c"]
    assert found.processes["a"]["depends_on"] == {"b": "started"}
    assert any("`a` depends on it in turn, and is left out" in note.text for note in found.notes)


def test_a_cycle_without_profiles_stays_to_be_refused() -> None:
    found = converted("compose", "services: {a: {command: x, depends_on: [b]}, b: {command: x, depends_on: [a]}}")
    assert [keys["depends_on"] for keys in found.processes.values()] == [{"b": "started"}, {"a": "started"}]
