"""The server for coding agents, over the Model Context Protocol; needs the extra `mcp`."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from sbxcompose.cli.async_main import Interrupts, run_command
from sbxcompose.cli.context import GlobalOptions
from sbxcompose.cli.mcp_tools import ProjectTools, ToolCalls, unknown_arguments, wrong_arguments
from sbxcompose.client.error_words import error_words
from sbxcompose.errors import SbxError
from sbxcompose.similar import did_you_mean
from sbxcompose.tasks import Tasks
from sbxcompose.version import __version__

INSTRUCTIONS = """\
Runs the processes of the project's sbxcompose.yaml: servers, workers, databases, one-shot jobs. Begin with `ps`; `up`
starts what is missing and waits until it is ready; `why` says what is wrong; `logs` shows output, `events` crashes and
restarts. After a change of the code `restart` the process, after a change of the file call `up`. `exec` runs a command
beside a process."""
READING = frozenset({"plan", "ps", "why", "logs", "events", "wait"})
"""Tools that change nothing."""


class _Server(MCPServer):  # type: ignore[misc, unused-ignore]  # unknown where the extra is not installed
    """The server of the SDK, with our words for arguments that are wrong."""

    def __init__(self, tools: dict[str, Callable[..., Awaitable[str]]], **settings: Any) -> None:
        super().__init__("sbxcompose", **settings)
        self._by_name = tools

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None) -> Any:
        tool = self._by_name.get(name)
        if tool is None:
            hint = did_you_mean(name, self._by_name, f"there are {', '.join(self._by_name)}")
            raise ToolError(f"unknown tool `{name}`\nhint: {hint}")
        if (words := unknown_arguments(tool, arguments) or wrong_arguments(tool, arguments)) is not None:
            raise ToolError(words)
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            words = str(error)
            if not words.startswith(prefix := f"Error executing tool {name}: "):
                raise
            raise ToolError(words.removeprefix(prefix)) from None


def make_server(options: GlobalOptions, calls: ToolCalls) -> MCPServer:
    """Return the server for the project that the options lead to; `calls` runs its tools."""
    tools = ProjectTools(options).all()
    server = _Server(tools, instructions=INSTRUCTIONS, version=__version__, log_level="ERROR")
    for name, tool in tools.items():
        kind = ToolAnnotations(
            read_only_hint=name in READING, destructive_hint=name in ("exec", "down"), open_world_hint=False
        )
        words = inspect.getdoc(tool)  # without the indentation of the source
        server.add_tool(
            _with_errors(tool, calls), name=name, description=words, annotations=kind, structured_output=False
        )
    return server


def serve(options: GlobalOptions) -> int:
    """Serve on standard input and output until the client closes them; the exit code."""
    return run_command(lambda interrupts: _serve(options, interrupts))


async def _serve(options: GlobalOptions, interrupts: Interrupts) -> int:
    async with ToolCalls() as calls, Tasks() as tasks:
        server = make_server(options, calls)
        work = tasks.start(server.run_stdio_async())
        await asyncio.wait({work, tasks.start(interrupts.next())}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            os._exit(130)  # a thread of the SDK reads standard input, and nothing else ends that
        work.result()
    return 0


def _with_errors(tool: Callable[..., Awaitable[str]], calls: ToolCalls) -> Callable[..., Awaitable[str]]:
    """Return the tool with an `SbxError` as its result, in words that a model can act on."""

    @wraps(tool)
    async def call(*args: object, **arguments: object) -> str:
        try:
            return await calls.run(tool(*args, **arguments))
        except SbxError as error:
            raise ToolError(error_words(error)) from None
        except re.error as error:
            raise ToolError(f"invalid regular expression: {error}") from None

    return call
