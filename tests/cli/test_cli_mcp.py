"""`mcp`, with the SDK's own client over standard input and output; needs the extra `mcp`, which CI has."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from typing import Any

import pytest

from tests.cli.looking import FOREVER
from tests.support.command import COMMAND, Sbx

HAS_SDK = importlib.util.find_spec("mcp") is not None
needs_sdk = pytest.mark.skipif(not HAS_SDK, reason="the extra `mcp` is not installed")


async def conversation(sbx: Sbx, calls: list[tuple[str, dict[str, Any]]]) -> list[tuple[bool, str]]:
    """The answers of the tools in one session: whether each is an error, and its text."""
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters

    server = StdioServerParameters(command=str(COMMAND), args=["mcp"], env=sbx.env, cwd=str(sbx.project))
    answers = []
    async with Client(server) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {"plan", "up", "ps", "why", "logs", "events", "restart", "exec", "wait", "down"}
        for name, arguments in calls:
            result = await client.call_tool(name, arguments)
            text = "\n".join(getattr(part, "text", "") for part in result.content)
            answers.append((bool(result.is_error), text))
    return answers


@needs_sdk
def test_an_agent_brings_a_project_up_looks_at_it_and_stops_it(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  web: {{command: "echo one; echo two >&2; {FOREVER}", ready_when: {{log: two}}}}
  job: {{command: "echo boom; exit 3", restart: never}}
""")
    answers = asyncio.run(
        conversation(
            sbx,
            [
                ("plan", {"processes": ["web"]}),
                ("up", {"processes": ["web"], "timeout": 50}),
                ("ps", {"processes": ["web"]}),
                ("logs", {"grep": "TWO", "ignore_case": True}),
                ("logs", {"processes": ["nope"]}),
                ("exec", {"process": "web", "command": "echo hi; exit 4"}),
                ("up", {"timeout": 50}),
                ("why", {"processes": ["job"]}),
                ("restart", {"processes": ["web"], "timeout": 50}),
                ("logs", {"processes": ["web"], "run": 2, "limit": 1}),
                ("wait", {"processes": ["web"], "timeout": 50}),
                ("down", {}),
            ],
        )
    )
    failed = [answer for answer in answers if answer[0]]
    plan, up, ps, grep, nope, done, broken, why, restart, last, wait, down = (text for _, text in answers)
    assert "start web" in plan
    assert up.startswith("started: web\neverything is ready")
    assert '"state": "ready"' in ps
    assert grep == "web ! two"
    assert "no process named `nope`" in nope
    assert done == "exit code 4\nstdout:\nhi"
    assert "job exited with code 3\n  | boom" in broken
    assert [text for _, text in failed] == [nope, broken]
    assert "  | boom" in why
    assert (restart, wait, down) == ("restarted: web", "ready", "stopped: web")
    assert last.startswith("(earlier lines are left out)\nweb ")


@needs_sdk
def test_an_agent_sees_what_happened_and_no_secrets(sbx: Sbx) -> None:
    sbx.write("""
processes:
  web: {command: exec sleep 1000, env: {TOKEN: hunter2hunter2}, secrets: [TOKEN]}
  job: {command: exit 3, restart: never}
""")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("up", {"wait": False}),
        ("exec", {"process": "web", "command": "echo $TOKEN; yes | head -c 3000000 >&2"}),
        ("events", {"processes": ["web"]}),
        ("events", {"limit": 1}),
        ("events", {"since": "soon"}),
    ]
    _, (_, done), (_, web), (_, last), soon = asyncio.run(conversation(sbx, calls))
    assert done.startswith("exit code 0\n(2000000 bytes of output left out)\nstdout:\n***\nstderr:\n(")
    assert "web started (run 1)" in web
    assert "job" not in web
    assert len(last.splitlines()) == 2, "one event, and that others are left out"
    assert soon == (True, "invalid value `soon` for `since`\nhint: examples: `10m`, `1h30m`, `2026-11-24T09:30:00`")


@needs_sdk
def test_wrong_arguments_get_an_answer_that_a_model_can_act_on(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'sleep 1000'}}")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("up", {"timeout": "soon"}),
        ("exec", {"command": "true"}),
        ("exec", {"process": "web", "command": " "}),
        ("up", {"proces": ["web"]}),
        ("wait", {"timeout": -1}),
        ("upp", {}),
    ]
    answers = asyncio.run(conversation(sbx, calls))
    assert all(failed for failed, _ in answers)
    assert [text.splitlines()[0] for _, text in answers] == [
        'invalid value "soon" for `timeout`; expected a number',
        "missing argument `process`; expected a string",
        "`command` is empty",
        "unknown argument `proces`",
        "invalid value -1.0 for `timeout`",
        "unknown tool `upp`",
    ]


def test_the_message_for_a_missing_extra(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    from sbxcompose.cli.main import run

    for name in ("mcp", "mcp.server", "mcp.server.mcpserver"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "sbxcompose.cli.mcp_server", raising=False)
    assert run(["mcp"]) == 2
    said = capfd.readouterr().err
    assert "`mcp` needs the Python package `mcp`" in said
    assert "pip install 'sbxcompose[mcp]'" in said
