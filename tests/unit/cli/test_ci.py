"""Reports for CI systems."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sbxcompose.cli.ci_formats import (
    VerdictReport,
    annotation,
    mistake_annotations,
    on_github,
    section_begin,
    section_end,
    summary,
    verdict_annotations,
)
from sbxcompose.cli.ci_log import CiLog, in_ci
from sbxcompose.cli.context import GlobalOptions, Shell
from sbxcompose.cli.publish import Publisher
from sbxcompose.cli.style import Style
from sbxcompose.cli.view.errors import show_error
from sbxcompose.cli.view.verdict import verdict_lines
from sbxcompose.engine.events import BecameReady, EngineEvent, StepDone
from sbxcompose.errors import DeadlinePassed, InvalidSpec, Mistake, SpecNotFound
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.outcomes import Failed, Report, Success
from sbxcompose.plan.steps import Start, Step
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import process
from tests.unit.plan.test_timings import DB, SHOP

API = Report(Instance("main", "api"), "api", "exited with code 3", lines=("boom | <x>", "a\x00b ```"))
WEB = Report(Instance("main", "web"), "web", "waits for api", waits_for=("api",))
FAILED = Failed((API,), (WEB,))
COLOURED = Report(Instance("main", "api"), "api", "failed", lines=("\x1b[31mred\x1b[0m",))


def test_where_annotations_are_shown() -> None:
    assert on_github({"GITHUB_ACTIONS": "true"})
    assert not on_github({"GITHUB_ACTIONS": "false"})
    assert not on_github({})


@pytest.mark.parametrize(
    "given,expected",
    [
        (annotation("it failed"), "::error::it failed"),
        (annotation("50%\nof it", title="web: a, b"), "::error title=web%3A a%2C b::50%25%0Aof it"),
        (annotation("no", file="a.yaml", line=3, column=7), "::error file=a.yaml,line=3,col=7::no"),
    ],
)
def test_annotations_are_escaped(given: str, expected: str) -> None:
    assert given == expected


def test_mistakes_are_shown_beside_their_lines() -> None:
    error = InvalidSpec(
        [Mistake("unknown key `comand`", file="sbxcompose.yaml", line=3, column=5, hint="try `command`")]
    )
    assert mistake_annotations(error, "/repo/app", "/repo") == [
        "::error file=app/sbxcompose.yaml,line=3,col=5::unknown key `comand`%0Atry `command`"
    ]


def test_only_causes_are_annotated() -> None:
    assert [text.partition("::api")[0] for text in verdict_annotations(FAILED)] == ["::error title=api failed"]
    assert verdict_annotations(Success(1, 0)) == []
    places = {API.instance: ("/repo/app/sbxcompose.yaml", 4)}
    (text,) = verdict_annotations(FAILED, places.get, "/repo")
    assert text.startswith("::error title=api failed,file=app/sbxcompose.yaml,line=4::api exited")


def test_a_file_with_mistakes_has_a_summary_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "page.md"))
    show_error(InvalidSpec([Mistake("`a|b` is wrong", file="sbxcompose.yaml", line=3, column=5, hint="try `c`")]))
    assert "| sbxcompose.yaml:3 | `a\\|b` is wrong | try `c` |\n" in (tmp_path / "page.md").read_text()
    assert "::error file=" in capsys.readouterr().err


def test_an_error_without_a_place_is_annotated_and_one_that_scripts_expect_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "page.md"))
    show_error(SpecNotFound("no `sbxcompose.yaml` here", hint="100% sure?"))
    assert "\n::error title=sbxcompose::no `sbxcompose.yaml` here%0A100%25 sure?\n" in capsys.readouterr().err
    shown = (tmp_path / "page.md").read_text()
    assert shown == "### sbxcompose: error\n\nno `sbxcompose.yaml` here\n\n100% sure?\n"
    show_error(DeadlinePassed("timed out"))
    assert "::error" not in capsys.readouterr().err


def test_a_command_that_is_interrupted_leaves_no_empty_report(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.xml"
    Publisher(Shell(GlobalOptions()), str(path))
    assert path.parent.is_dir()
    assert not path.exists()


def test_a_summary_is_a_table_with_the_last_lines() -> None:
    text = summary(VerdictReport("shop", FAILED, ["db", "api", "web"], 2.34, {"db": 1.26}))
    assert text.startswith("### sbxcompose: shop failed after 2.3 s\n")
    rows = [
        "| db | :white_check_mark: | 1.3 s |",
        "| api | :x: exited with code 3 |  |",
        "| web | :white_circle: waits for api |  |",
    ]
    assert "\n".join(rows) in text
    slow = summary(VerdictReport("shop", FAILED, ["slow", "api"], 2.34, unready=["slow", "api"]))
    assert "| slow | :white_circle: was not ready yet |  |\n| api | :x: exited with code 3 |" in slow
    assert text.count("```") == 2, "output cannot end the block"
    assert "\nred\n" in summary(VerdictReport("shop", Failed((COLOURED,), ()), ["api"], 1))
    assert verdict_annotations(Failed((COLOURED,), ())) == ["::error title=api failed::api failed%0Ared"]
    assert "succeeded after" in summary(VerdictReport("shop", Success(1, 0), ["db"], 1))


def test_sections_are_what_each_system_folds() -> None:
    github, gitlab = {"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}
    title = "output of app/web"
    assert (section_begin(github, title, 9.7), section_end(github, title, 9.7)) == (f"::group::{title}", "::endgroup::")
    assert section_begin(gitlab, title, 9.7) == f"\x1b[0Ksection_start:9:output_of_app_web\r\x1b[0K{title}"
    assert section_begin(gitlab, "timings", 9.7, collapsed=True) == (
        "\x1b[0Ksection_start:9:timings[collapsed=true]\r\x1b[0Ktimings"
    )
    assert section_end(gitlab, title, 12.0) == "\x1b[0Ksection_end:12:output_of_app_web\r\x1b[0K"
    assert section_begin({"CI": "true"}, title, 9.7) is section_end({"CI": "true"}, title, 9.7) is None


@each_case(
    "environ, expected",
    [({}, False), ({"CI": "false"}, False), ({"CI": "1"}, True), ({"CI": "True"}, True), ({"GITLAB_CI": "true"}, True)],
)
def test_a_ci_system_is_recognised(environ: dict[str, str], expected: bool) -> None:
    assert in_ci(environ) is expected


def test_a_log_of_ci_has_sections_and_times_and_another_none() -> None:
    for environ, marks in (({"GITHUB_ACTIONS": "true"}, ["::group::a", "::endgroup::"]), ({}, [])):
        written: list[str] = []
        log = CiLog(written.append, environ)
        with log.section("a"):
            assert bool(log.elapsed()) is bool(marks)
        log.end()
        assert written == marks


class TimedSession:
    """Hands on events; its clock stands still."""

    project = SHOP
    began = 100.0

    class clock:
        @staticmethod
        def now() -> float:
            return 103.5

    def listen(self, hear: Callable[[EngineEvent], None]) -> None:
        self.emit = hear


@pytest.mark.parametrize("asked", [False, True])
def test_a_bring_up_is_timed_where_a_report_or_a_person_wants_that(tmp_path: Path, asked: bool) -> None:
    publisher = Publisher(Shell(GlobalOptions()), str(tmp_path / "r.xml") if asked else None)
    session: Any = TimedSession()
    publisher.watch(session)
    assert (publisher.timings(session) is not None) is asked or in_ci(os.environ)
    if asked:
        session.emit(StepDone(Step(1, Start(process("db"), DB, "db.1"), "db", "not running")))
        session.emit(BecameReady(DB))
        found = publisher.timings(session)
        assert found is not None
        assert [(timing.label, timing.started, timing.ready) for timing in found.all] == [("db", 3.5, 3.5)]
        publisher.publish(session, [DB], Success(1, 0), 3.5)
        assert 'name="db" time="0.000"' in (tmp_path / "r.xml").read_text()


def test_what_was_ready_just_before_a_failure_is_not_skipped_in_a_report(tmp_path: Path) -> None:
    publisher = Publisher(Shell(GlobalOptions()), str(tmp_path / "r.xml"))
    session: Any = TimedSession()
    publisher.watch(session)
    session.emit(StepDone(Step(1, Start(process("db"), DB, "db.1"), "db", "not running")))
    session.emit(BecameReady(DB))
    publisher.decided(session, FAILED)
    # The seconds that are shown may count from a later beginning than the session's.
    publisher.publish(session, [DB], FAILED, 3.4)
    assert 'name="db" time="0.000"/>' in (tmp_path / "r.xml").read_text()


def test_last_lines_have_colours_only_where_ours_are_on() -> None:
    plain, coloured = (verdict_lines(Failed((COLOURED,), ()), 1.0, Style(enabled)) for enabled in (False, True))
    assert "\x1b" not in "".join(plain)
    assert "\x1b[31mred" in "".join(coloured)
