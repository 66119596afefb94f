"""What coding agents get to read: changes, states, outputs and errors as short texts."""

from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from sbxcompose.cli.context import GlobalOptions
from sbxcompose.cli.mcp_tools import (
    MAX_OUTPUT,
    NewestLines,
    ProjectTools,
    ToolCalls,
    changed_words,
    cut,
    status_line,
    unknown_arguments,
    wrong_arguments,
)
from sbxcompose.client.changes import AppliedChanges
from sbxcompose.client.error_words import error_words
from sbxcompose.client.process_status import process_status
from sbxcompose.engine.listing import ListedInstance
from sbxcompose.errors import InvalidSpec, Mistake, ProcessFailed, UsageError
from sbxcompose.plan.observed import Instance
from sbxcompose.tasks import Tasks
from tests.unit.plan.plan_worlds import process, row


def test_each_tool_says_what_it_does_and_what_it_takes() -> None:
    tools = ProjectTools(GlobalOptions()).all()
    assert list(tools) == ["plan", "up", "ps", "why", "logs", "events", "restart", "exec", "wait", "down"]
    for tool in tools.values():
        assert (tool.__doc__ or "").strip().endswith(".")
        assert all(parameter.annotation for parameter in inspect.signature(tool).parameters.values())


def test_arguments_that_a_tool_does_not_have_are_named_with_those_it_has() -> None:
    tools = ProjectTools(GlobalOptions()).all()
    assert unknown_arguments(tools["wait"], ["processes", "timeout"]) is None
    words = "unknown argument `proceses`, `wiat`\nhint: `up` takes processes, wait, timeout"
    assert unknown_arguments(tools["up"], ["proceses", "wait", "wiat"]) == words
    assert unknown_arguments(tools["plan"], ["all"]) == "unknown argument `all`\nhint: `plan` takes processes"


def test_arguments_of_a_wrong_type_are_named_with_what_is_expected() -> None:
    tools = ProjectTools(GlobalOptions()).all()
    assert wrong_arguments(tools["exec"], {"timeout": "soon"}) == (
        "missing argument `process`; expected a string\nmissing argument `command`; expected a string\n"
        'invalid value "soon" for `timeout`; expected a number'
    )
    words = 'invalid value ["web", 3] for `processes`; expected a list of strings'
    assert wrong_arguments(tools["up"], {"processes": ["web", 3]}) == words
    assert wrong_arguments(tools["logs"], {"limit": True}) == "invalid value true for `limit`; expected a whole number"
    assert wrong_arguments(tools["up"], {"wait": None}) == "invalid value null for `wait`; expected true or false"


def test_what_models_write_is_understood() -> None:
    tools = ProjectTools(GlobalOptions()).all()
    for arguments in ({}, {"processes": None, "timeout": 5}, {"processes": '["web"]', "timeout": "5", "wait": "false"}):
        assert wrong_arguments(tools["up"], arguments) is None


@pytest.mark.parametrize(
    "tool, arguments, name",
    [
        ("up", {"timeout": -1}, "timeout"),
        ("wait", {"timeout": float("nan")}, "timeout"),
        ("restart", {"timeout": float("inf")}, "timeout"),
        ("exec", {"process": "web", "command": "true", "timeout": -0.5}, "timeout"),
        ("logs", {"limit": 0}, "limit"),
        ("logs", {"run": -2}, "run"),
        ("events", {"limit": 0}, "limit"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, arguments: dict[str, Any], name: str
) -> None:
    (tmp_path / "sbxcompose.yaml").write_text("processes: {web: {command: 'true'}}")
    monkeypatch.chdir(tmp_path)

    async def call() -> str:
        return await ProjectTools(GlobalOptions()).all()[tool](**arguments)

    with pytest.raises(UsageError, match=f"^invalid value .* for `{name}`"):
        asyncio.run(call())


def test_changes_in_words() -> None:
    changes = AppliedChanges(started=("db", "web"), stopped=("old",), unchanged=2, notes=("a remark",))
    assert changed_words(changes) == "started: db, web\nstopped: old\nunchanged: 2\na remark"
    assert changed_words(AppliedChanges()) == "nothing to do"


def test_a_state_has_only_what_is_known() -> None:
    entry = ListedInstance(Instance("main", "web"), "web", process("web"), row("web"))
    fields = json.loads(status_line(process_status(entry, str)))
    assert fields["name"] == "web"
    assert fields["state"] == "running"
    assert not {"restarts", "exit_code", "orphan", "last_error"} & set(fields)


def test_of_a_long_output_the_end_is_kept() -> None:
    assert cut("short") == "short"
    text = cut("a" * 10 + "b" * MAX_OUTPUT)
    assert text == "(10 characters left out)\n" + "b" * MAX_OUTPUT


def test_of_many_lines_the_newest_are_kept() -> None:
    few, short = NewestLines(2, 100), NewestLines(9, 10)
    for line in ("one", "two", "three"):
        few.add(line)
        short.add(line)
    assert str(few) == "(earlier lines are left out)\ntwo\nthree"
    assert str(short) == "(earlier lines are left out)\ntwo\nthree"
    short.add("much too long a line")
    assert str(short) == "(earlier lines are left out)\nmuch too long a line"
    assert str(NewestLines(2, 100)) == ""


def test_a_call_that_is_cancelled_again_and_again_still_cleans_up() -> None:
    cleaned: list[str] = []

    async def tool() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            for step in ("one", "two"):
                await asyncio.sleep(0)
                cleaned.append(step)
        return ""

    async def main() -> None:
        async with ToolCalls() as calls, Tasks() as tasks:
            caller = tasks.start(calls.run(tool()))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            while not caller.done():
                caller.cancel()
                await asyncio.sleep(0)
            assert caller.cancelled()
            await calls.wait()

    asyncio.run(main())
    assert cleaned == ["one", "two"]


def test_errors_have_their_causes_and_the_remedy() -> None:
    failed = ProcessFailed("api exited with code 3")
    failed.add_note("api exited with code 3\n  | boom")
    assert error_words(failed) == "api exited with code 3\n  | boom"
    assert error_words(UsageError("no", hint="do this")) == "no\nhint: do this"
    mistake = Mistake("unknown key `comand`", file="sbxcompose.yaml", line=2, column=3)
    assert "sbxcompose.yaml:2:3: unknown key `comand`" in error_words(InvalidSpec([mistake]))
