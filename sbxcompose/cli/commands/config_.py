"""`sbxcompose config`."""

from __future__ import annotations

import click

from sbxcompose.cli.context import Shell, unicode_output


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of YAML.")
@click.option("-q", "--quiet", is_flag=True, help="Validate only; print nothing.")
@click.option("--services", "--processes", "only_names", is_flag=True, help="Print the names of the processes.")
@click.option("--profiles", "only_profiles", is_flag=True, help="Print the names of the profiles.")
@click.option("--reveal", is_flag=True, help="Print the values of secrets.")
@click.pass_obj
def command(shell: Shell, as_json: bool, quiet: bool, only_names: bool, only_profiles: bool, reveal: bool) -> None:
    """Validate the file and print it merged, interpolated and with its defaults."""
    from sbxcompose.plan.names import ProcessNames
    from sbxcompose.spec.resolved import resolved

    project = shell.project()
    project.check_resolved((process.sandbox, process.name) for process in project.every_process())
    if quiet:
        return
    if only_names:
        names = ProcessNames(project)
        for process in project.processes():
            if not process.name.startswith("@"):
                shell.print(names.process(process.sandbox, process.name))
    elif only_profiles:
        for name in sorted({name for process in project.every_process() for name in process.profiles}):
            shell.print(name)
    elif as_json:
        shell.print_json(resolved(project, reveal=reveal))
    else:
        import yaml

        value = resolved(project, reveal=reveal)
        shell.print(yaml.safe_dump(value, sort_keys=False, allow_unicode=unicode_output()).rstrip())
