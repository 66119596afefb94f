from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.similar import did_you_mean, similar
from tests.support.cases import each_case

COMMANDS = ["up", "down", "start", "stop", "restart", "run", "ps", "logs", "why", "plan", "config"]


@each_case(
    "word,meant",
    [
        ("comand", "command"),
        ("commnad", "command"),
        ("proceses", "processes"),
        ("SIGTREM", "SIGTERM"),
        ("start_first", "start-first"),
        ("wbe", "web"),
        ("Web", "web"),
        ("dbb", "db"),
        ("depend_on", "depends_on"),
        ("healthcheck", "health_check"),
    ],
)
def test_slips_are_found(word: str, meant: str) -> None:
    assert similar(word, ["nothing", meant, "xyz"]) == [meant]


@each_case(
    "word,known",
    [
        ("top", "stop"),
        ("autostart", "restart"),
        ("cpuset", "user"),
        ("stop_command", "command"),
        ("success_threshold", "failure_threshold"),
        ("ls", "ps"),
        ("test", "exec"),
        ("db", "web"),
        ("", "x"),
    ],
)
def test_words_that_only_share_letters_are_not(word: str, known: str) -> None:
    assert similar(word, [known]) == []


def test_the_nearest_comes_first_and_their_number_is_limited() -> None:
    assert similar("worker", ["worker1", "workers2", "worker", "forker"]) == ["worker", "worker1", "forker"]


@each_case("word,meant", [("strat", "start"), ("sto", "stop"), ("lgos", "logs"), ("conifg", "config")])
def test_commands(word: str, meant: str) -> None:
    assert did_you_mean(word, COMMANDS) == f"did you mean `{meant}`?"
    assert did_you_mean("nonsense", COMMANDS, "otherwise") == "otherwise"


@given(st.text(max_size=12), st.text(max_size=12))
def test_it_is_the_same_from_both_sides(one: str, other: str) -> None:
    assert bool(similar(one, [other])) == bool(similar(other, [one]))
    assert similar(one, [one]) == [one]
