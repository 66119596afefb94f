"""`ps --filter` and `--format`."""

from __future__ import annotations

from tests.cli.looking import FOREVER, refused
from tests.support.command import Sbx


def test_a_process_that_is_named_is_listed_whatever_starts_it(sbx: Sbx) -> None:
    sbx.write(
        f"processes: {{web: {{command: {FOREVER}}}, seed: {{command: 'true', restart: never, autostart: false}}}}\n"
    )
    assert sbx.run("ps", "-q").stdout == "web\n"
    assert sbx.run("ps", "--format", "{{.Name}} {{.State}}", "seed").stdout == "seed not started\n"
    sbx.run("up", "-d", "--wait", "seed")
    assert sbx.run("ps", "--format", "{{.Name}} {{.State}}", "seed").stdout == "seed completed\n"


def test_filters_and_formats(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, job: {{command: exit 3, restart: never}}}}\n")
    sbx.run("up", "-d")
    sbx.run("wait", "--for", "exit", "job", code=3)
    assert sbx.run("ps", "-q", "--filter", "status=running").stdout == "web\n"
    shown = sbx.run("ps", "--filter", "status=exited", "--format", "{{.Name}}: {{.ExitCode}} {{.Project}}").stdout
    assert shown == f"job: 3 {sbx.project.name}\n"
    assert [row["name"] for row in sbx.run("ps", "--format", "json", "--filter", "name=w*").json] == ["web"]
    assert sbx.run("ps", "--services", "--status", "running").stdout == "web\n"
    assert "did you mean `status`" in refused(sbx, "ps", "--filter", "statsu=running")
    assert "cannot be used together" in refused(sbx, "ps", "-q", "--json")
