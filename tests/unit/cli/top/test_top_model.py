"""What keys, clicks and news make of what `top` shows."""

from __future__ import annotations

from sbxcompose.cli.top.draw import screen
from sbxcompose.cli.top.keys import COMMANDS, KEYS
from sbxcompose.cli.top.model import _COMMANDS, TopModel
from sbxcompose.cli.top.requests import Pane, TopAction, TopRequest
from sbxcompose.cli.top.spans import plain
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance
from tests.support.cases import each_case
from tests.unit.cli.top.project import ENTRIES, NOW, model

WEB = Instance("main", "web")


def drawn(shown: TopModel, width: int = 80, height: int = 24) -> str:
    return "\n".join(plain(line) for line in screen(shown, width, height, NOW))


def press(shown: TopModel, *keys: str) -> list[TopRequest]:
    drawn(shown)
    return [request for key in keys for request in shown.press(key)]


def flooded(count: int = 100) -> TopModel:
    made = model()
    for number in range(count):
        made.logs.add("web", 1, f"line {number}", f"line {number}")
    return made


def test_every_key_has_a_meaning_and_a_command_of_the_model() -> None:
    assert set(COMMANDS.values()) == set(_COMMANDS)
    names = [name for key in KEYS for name in key.keys]
    assert len(names) == len(set(names))


@each_case(
    "key, action",
    [
        ("s", TopAction.START),
        ("x", TopAction.STOP),
        ("r", TopAction.RESTART),
        ("t", TopAction.SHELL),
        ("o", TopAction.OPEN),
        ("w", TopAction.WHY),
    ],
)
def test_keys_ask_for_something_to_be_done_to_the_selected_process(key: str, action: TopAction) -> None:
    shown = model()
    assert press(shown, key) == [TopRequest(action, WEB)]
    assert press(shown, "down", "down", key) == [TopRequest(action, Instance("main", "worker", 2))]


def test_keys_for_the_project() -> None:
    shown = model()
    assert press(shown, "u", "p", "S", "m", "q") == [
        *(TopRequest(TopAction.UP), TopRequest(TopAction.PLAN), TopRequest(TopAction.STATS)),
        *(TopRequest(TopAction.MOUSE), TopRequest(TopAction.LEAVE)),
    ]
    assert (shown.measured, shown.mouse) == (False, False)
    assert press(shown, "§", "f12") == []


def test_nothing_is_asked_for_where_there_is_no_process() -> None:
    empty = TopModel("shop", "local")
    assert press(empty, "s", "x", "K", "down", "w", "o") == []
    assert empty.prompt is None
    assert "no processes" in drawn(empty)


def test_the_selection_stays_with_its_process_and_at_the_edges() -> None:
    shown = model()
    press(shown, "up", "up")
    assert shown.selected == WEB
    press(shown, *["j"] * 20)
    assert shown.selected == ENTRIES[-1].instance
    shown.update(ENTRIES[::-1])
    assert shown.selected == ENTRIES[-1].instance
    shown.update(ENTRIES[:2])
    assert shown.selected == WEB
    shown.update([])
    assert shown.selected is None


def test_why_follows_the_selection() -> None:
    shown = model()
    shown.show(Pane.WHY, ["web is fine"])
    assert press(shown, "down") == [TopRequest(TopAction.WHY, Instance("main", "worker", 1))]
    press(shown, "escape")
    assert shown.pane is Pane.LOGS


def test_logs_of_one_or_of_all() -> None:
    shown = model()
    assert "waiting for jobs" in drawn(shown)
    press(shown, "l")
    assert "waiting for jobs" not in drawn(shown)
    assert "logs of web " in drawn(shown)
    press(shown, "a")
    assert "waiting for jobs" in drawn(shown)


def test_a_filter_is_applied_while_typing_and_ended_by_escape() -> None:
    shown = model()
    press(shown, "f", *"jobs")
    assert "waiting for jobs" in drawn(shown)
    assert "GET /" not in drawn(shown)
    press(shown, "backspace", "ctrl+u", *"!jobs", "enter")
    assert "waiting for jobs" not in drawn(shown)
    press(shown, "f", *"GET", "escape")
    assert shown.filter == "!jobs"
    press(shown, "escape")
    assert shown.filter == ""
    press(shown, "f", *"nowhere")
    assert "no line contains nowhere" in drawn(shown)


def test_a_search_finds_older_lines_while_typing_and_then_the_next() -> None:
    shown = flooded()
    press(shown, "/", *"line 4")
    assert "line 49" in drawn(shown)
    assert shown.view.found is not None
    found = shown.view.found
    press(shown, "enter", "n")
    assert shown.view.found == found - 1
    press(shown, "N")
    assert shown.view.found == found
    press(shown, "N")
    assert shown.message is not None
    assert shown.message.bad
    press(shown, "escape")
    assert shown.search == ""
    press(shown, "/", *"absent")
    assert "no line contains absent" in drawn(shown)


def test_scrolling_stays_where_it_is_and_the_end_follows_again() -> None:
    shown = flooded()
    press(shown, "pageup")
    before = drawn(shown)
    assert "line 99" not in before
    assert "paused" in before
    shown.logs.add("web", 1, "new", "new")
    assert drawn(shown) == before
    press(shown, *["pagedown"] * 3)
    assert "new" in drawn(shown)
    assert "following" in drawn(shown)
    press(shown, "home")
    assert "listening on" in drawn(shown)
    press(shown, "pageup")
    assert "listening on" in drawn(shown)
    press(shown, "end")
    assert shown.view.anchor is None


