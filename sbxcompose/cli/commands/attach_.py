"""`sbxcompose attach`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell

if TYPE_CHECKING:
    from sbxcompose.cli.async_main import Interrupts


@click.command("attach")
@click.option("--no-stdin", is_flag=True, help="Don't attach standard input.")
@click.option("--sig-proxy/--no-sig-proxy", default=True, help="Send the first Ctrl-C to the process (default).")
@click.argument("name", metavar="PROCESS", shell_complete=completion.PROCESSES)
@click.pass_obj
def command(shell: Shell, name: str, no_stdin: bool, sig_proxy: bool) -> int:
    """Attach to a running process: follow its output and forward standard input until its run ends.

    Standard input is forwarded only if the file says `stdin: pipe`; the process's input stays open when yours ends. The
    first Ctrl-C is sent to the process, a second one detaches. Exits with the exit code of the run.
    """
    from sbxcompose.cli.async_main import run_command
    from sbxcompose.cli.foreground import attend, exit_code_of
    from sbxcompose.cli.view.connection import connection_notes
    from sbxcompose.client.commands import running_sandbox
    from sbxcompose.engine.attachment import AttachedRun
    from sbxcompose.engine.secrets import secret_values
    from sbxcompose.engine.session import Session
    from sbxcompose.logs.secrets import KnownSecrets
    from sbxcompose.plan.names import ProcessNames
    from sbxcompose.plan.observed import Instance

    project = shell.project()
    target = ProcessNames(project).resolve(name)
    instance = Instance(target.sandbox, target.process, target.replica or 1)

    async def main(interrupts: Interrupts) -> int:
        secrets = KnownSecrets(secret_values(project))
        async with Session(project, emit=connection_notes(shell), output=True, secrets=secrets) as session:
            await interrupts.guard(session.observe())
            connection = running_sandbox(session, instance.sandbox)
            attachment = await AttachedRun.to(connection, instance, name, secrets, proxy=sig_proxy)
            if not attachment.reads and not no_stdin:
                shell.note(f"the input of {name} is closed: `stdin: pipe` in the file opens it")
            if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
                first = "the first Ctrl-C is sent to it, a second one detaches" if sig_proxy else "Ctrl-C detaches"
                shell.note(f"attached to {name}; {first}")
            ended = await attend(attachment, interrupts, feed=attachment.reads and not no_stdin)
            return exit_code_of(shell, ended, name)

    return run_command(main)
