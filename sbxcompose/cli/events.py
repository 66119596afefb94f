"""`events`: what is recorded, and then what happens, until a moment or Ctrl-C."""

from __future__ import annotations

import json
import os
import sys

from sbxcompose.cli.context import Shell
from sbxcompose.cli.reader_gone import ended_without_reader
from sbxcompose.client.event_stream import EventStream
from sbxcompose.client.process_events import ProjectEvent
from sbxcompose.engine.secrets import secret_values
from sbxcompose.engine.session import Session
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import SandboxState
from sbxcompose.spec.project import Project


async def show_events(
    shell: Shell, project: Project, names: tuple[str, ...], since: float | None, until: float | None, *, as_json: bool
) -> int:
    """Print events of the processes named, or of the whole project; the exit code. Times are seconds since 1970."""
    secrets = KnownSecrets(secret_values(project))

    def show(event: ProjectEvent) -> None:
        if event.only_confirms and not as_json:
            return
        hidden = event.without_secrets(secrets)
        shell.print(json.dumps(hidden.to_json(), separators=(",", ":")) if as_json else hidden.line())
        sys.stdout.flush()

    async with ended_without_reader(1), Session(project, secrets=secrets) as session:
        stream = EventStream(session, names, os.environ)
        for event in await stream.recorded(since, until):
            show(event)
        following = stream.follow(until)
        for name in stream.missing:
            if session.observed().sandbox(name).state is SandboxState.SUSPENDED:
                shell.note(f"sandbox {name} is suspended; its events follow once it is running")
            else:
                shell.note(f"sandbox {name} does not exist yet; its events follow once it does")
        async for event in following:
            show(event)
    return 0
