"""What CI systems get: a JUnit file, and annotations and a summary under GitHub Actions."""

from __future__ import annotations

import json

import pytest

from tests.cli.looking import FOREVER, order_of
from tests.support.command import Sbx
from tests.support.junit_schema import validated

BROKEN = """\
processes:
  db: {command: "echo up; exec sleep 1000", ready_when: {log: up}}
  api: {command: "echo boom; exit 3", restart: never, depends_on: [db]}
  web: {command: "exec sleep 1000", depends_on: {api: completed}}
"""


def results(sbx: Sbx, name: str = "out/report.xml") -> dict[str, str]:
    """The result of each test case of a report."""
    root = validated((sbx.project / name).read_bytes())
    return {case.attrib["name"]: case[0].tag if len(case) else "passed" for case in root.findall("testcase")}


def test_a_bring_up_as_a_junit_report(sbx: Sbx) -> None:
    sbx.write(BROKEN)
    sbx.run("up", "--wait", "--junit", "out/report.xml", code=1)
    assert results(sbx) == {"db": "passed", "api": "failure", "web": "skipped"}
    assert "boom" in (sbx.project / "out/report.xml").read_text()


def test_output_that_is_not_text_is_in_the_report_all_the_same(sbx: Sbx) -> None:
    hostile = r"printf 'a\\000\\033[31m \\377\\376 ]]> </failure> \\001\\n'; exit 3"
    sbx.write(f"processes: {{api: {{command: [sh, -c, {json.dumps(hostile)}], restart: never}}}}\n")
    sbx.run("up", "--wait", "--junit", "out/report.xml", code=1)
    assert results(sbx) == {"api": "failure"}
    failure = validated((sbx.project / "out/report.xml").read_bytes()).findtext("testcase/failure") or ""
    assert "]]> </failure>" in failure
    assert failure.startswith("a")


@pytest.mark.parametrize("exit_code, result", [(0, "passed"), (7, "failure")])
def test_a_test_run_as_a_junit_report(sbx: Sbx, exit_code: int, result: str) -> None:
    sbx.write(f"processes: {{tests: {{command: 'exit {exit_code}', restart: never}}}}\n")
    sbx.run("up", "--exit-code-from", "tests", "--junit", "r.xml", code=exit_code)
    assert results(sbx, "r.xml") == {"tests": result}


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["-d", "--junit", "r.xml"], "needs `--wait`"),
        (["--wait", "--junit", "/dev/null/x"], "cannot write /dev/null/x"),
    ],
)
def test_a_report_that_cannot_be_written_is_reported_before_anything_starts(
    sbx: Sbx, arguments: list[str], words: str
) -> None:
    sbx.write(BROKEN)
    assert words in sbx.run("up", *arguments, code=2).stderr
    assert {process["pid"] for process in sbx.run("ps", "--json", "-a").json} == {None}


def test_github_shows_what_failed(sbx: Sbx) -> None:
    sbx.write(BROKEN)
    page = sbx.project / "summary.md"
    done = sbx.run("up", "--wait", code=1, env={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(page)})
    assert "::error title=api failed,file=sbxcompose.yaml,line=3::api exited with code 3%0Aboom" in done.stderr
    assert "| api | :x: exited with code 3 |" in page.read_text()


def test_the_log_is_folded_and_ends_with_what_failed(sbx: Sbx) -> None:
    sbx.write(BROKEN)
    said = sbx.run("up", "--wait", code=1, env={"GITLAB_CI": "true"}).stderr
    order_of(
        said,
        "section_start:",
        "s] api exited with code 3",
        "section_end:",
        "timings[collapsed=true]",
        "failed after",
        "  api exited with code 3",
        "    | boom",
        "held up:",
        "  web waits for api",
        "hint: reproduce it with `sbxcompose up api`",
    )


def test_why_shows_the_timings_of_the_last_up(sbx: Sbx) -> None:
    sbx.write(f"processes: {{db: {{command: 'echo ok; {FOREVER}', ready_when: {{log: ok}}}}}}\n")
    assert "no `up` of this project is recorded" in sbx.run("why", "--timings", code=2).stderr
    assert "critical path" in sbx.run("up", "--wait", "--timings").stderr
    shown = sbx.run("why", "--timings", "--json").json
    assert [part["name"] for part in shown["critical_path"]] == ["db"]
    assert shown["processes"][0]["ready"] >= shown["processes"][0]["started"] > 0
    assert "critical path" in sbx.run("why", "--timings").stdout


def test_an_up_that_ends_before_all_is_ready_shows_its_timings(sbx: Sbx) -> None:
    sbx.write(
        f"processes:\n  db: {{command: 'echo ok; {FOREVER}', ready_when: {{log: ok}}}}\n"
        r"""  tests: {command: "printf '\\033[31mred\\n'; exit 7", restart: never, depends_on: [db]}"""
        "\n"
    )
    done = sbx.run("up", "--exit-code-from", "tests", "--timings", code=7, env={"CI": "true"})
    order_of(done.stdout, "critical path", "(not ready)", "stopping the others")
    order_of(done.stderr, "tests exited with code 7", "| red")
    assert "\x1b" not in done.stderr + sbx.run("why", "tests", code=None).stdout


def test_github_shows_mistakes_beside_their_lines(dry: Sbx) -> None:
    dry.write("processes:\n  web: {comand: x}\n")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(dry.project.parent)}
    said = dry.run("config", code=2, env=env).stderr
    assert f"::error file={dry.project.name}/sbxcompose.yaml,line=2,col=9::unknown key `comand`" in said


def test_elsewhere_nothing_is_annotated(dry: Sbx) -> None:
    dry.write("processes:\n  web: {comand: x}\n")
    assert "::error" not in dry.run("config", code=2, env={"GITHUB_ACTIONS": ""}).stderr
