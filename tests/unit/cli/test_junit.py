"""JUnit reports: what they say, and that the schemas of those who read them are content."""

from __future__ import annotations

from hypothesis import given, strategies

from sbxcompose.cli.ci_formats import VerdictReport, junit
from sbxcompose.cli.publish import took_until
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.outcomes import Failed, Report, Success, TimedOut
from sbxcompose.plan.timings import Timing
from tests.support.cases import each_case
from tests.support.junit_schema import validated
from tests.unit.cli.test_ci import API, COLOURED, FAILED, WEB

HOSTILE = {
    "every control character": "".join(map(chr, range(32))) + "\x7f\x85\u2028",
    "end of CDATA": "<![CDATA[ ]]> ]]&gt; &amp; &#0; <!-- --",
    "no UTF-8": b"caf\xe9 \xff\xfe \xed\xa0\x80".decode(errors="surrogateescape"),
    "no characters": "\ufffe \uffff \ud800 \U0010ffff",
    "markup": "</failure></testcase><testcase name='forged'/> <?xml version='9'?> <!DOCTYPE x [<!ENTITY a 'b'>]> &a;",
    "escape sequences": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "a long line": "x" * 100_000,
}


def test_a_case_says_how_long_it_took() -> None:
    root = validated(junit(VerdictReport("shop", Success(1, 0), ["db", "web"], 2.0, {"db": 1.2345})))
    assert [case.attrib["time"] for case in root.findall("testcase")] == ["1.234", "0.000"]


def test_what_ran_into_the_timeout_took_until_then() -> None:
    """A one-shot that no other waits for counts as started after one second."""
    job, crashed = (
        Timing(Instance("main", name), name, 0.5, 1.5, ended=ended) for name, ended in (("job", None), ("api", 2.0))
    )
    causes = tuple(Report(timing.instance, timing.label, "failed") for timing in (job, crashed))
    before = Report(Instance("main", "old"), "old", "has been running for 60 s, not completed yet")
    assert took_until([job, crashed], TimedOut((*causes, before)), 3.0) == {"job": 2.5, "api": 1.5, "old": 3.0}
    assert took_until([job], Success(1, 0), 3.0) == {"job": 1.0}


def test_a_report_says_what_failed_and_what_was_held_up() -> None:
    text = junit(VerdictReport('s"hop', FAILED, ["db", "api", "web"], 2.0), began=86_400.5, machine="runner-7")
    root = validated(text)
    assert root.attrib == {
        "name": 's"hop', "tests": "3", "failures": "1", "skipped": "1", "errors": "0", "time": "2.000",
        "timestamp": "1970-01-02T00:00:00", "hostname": "runner-7",
    }  # fmt: skip
    cases = {case.attrib["name"]: [child.tag for child in case] for case in root.findall("testcase")}
    assert cases == {"db": [], "api": ["failure"], "web": ["skipped"]}
    failure = root.find("testcase/failure")
    assert failure is not None
    assert failure.attrib == {"type": "failed", "message": "api exited with code 3"}
    assert failure.text == "boom | <x>\nab ```"


def test_what_was_not_ready_is_skipped_and_no_success() -> None:
    root = validated(junit(VerdictReport("shop", FAILED, ["slow", "api"], 2.0, unready={"slow", "api"})))
    assert (root.attrib["failures"], root.attrib["skipped"]) == ("1", "1")
    assert [[child.tag for child in case] for case in root.findall("testcase")] == [["skipped"], ["failure"]]


def test_a_timeout_is_a_failure_of_what_was_not_ready() -> None:
    root = validated(junit(VerdictReport("shop", TimedOut((API,)), ["api"], 9)))
    assert root.attrib["failures"] == "1"


def test_colours_are_left_out() -> None:
    assert (
        validated(junit(VerdictReport("shop", Failed((COLOURED,), ()), ["api"], 1.0))).findtext("testcase/failure")
        == "red"
    )


@each_case("seconds", [0.0, 999.9994, 1000.0, 1_234_567.0])
def test_times_are_plain_numbers(seconds: float) -> None:
    validated(junit(VerdictReport("shop", Success(1, 0), ["db"], seconds, {"db": seconds})))


@each_case("output", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_output_breaks_a_report(output: str) -> None:
    api = Report(Instance("main", "api"), "api", f"failed: {output}", lines=(output, "the end"))
    root = validated(junit(VerdictReport("shop", Failed((api,), (WEB,)), ["api", "web"], 1.0)).encode())
    assert [case.attrib["name"] for case in root.findall("testcase")] == ["api", "web"]
    failure = root.find("testcase/failure")
    assert failure is not None
    assert (failure.text or "").endswith("the end")
    assert failure.attrib["message"].startswith("api failed: ")


@given(strategies.text(strategies.characters(exclude_categories=())), strategies.text())
def test_any_text_can_be_in_a_report(line: str, doing: str) -> None:
    api = Report(Instance("main", "api"), "api", doing, lines=(line,))
    validated(junit(VerdictReport("shop", Failed((api,), ()), ["api"], 1.0)).encode())