def test_the_wheel_scrolls_every_pane() -> None:
    shown = flooded()
    drawn(shown)
    shown.wheel(-3)
    assert "line 96" in drawn(shown)
    assert "line 97" not in drawn(shown)
    shown.show(Pane.PLAN, [f"step {number}" for number in range(50)])
    drawn(shown)
    shown.wheel(5)
    assert "step 4 " not in drawn(shown)
    shown.wheel(-50)
    assert "step 0" in drawn(shown)


def test_lines_that_retention_has_dropped_do_not_stop_scrolling() -> None:
    shown = flooded(10)
    press(shown, "home")
    for number in range(6000):
        shown.logs.add("web", 1, f"late {number}", f"late {number}")
    assert "late 1000" in drawn(shown)


def test_a_signal_is_typed() -> None:
    shown = model()
    assert press(shown, "K", *"HUP", "enter") == [TopRequest(TopAction.SIGNAL, WEB, "HUP")]
    assert press(shown, "K", "enter") == [TopRequest(TopAction.SIGNAL, WEB, "TERM")]
    assert press(shown, "K", "x", "escape") == []
    assert shown.prompt is None


def test_pasted_text_is_typed_and_harmless() -> None:
    shown = model()
    press(shown, "f")
    shown.paste("jo\x1b[2Jbs\n")
    assert shown.filter == "jo[2Jbs"
    press(shown, "escape")
    assert shown.paste("q") == []


def test_leaving_an_up_asks_what_is_to_become_of_it() -> None:
    shown = model(attached=True)
    assert press(shown, "q") == []
    assert "s stop everything" in " ".join(drawn(shown).split())
    assert press(shown, "escape") == []
    assert press(shown, "q", "l") == [TopRequest(TopAction.LEAVE)]
    assert press(shown, "ctrl+c", "ctrl+c") == [TopRequest(TopAction.STOP_ALL)]
    assert "Ctrl-C kills" in drawn(shown)
    assert press(shown, "ctrl+c") == [TopRequest(TopAction.KILL_ALL)]


def test_a_drag_selects_without_prefixes_and_copies() -> None:
    shown = model()
    drawn(shown)
    shown.drag_from(0, 0)
    shown.drag_to(1, 200)
    assert shown.view.anchor is not None
    assert shown.drop() == [TopRequest(TopAction.COPY, text="listening on http://127.0.0.1:8080\nwaiting for jobs")]
    assert press(shown, "ctrl+c") != [TopRequest(TopAction.LEAVE)]
    assert shown.drop() == []
    shown.click(WEB)
    assert "following" in drawn(shown)
    shown.drag_from(0, 0)
    assert shown.drop() == []
    shown.drag_from(0, 0)
    shown.drag_to(1, 5)
    shown.wheel(-1)
    assert shown.selection is None


def test_wrapped_lines_are_copied_whole() -> None:
    shown = model()
    drawn(shown, 40)
    (request,) = shown.press("y")
    assert "something long that does not fit on a narrow terminal at all" in request.text


def test_one_process_may_be_shown_at_first() -> None:
    shown = model()
    shown.select_only(Target("main", "worker", 2))
    assert shown.selected == Instance("main", "worker", 2)
    assert "logs of worker.2" in drawn(shown)
    shown.select_only(Target("main", "gone"))
    assert shown.selected == Instance("main", "worker", 2)


def test_messages_go_with_the_next_key_and_are_one_line() -> None:
    shown = model()
    shown.show_message("first\nsecond", bad=True)
    assert "first second" in drawn(shown)
    press(shown, "down")
    assert shown.message is None


def test_long_lines_are_scrolled_sideways_where_they_are_not_wrapped() -> None:
    shown = model()
    press(shown, "right")
    assert shown.left == 0
    press(shown, "W", "right")
    assert "Traceback (most" not in drawn(shown, 60)
    press(shown, "left", "left")
    assert "Traceback (most" in drawn(shown, 60)


def test_zoom_hides_the_table_and_help_has_all_keys() -> None:
    shown = model()
    press(shown, "z")
    assert "RESTARTS" not in drawn(shown)
    press(shown, "escape")
    assert "RESTARTS" in drawn(shown)
    press(shown, "?")
    assert [key.help for key in KEYS if key.help not in drawn(shown, 80, 60)] == []
    assert [key.help for key in KEYS if key.help not in drawn(shown, 160, 20)] == []
    press(shown, "?")
    assert shown.pane is Pane.LOGS


@each_case("width", [20, 40, 60, 100])
def test_the_help_of_keys_is_wrapped_and_its_last_row_can_be_scrolled_to(width: int) -> None:
    shown = model()
    press(shown, "?")
    rows = drawn(shown, width, 200).splitlines()
    help_text = " ".join(row[6 if width < 40 else 14 :].strip() for row in rows)
    assert [word for key in KEYS for word in key.help.split() if word not in help_text] == []
    drawn(shown, width, 10)
    shown.press("end")
    assert "stopped" in drawn(shown, width, 10)


def test_the_last_row_of_a_text_that_is_wrapped_can_be_scrolled_to() -> None:
    shown = model()
    shown.show(Pane.WHY, ["web waits until db is ready, which is running and not ready yet"] * 10 + ["the end"])
    drawn(shown, 30, 10)
    shown.press("end")
    assert "the end" in drawn(shown, 30, 10)
    shown.press("home")
    assert "the end" not in drawn(shown, 30, 10)
    for _ in range(20):
        shown.press("pagedown")
    assert "the end" in drawn(shown, 30, 10)
