"""`scale`: another number of replicas, without an `up`; and `graph`, which needs no host."""

from __future__ import annotations

import os

import pytest

from tests.cli.looking import refused, rows
from tests.support.command import Sbx

FILE = """\
processes:
  db: {command: exec sleep 1000}
  web: {command: exec sleep 1000, depends_on: {db: started}}
  other: {command: exec sleep 1000}
"""


def running(sbx: Sbx) -> dict[str, int]:
    return {name: row["pid"] for name, row in rows(sbx).items() if row["pid"] is not None}


def test_replicas_are_started_and_stopped_and_what_runs_is_kept(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("scale", "web=2", "--wait")
    first = running(sbx)
    assert set(first) == {"db", "web.1", "web.2"} or set(first) == {"db", "web", "web.2"}, "other was not named"
    sbx.run("scale", "web=3")
    assert set(first.values()) < set(running(sbx).values())
    sbx.run("scale", "web=0", "db=1")
    assert running(sbx) == {"db": first["db"]}
    sbx.run("up", "-d")
    assert set(running(sbx)) == {"db", "web", "other"}, "the file counts again"


def test_an_attached_up_shows_replicas_that_are_added_elsewhere(sbx: Sbx) -> None:
    speak = "echo here; exec sleep 1000"
    sbx.write(f"processes: {{web: {{command: {speak!r}}}, two: {{command: {speak!r}}}, mute: {{command: {speak!r}}}}}")
    with sbx.start("up", "--no-attach", "mute") as up:
        up.wait_for(r"web +\| here")
        sbx.run("scale", "web=2", "mute=2")
        up.wait_for(r"web\.2 +\| here")
        up.wait_for(r"\* mute\.2 started by another command")
        sbx.run("scale", "web=1", "mute=1")
        up.wait_for(r"\* web\.2 stopped")
        up.interrupt()
        said = up.wait()
    assert "mute.2 " in said.stdout
    assert "| here" not in "".join(line for line in said.stdout.splitlines() if line.startswith("mute"))
    sbx.write(f"processes: {{web: {{command: {speak!r}, replicas: 2}}}}")
    with sbx.start("up", "web.1") as up:
        up.wait_for(r"web\.1 +\| here")
        sbx.run("scale", "web=3")
        sbx.run("stop", "web.1")
        said = up.wait()
    assert "web.3" not in said.stdout, "one replica alone was named"


@pytest.mark.parametrize("command", [("up",), ("up", "web"), ("logs", "-f")])
def test_the_first_replica_has_its_number_once_there_is_a_second(sbx: Sbx, command: tuple[str, ...]) -> None:
    for replica in (1, 2):
        os.mkfifo(sbx.project / f"words.{replica}")
    sbx.write("""
        processes:
          web: {command: 'printf "half "; while read -r word < words.$$SBXCOMPOSE_REPLICA; do echo $$word; done'}
          other: {command: sleep 1000}
    """)

    def say(replica: int, word: str) -> None:
        (sbx.project / f"words.{replica}").write_text(f"{word}\n")

    if command[0] == "logs":
        sbx.run("up", "-d")
    with sbx.start(*command) as stays:
        say(1, "one")
        stays.wait_for(r"web +\| half one")
        sbx.run("scale", "web=2")
        say(2, "two")
        stays.wait_for(r"web\.2 +\| half two")
        say(1, "three")
        stays.wait_for(r"web\.1 +\| three")
        stays.interrupt()
        stays.wait()


def test_logs_follow_replicas_and_processes_that_are_added(sbx: Sbx) -> None:
    speak = "echo here; exec sleep 1000"
    file = f"processes: {{web: {{command: {speak!r}}}, mute: {{command: {speak!r}}}, "
    sbx.write(f"{file}}}")
    sbx.run("up", "-d")
    every, named, others = ("logs", "-f"), ("logs", "-f", "web"), ("logs", "-f", "--exclude", "mu*")
    with sbx.start(*every) as all_of_them, sbx.start(*named) as of_web, sbx.start(*others) as not_mute:
        for following in (all_of_them, of_web, not_mute):
            following.wait_for(r"web +\| here")
        sbx.run("scale", "web=2", "mute=2")
        sbx.write(f"{file}more: {{command: {speak!r}}}}}")
        sbx.run("up", "-d", "--scale", "web=3")
        of_web.wait_for(r"web\.3 +\| here")
        not_mute.wait_for(r"more +\| here")
        not_mute.wait_for(r"web\.3 +\| here")
        for name in (r"mute\.2", "more", r"web\.2", r"web\.3"):
            all_of_them.wait_for(rf"{name} +\| here")
        assert "mute" not in of_web.everything + not_mute.everything
        assert "more" not in of_web.everything


def test_bad_numbers_are_refused(sbx: Sbx) -> None:
    sbx.write(FILE)
    assert "expected PROCESS=NUMBER" in refused(sbx, "scale", "web")
    assert "nix" in refused(sbx, "scale", "nix=2")
    assert "missing PROCESS" in refused(sbx, "scale")
    assert "`--wait-timeout` needs `--wait`" in refused(sbx, "scale", "web=2", "--wait-timeout", "5")
    assert not running(sbx)


def test_a_graph_of_the_file_is_drawn(dry: Sbx) -> None:
    dry.write(FILE)
    assert dry.run("graph").stdout == "web\n└── db (started)\nother\n"
    assert dry.run("graph", "other").stdout == "other\n"
    assert dry.run("graph", "web", "--format", "mermaid").stdout == (
        'flowchart LR\n  p1["db"]\n  p2["web"]\n  p2 -->|started| p1\n'
    )
    assert '"web" -> "db" [label="started"];' in dry.run("graph", "--format", "dot").stdout
    assert [row["process"] for row in dry.run("graph", "--json").json] == ["db", "web", "other"]
    assert "exclude each other" in refused(dry, "graph", "--json", "--format", "dot")
