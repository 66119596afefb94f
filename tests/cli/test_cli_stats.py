"""`stats`: by the extension, by a command in the sandbox, once and again and again, for people and for programs."""

from __future__ import annotations

import json

from tests.cli.conftest import CloudSbx
from tests.cli.looking import FOREVER, refused
from tests.support.command import Sbx

TWO = f"""
processes:
  web: {{command: "sleep 1000 & sleep 1000 & echo begun; {FOREVER}", ready_when: {{log: begun}}}}
  db: {{command: {FOREVER}}}
"""


def test_once_for_programs_and_for_people(sbx: Sbx) -> None:
    sbx.write(TWO)
    sbx.run("up", "-d", "--wait")
    found = sbx.run("stats", "--no-stream", "--json").json
    assert {process["name"]: process["processes"] for process in found["processes"]} == {"web": 3, "db": 1}
    assert found["sandboxes"][0]["processes"] == 4
    assert all(process["cpu_percent"] is not None for process in found["processes"])
    shown = sbx.run("stats", "--no-stream", "db").stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["NAME", "db", "(sandbox"]
    template = r"table {{.Name}}\t{{.PIDs}}"
    assert sbx.run("stats", "--no-stream", "--format", template).stdout.split() == [
        "NAME",
        "PIDS",
        "web",
        "3",
        "db",
        "1",
    ]
    assert sbx.run("stats", "--no-stream", "--format", "json").json["processes"][0]["name"] == "web"
    assert "no process" in refused(sbx, "stats", "dbb")
    sbx.run("down")
    assert sbx.run("stats", "--no-stream").stderr == "no processes are running\n"


def test_again_and_again_until_interrupted(sbx: Sbx) -> None:
    sbx.write(TWO)
    sbx.run("up", "-d", "--wait")
    with sbx.start("stats", "--json") as running:
        running.wait_for(r"\n")
        running.interrupt()
        result = running.wait()
    assert result.code == 0
    assert json.loads(result.stdout.splitlines()[0])["processes"]


def test_on_a_terminal_the_table_is_drawn_in_place(sbx: Sbx) -> None:
    sbx.write(TWO)
    assert "nothing has been started yet" in refused(sbx, "stats")
    sbx.run("up", "-d", "--wait")
    with sbx.start("stats", terminal=True) as running:
        running.wait_for("sandbox main")
        sbx.run("stop")
        running.wait_for(r"\x1b\[\dF\x1b\[2Kno processes are running")
        running.interrupt()
        assert running.wait().code == 0


def test_a_cloud_is_asked_by_a_command(cloud: CloudSbx) -> None:
    cloud.write(TWO)
    cloud.run("up", "-d", "--wait")
    found = cloud.run("stats", "--no-stream", "--json").json
    assert {process["name"]: process["processes"] for process in found["processes"]} == {"web": 3, "db": 1}
