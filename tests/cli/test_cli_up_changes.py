"""What a changed file, or an option, makes `up` do anew; everything else keeps its process."""

from __future__ import annotations

import pytest

from tests.cli.looking import FOREVER, Gate, alive, order_of, pids, refused, rows, runs, same
from tests.support.command import Result, Sbx


def three(*, env: str = "1", restart: bool = False, dependents: bool = False) -> str:
    """`db`, `web` that needs it, and `other`; the value of db's variable, and who follows its restarts."""
    return f"""
processes:
  db: {{command: {FOREVER}, env: {{A: "{env}"}}, restart_dependents: {str(dependents).lower()}}}
  web: {{command: {FOREVER}, depends_on: {{db: {{condition: started, restart: {str(restart).lower()}}}}}}}
  other: {{command: {FOREVER}}}
"""


@pytest.mark.parametrize(
    "restart, dependents, kept",
    [(False, False, {"web", "other"}), (True, False, {"other"}), (False, True, {"other"})],
    ids=["alone", "restart-true", "restart-dependents"],
)
def test_a_changed_value_replaces_that_process_and_those_that_follow_it(
    sbx: Sbx, restart: bool, dependents: bool, kept: set[str]
) -> None:
    sbx.write(three(restart=restart, dependents=dependents))
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.write(three(env="2", restart=restart, dependents=dependents))
    up = sbx.run("up", "-d")
    after = pids(sbx)
    assert set(after) == {"db", "web", "other"}
    assert same(before, after) == kept
    assert not alive(before["db"])
    if "web" not in kept:
        order_of(up.stderr, "web stopped", "db stopped", "db started", "web started")
    assert runs(sbx) == {name: 1 if name in kept else 2 for name in after}


def test_a_value_that_changes_in_the_shell_or_in_dot_env_counts(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}, env: {{A: '${{A:-1}}'}}}}, b: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    first = pids(sbx)
    sbx.write("A=2\n", ".env")
    sbx.run("up", "-d")
    second = pids(sbx)
    assert same(first, second) == {"b"}
    sbx.run("up", "-d", env={"A": "3"})
    assert same(second, pids(sbx)) == {"b"}


