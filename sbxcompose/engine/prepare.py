"""What a sandbox in the cloud needs before anything is started in it: a capable daemon, and its workspace.

Whoever made the sandbox may have been interrupted before this, or may not have been us: so it is done whenever a
sandbox is opened in which nothing of the project has been started yet, and may be done twice.
"""

from __future__ import annotations

from sbxcompose.api.models import StartRequest
from sbxcompose.api.retries import retried
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.wire_errors import no_workspace
from sbxcompose.engine.daemon_abilities import Ability, is_missing_route, report_of, supervises, unsupported
from sbxcompose.errors import Refused
from sbxcompose.tasks import finish_all

_AS_USER = 'mkdir -p -- "$1" 2>/dev/null && [ -w "$1" ] || { id -u; exit 3; }'
_AS_ROOT = 'mkdir -p -- "$1" && chown "$2" "$1"'


async def prepare(client: SandboxClient, sandbox: str, workspace: str, *, known: bool) -> None:
    """Make the workspace. `known`: the daemon is known to supervise, so it is not asked.

    Both are asked for at once: it costs one round trip. Raises `Unsupported` for a daemon that lacks what we need.
    """
    known = known or bool(client.extensions)
    asked = () if known else (retried(lambda: supervises(client)),)
    made, *answers = await finish_all([_can_run(client, workspace), *asked])
    lacking = ((Ability.SUPERVISION,) if False in answers else ()) + (() if made else (Ability.RUN,))
    if lacking:
        raise unsupported(sandbox, await report_of(client, lacking))


async def _can_run(client: SandboxClient, workspace: str) -> bool:
    try:
        await make_workspace(client, workspace)
    except Refused as error:
        if is_missing_route(error):
            return False
        raise
    return True


async def make_workspace(client: SandboxClient, path: str) -> None:
    """Make the workspace so that the user whom processes run as can write to it; one that is there is fine.

    A process whose directory is missing cannot be started (contract, section 3.2). Raises `Refused`.
    """
    said: list[str] = []
    if await _shell(client, said, None, _AS_USER, path) == 0:
        return
    user = said[-1] if said and said[-1].isdecimal() else "0"
    said.clear()
    if await _shell(client, said, "root", _AS_ROOT, path, user) != 0:
        words = said[-1] if said else "it cannot be made"
        raise no_workspace(path, words)


async def _shell(client: SandboxClient, said: list[str], user: str | None, script: str, *args: str) -> int | None:
    request = StartRequest(command="sh", args=["-c", script, "sh", *args], working_dir="/", user=user)
    done = await retried(lambda: client.run(request, output=lambda line: said.append(line.text)))
    return done.exit_code
