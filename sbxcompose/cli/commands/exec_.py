"""`sbxcompose exec`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-e", "--env", "env", multiple=True, metavar="KEY=VALUE", help="A further variable (repeat).")
@click.option("-w", "--workdir", metavar="DIR", help="Another working directory.")
@click.option("-u", "--user", metavar="USER", help="Another user: name, uid or uid:gid.")
@click.option("-d", "--detach", is_flag=True, help="Do not wait; print the PID.")
@click.argument("name", metavar="PROCESS")
@click.argument("arguments", nargs=-1, required=True, metavar="COMMAND [ARG]...")
@click.pass_obj
def command(
    shell: Shell,
    name: str,
    arguments: tuple[str, ...],
    env: tuple[str, ...],
    workdir: str | None,
    user: str | None,
    detach: bool,
) -> int:
    """Run a command where a process runs: in its sandbox, with its directory, user and variables.

    The process itself need not be running. Standard input is passed on, and the exit code is the command's
    (128 + n when signal n killed it).
    """
    from sbxcompose.cli.foreground import Foreground, run_in_foreground
    from sbxcompose.engine.session import Session
    from sbxcompose.plan.names import Names
    from sbxcompose.plan.observed import Instance

    project = shell.project()
    target = Names(project).resolve(name)
    instance = Instance(target.sandbox, target.process, target.replica or 1)
    how = Foreground(env=env, workdir=workdir, user=user, detach=detach)

    async def prepare(session: Session) -> None:
        await session.observe()

    return run_in_foreground(shell, project, instance, arguments, how, prepare)