def test_what_the_file_does_not_say_is_not_a_change(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d", env={"UNRELATED": "1"})
    before = pids(sbx)
    sbx.write(f"# a comment\nprocesses:\n  web:\n    command: {FOREVER}\n")
    assert "nothing to do" in sbx.run("up", "-d", env={"UNRELATED": "2"}).stderr
    assert pids(sbx) == before


def test_a_process_that_is_taken_out_is_an_orphan_until_it_is_removed(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, old: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    up = sbx.run("up", "-d")
    assert "old" in up.stderr
    assert "--remove-orphans" in up.stderr
    assert pids(sbx) == before
    assert rows(sbx)["old"]["orphan"] is True
    assert "running, orphan" in sbx.run("ps").stdout
    assert "running, orphan" in sbx.run("ps", "old").stdout
    assert "old is no longer in the file" in sbx.run("why", "old", code=1).stdout
    down = sbx.run("down")
    assert set(pids(sbx)) == {"old"}
    assert "old" in down.stderr
    sbx.run("up", "-d", "--remove-orphans")
    assert set(pids(sbx)) == {"web"}
    assert not alive(before["old"])


def test_down_removes_orphans_when_asked(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, old: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    sbx.run("down", "--remove-orphans")
    assert pids(sbx) == {}


def test_no_recreate_starts_what_is_missing_and_names_what_has_changed(sbx: Sbx) -> None:
    text = f"processes: {{web: {{command: {FOREVER}, env: {{A: '%s'}}}}, db: {{command: {FOREVER}}}}}"
    sbx.write(text % 1)
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.run("stop", "db")
    sbx.write(text % 2)
    assert "start db" in sbx.run("plan", "--no-recreate").stdout
    said = sbx.run("up", "-d", "--no-recreate", "--wait").stderr
    assert "web runs an older definition; `sbxcompose up web` replaces it" in said
    assert "2 processes ready" in said
    assert pids(sbx)["web"] == before["web"]
    with sbx.start("up", "--no-recreate") as up:
        up.wait_for("web runs an older definition")
        up.wait_for("already up to date")
        up.interrupt()
        assert up.wait().code == 130


@pytest.mark.parametrize("command", [["up"], ["plan"]])
def test_options_that_contradict_no_recreate_are_refused(sbx: Sbx, command: list[str]) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}")
    for other in ("--force-recreate", "--always-recreate-deps", "--recreate-sandboxes"):
        assert f"cannot be used with `{other}`" in refused(sbx, *command, "--no-recreate", other)
    assert "`--no-deps` leaves" in refused(sbx, *command, "--no-deps", "--always-recreate-deps", "web")


def test_force_recreate_gives_everything_a_new_run(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  job: {{command: "true", restart: never}}
  web: {{command: {FOREVER}, depends_on: {{job: completed}}}}
  other: {{command: {FOREVER}}}
""")
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.run("up", "-d", "--force-recreate", "web", "--no-deps")
    assert runs(sbx) == {"job": 1, "web": 2, "other": 1}
    assert same(before, pids(sbx)) == {"other"}
    sbx.run("up", "-d", "--force-recreate")
    assert runs(sbx) == {"job": 2, "web": 3, "other": 2}


def test_start_first_stops_the_old_one_only_once_the_new_one_is_ready(sbx: Sbx) -> None:
    gate = Gate(sbx)

    def file(version: str) -> str:
        return f"""
processes:
  web: {{command: "read _ < gate; echo {version} ready; {FOREVER}", update: start-first, ready_when: {{log: ready}}}}
"""

    sbx.write(file("one"))
    with sbx.start("up", "-d", "--wait") as up:
        gate.open()
        assert up.wait().code == 0
    old = pids(sbx)["web"]
    sbx.write(file("two"))
    with sbx.start("up", "-d") as up:
        up.wait_for("web started")
        assert alive(old)
        gate.open()
        done = up.wait()
    assert done.code == 0
    order_of(done.stderr, "web started", "web is ready", "web stopped")
    assert not alive(old)
    assert pids(sbx)["web"] != old
    assert sbx.run("logs", "--all", "--no-log-prefix").stdout == "one ready\ntwo ready\n"


def failing_update(sbx: Sbx) -> tuple[Result, dict[str, int]]:
    """An update with `start-first` whose new process fails: what `up` said, and what ran before."""

    def file(command: str) -> str:
        return f"""
processes:
  web: {{command: "{command}", update: start-first, ready_when: {{log: ready}}, restart: never}}
"""

    sbx.write(file(f"echo ready; {FOREVER}"))
    sbx.run("up", "-d")
    old = pids(sbx)
    sbx.write(file("echo no such luck; exit 1"))
    return sbx.run("up", "-d", code=1), old


def test_start_first_keeps_the_old_one_when_the_new_one_fails(sbx: Sbx) -> None:
    up, old = failing_update(sbx)
    assert "web exited with code 1" in up.stderr
    assert pids(sbx) == old


def test_a_failed_start_first_shows_the_last_lines_of_the_new_run(sbx: Sbx) -> None:
    up, _ = failing_update(sbx)
    assert "no such luck" in up.stderr


def test_an_invalid_scale_is_refused(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    assert "PROCESS=NUMBER" in refused(sbx, "up", "-d", "--scale", "web=many")
    assert "nix" in refused(sbx, "up", "-d", "--scale", "nix=2")
    assert pids(sbx) == {}


def test_a_file_laid_over_another_changes_only_what_it_says(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, db: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.write("processes: {web: {env: {A: '2'}}}\n", "sbxcompose.override.yaml")
    sbx.run("up", "-d")
    after = pids(sbx)
    assert same(before, after) == {"db"}
    sbx.run("-f", "sbxcompose.yaml", "up", "-d")
    assert same(after, pids(sbx)) == {"db"}


def test_two_ups_at_once_start_nothing_twice(sbx: Sbx) -> None:
    names = [f"p{number}" for number in range(8)]
    sbx.write("processes:\n" + "".join(
        f"  {name}: {{command: 'echo mine; {FOREVER}', ready_when: {{log: mine}}}}\n" for name in names
    ))  # fmt: skip
    both = [sbx.start("up", "-d", "--wait") for _ in range(3)]
    results = [item.wait() for item in both]
    assert [result.code for result in results] == [0, 0, 0], "\n".join(map(str, results))
    assert len(pids(sbx)) == 8
    assert set(runs(sbx).values()) == {1}
    assert sorted(sbx.run("logs").stdout.splitlines()) == [f"{name} | mine" for name in names]


def test_two_ups_at_once_replace_a_changed_process_by_one(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}, env: {{A: '1'}}}}}}\n")
    sbx.run("up", "-d")
    sbx.write(f"processes: {{web: {{command: 'echo new; {FOREVER}', env: {{A: '2'}}, ready_when: {{log: new}}}}}}\n")
    for item in [sbx.start("up", "-d", "--wait") for _ in range(2)]:
        assert item.wait().code == 0
    listed = [row for row in sbx.run("ps", "--json").json if row["pid"]]
    assert len(listed) == 1
    assert "nothing to do" in sbx.run("up", "-d").stderr
    assert sbx.run("logs", "--no-log-prefix").stdout == "new\n"
