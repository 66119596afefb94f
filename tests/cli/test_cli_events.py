"""`events`: live, from the record, and for programs."""

from __future__ import annotations

from tests.cli.looking import FOREVER, json_lines, refused
from tests.support.command import Sbx

FILE = f"processes: {{web: {{command: {FOREVER}}}, job: {{command: exit 3, restart: never}}}}\n"


def test_live_and_from_the_record(sbx: Sbx) -> None:
    sbx.write(FILE)
    with sbx.start("events", "web") as running:  # before there is a sandbox
        running.wait_for("sandbox main does not exist yet")
        sbx.run("up", "-d")
        running.wait_for(r"(?s)\* start web: .*web started \(run 1\)")
        running.interrupt()
        assert running.wait().code == 0
    sbx.run("wait", "--for", "exit", "job", code=3)
    with sbx.start("events", "--since", "1h") as running:
        running.wait_for(r"job exited with code 3 \(run 1\)")
        running.wait_for(r"\* start web: ")
        sbx.run("restart", "web")
        running.wait_for(r"(?s)\* stop web: restart was asked for.*\* start web: restart was asked for")
        running.wait_for(r"(?s)start web: restart was asked for.*web started \(run 2\)")
        running.interrupt()
        assert running.wait().code == 0
    found = json_lines(sbx.run("events", "--json", "--since", "1h", "--until", "0s", "web").stdout)
    assert {event["name"] for event in found} == {"web"}
    assert [event["time"] for event in found] == sorted(event["time"] for event in found)
    runs = [(event["action"], event["run"]) for event in found if event["type"] == "process"]
    assert runs == [("started", 1), ("exited", 1), ("started", 2)]
    told = [(event["action"], event.get("result") or event["run"]) for event in found]
    assert [pair for pair in told if pair[1] != "done"] == [
        ("start", "begun"),
        ("started", 1),
        ("stop", "begun"),
        ("exited", 1),
        ("start", "begun"),
        ("started", 2),
    ], "what was decided comes before what it caused"
    shown = sbx.run("events", "--since", "1h", "--until", "0s", "web").stdout
    assert ": done" not in shown


def test_mistakes(sbx: Sbx) -> None:
    sbx.write(FILE)
    assert "invalid value `soon` for `--until`" in refused(sbx, "events", "--until", "soon")
    assert "before" in refused(sbx, "events", "--since", "1s", "--until", "1h")
    assert "wbe" in refused(sbx, "events", "--since", "1h", "wbe")
