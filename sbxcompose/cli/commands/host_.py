"""`sbxcompose host serve | status | stop`."""

from __future__ import annotations

import re
from typing import Any

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import json_option

_KEY = re.compile(r"[!-~]+")


@click.group("host")
def command() -> None:
    """Manage the local host: the server that runs sandboxes on this machine.

    It starts on first use, serves all projects of a user, and exits after ten minutes without running processes.
    """
    from sbxcompose.engine.local_host.supported import require_linux

    require_linux()


@command.command("serve", short_help="Run the host in the foreground.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Also listen on this port of 127.0.0.1 (0: any free port).",
)
@click.option("--key", metavar="KEY", help="Set the bearer key for that port (default: generated once and kept).")
@click.option("-d", "--detach", is_flag=True, help="Run in the background; return once it listens.")
@click.option(
    "--isolation",
    type=click.Choice(["auto", "none", "overlay"]),
    help="Isolate sandboxes that programs create; `auto`, the default, wherever this machine permits it. Those of"
    " projects follow their file.",
)
@click.option(
    "--enforce-resources", is_flag=True, help="Limit such sandboxes to the memory and processors that they ask for."
)
@click.option(
    "--accept",
    type=click.Choice(["images", "memory", "network", "one-sandbox"]),
    multiple=True,
    help="Accept what is refused otherwise: record image builds; copy the disk without the memory of running processes;"
    " record network policies without enforcing them; take the only sandbox where a client names none.",
)
@click.pass_obj
def serve(
    shell: Shell,
    port: int | None,
    key: str | None,
    detach: bool,
    isolation: str | None,
    enforce_resources: bool,
    accept: tuple[str, ...],
) -> None:
    """Run the host in the foreground; Ctrl-C stops everything running in it, then the host.

    It runs until it is stopped. With --detach it exits after ten minutes without a request or a running process.

    With --port, programs that speak the sandbox HTTP contract can use it, with the key as bearer token. The variables
    that the vendor's SDKs and command line read are printed to stdout in shell syntax.
    """
    from sbxcompose.engine.local_host import launch
    from sbxcompose.errors import UsageError

    if key is not None and port is None:
        raise UsageError("`--key` needs `--port`", hint="the Unix socket is protected by its file's mode")
    if key is not None and not _KEY.fullmatch(key):
        raise UsageError("invalid key; use printable ASCII without spaces", hint="it travels in an HTTP header")

    options = {} if isolation is None else {launch.ISOLATION: isolation}
    options |= {launch.ENFORCE_RESOURCES: "yes"} if enforce_resources else {}
    options |= {launch.ACCEPT: ",".join(sorted(set(accept)))} if accept else {}
    if detach:
        path = launch.ensure_host(port=port, key=key, report=shell.echo, options=options)
        _echo_where(shell, str(path), None if port is None else _tcp_of(launch.status()), key)
        return

    def ready(told: dict[str, Any]) -> None:
        if told.get("status") != "ready":
            shell.echo(f"{shell.err.red('error:')} {told.get('message', 'a host is already running')}")
            return
        _echo_where(shell, told["socket"], f"http://{told['tcp']}" if told.get("tcp") else None, key)

    launch.serve_foreground(port=port, key=key, ready=ready, options=options)


@command.command("status")
@json_option
@click.option("--env", "as_exports", is_flag=True, help="Print the variables for SDKs and `tl`, including the key.")
@click.pass_obj
def status(shell: Shell, as_json: bool, as_exports: bool) -> int:
    """Show whether the host is running, and what is running in it. Exit code 3 if it is not.

    The key is only shown with --env: eval "$(sbxcompose host status --env)".
    """
    from msgspec import to_builtins

    from sbxcompose.engine.local_host import isolation, launch
    from sbxcompose.warm import control

    now = launch.status()
    if as_exports:
        _print_exports(shell, _tcp_of(now), launch.api_key())
        return 0
    fork_servers = control.all_status()
    report = None if now is None else isolation.ask(now)
    if as_json:
        told = {"running": now is not None, **(now or {}), "isolation": report and to_builtins(report)}
        shell.print_json({**told, "fork_servers": fork_servers})
    else:
        from sbxcompose.cli.view.host_status import status_lines

        isolated = None if report is None else isolation.described(report)
        for line in status_lines(now, isolated, fork_servers, shell.out, shell.width):
            shell.print(line)
    return 3 if now is None else 0


@command.command("stop")
@click.option("--force", is_flag=True, help="Stop all running processes first.")
@click.pass_obj
def stop(shell: Shell, force: bool) -> int:
    """Stop the host and the fork server. Refused while processes are running, unless --force stops them first."""
    from sbxcompose.engine.local_host import launch
    from sbxcompose.warm import control

    shell.echo("host stopped" if launch.stop(force=force) else "host is not running")
    control.end_all()
    return 0


def _tcp_of(now: dict[str, Any] | None) -> str:
    """Return the TCP address of a host that has one. Raises `Unreachable` or `ProviderError`."""
    from sbxcompose.api.wire_errors import host_absent
    from sbxcompose.errors import ProviderError

    if now is None:
        raise host_absent("`sbxcompose host serve --port 8900`")
    if now["tcp"] is None:
        raise ProviderError(
            "the host has no TCP address", hint="`sbxcompose host stop`, then `sbxcompose host serve --port 8900`"
        )
    return str(now["tcp"])


def _echo_where(shell: Shell, socket: str, url: str | None, key: str | None) -> None:
    from sbxcompose.engine.local_host import launch

    shell.echo(f"listening on {socket}")
    if url is not None:
        shell.echo(f"listening on {url}; for the SDKs and `tl`:")
        _print_exports(shell, url, key or launch.api_key())
        _echo_shortfall(shell)


def _echo_shortfall(shell: Shell) -> None:
    """Say what a host that has just been started cannot do on this machine, if there is anything."""
    from sbxcompose.engine.local_host import isolation, launch
    from sbxcompose.errors import SbxError

    try:
        now = launch.status()
    except SbxError:
        return  # whoever asks it next is told why it does not answer
    report = None if now is None else isolation.ask(now)
    if report is not None and (words := isolation.shortfall(report)) is not None:
        shell.echo(f"note: {words}")


def _print_exports(shell: Shell, url: str, key: str) -> None:
    """Return what the vendor's SDKs and command line read (contract, section 1.5), as lines for a shell."""
    import shlex

    variables = {"API_URL": url, "API_KEY": key, "SANDBOX_API_URL": url, "SANDBOX_PROXY_URL": url}
    for name, value in variables.items():
        shell.print(f"export TENSORLAKE_{name}={shlex.quote(value)}")
