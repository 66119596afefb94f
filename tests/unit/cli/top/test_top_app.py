"""`top` driven through textual: keys, mouse, sizes, and a defect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot

from sbxcompose.cli.top.app import TopApp
from sbxcompose.cli.top.draw import screen
from sbxcompose.cli.top.requests import TopAction, TopRequest
from sbxcompose.cli.top.spans import plain
from sbxcompose.plan.observed import Instance
from tests.support.cases import each_case
from tests.unit.cli.top.project import NOW, model

Script = Callable[[TopApp, Pilot[str]], Awaitable[None]]
TURNS = 50
"""Turns of the event loop in which everything has happened that follows from a key, many times over."""


@pytest.fixture(autouse=True)
def _turns_instead_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have textual's pilot wait for turns of the loop, not until the process has used little CPU for 20 ms."""

    async def turns(*_seconds: float) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    for module in ("app", "pilot"):
        monkeypatch.setattr(f"textual.{module}.wait_for_idle", turns)


def drive(script: Script, *, size: tuple[int, int] = (80, 24)) -> tuple[TopApp, list[TopRequest]]:
    """Run the script on a screen without a terminal; the app and what was asked for."""
    asked: list[TopRequest] = []
    app = TopApp(model(), asked.append, colour=False, clock=lambda: NOW)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await drawn(app, pilot)
            await script(app, pilot)

    asyncio.run(run())
    return app, asked


async def drawn(app: TopApp, pilot: Pilot[str]) -> None:
    """Wait until the frame that is due has been drawn, on a surface that has the size of the screen.

    textual hands a new size on by a timer, so it may come later than the frame.
    """
    await pilot.pause()
    while app._frame is not None or app._surface.size != app.size:
        await asyncio.sleep(0)
    after_the_frame = asyncio.Event()
    app.call_later(after_the_frame.set)  # behind the drawing in the queue of the app
    await after_the_frame.wait()
    await pilot.pause()


def shown(app: TopApp) -> list[str]:
    """The lines on the screen, from textual's own buffers."""
    return ["".join(segment.text for segment in app._surface.render_line(y)) for y in range(app.size.height)]


@each_case("size", [(20, 10), (60, 20), (80, 24), (200, 30)])
def test_what_is_on_the_screen_is_what_was_decided(size: tuple[int, int]) -> None:
    async def script(app: TopApp, pilot: Pilot[str]) -> None:
        assert shown(app) == [plain(line) for line in screen(app.model, *size, NOW)]
        assert asyncio.get_running_loop().get_task_factory() is None

    drive(script, size=size)


def test_keys_and_mouse_become_requests() -> None:
    async def script(app: TopApp, pilot: Pilot[str]) -> None:
        await pilot.press("down", "r", "K", "H", "U", "P", "enter", "space", "§")
        await pilot.click(offset=(5, 5))  # the fourth process
        await pilot.press("x", "f", "j", "o", "b", "s", "space", "enter")
        await drawn(app, pilot)
        assert app.model.filter == "jobs "
        await pilot.press("q")

    _, asked = drive(script)
    worker, crash = Instance("main", "worker", 1), Instance("main", "crash")
    assert asked == [
        TopRequest(TopAction.RESTART, worker),
        TopRequest(TopAction.SIGNAL, worker, "HUP"),
        TopRequest(TopAction.STOP, crash),
        TopRequest(TopAction.LEAVE),
    ]


def test_text_is_selected_with_the_mouse() -> None:
    async def script(app: TopApp, pilot: Pilot[str]) -> None:
        first = shown(app).index(next(line for line in shown(app) if "listening" in line))
        await pilot.mouse_down(offset=(11, first))
        await pilot.mouse_up(offset=(11, first))
        app.model.drag_from(0, 11)
        app.model.drag_to(0, 19)
        await pilot.press("ctrl+c")

    _, asked = drive(script)
    assert asked == [TopRequest(TopAction.COPY, text="listening")]


def test_another_size_is_drawn_at_once() -> None:
    async def script(app: TopApp, pilot: Pilot[str]) -> None:
        for size in ((20, 5), (1, 1), (250, 60), (60, 20)):
            await pilot.resize_terminal(*size)
            await drawn(app, pilot)
            assert shown(app) == [plain(line) for line in screen(app.model, *size, NOW)]

    drive(script)


def test_only_lines_that_have_changed_are_drawn_again() -> None:
    async def script(app: TopApp, pilot: Pilot[str]) -> None:
        painted: list[int] = []
        surface = app._surface
        surface.refresh = lambda *regions, **options: painted.extend(region.y for region in regions)  # type: ignore[assignment, method-assign]
        app.news()
        await drawn(app, pilot)
        assert painted == []
        app.model.show_message("hello")
        for _ in range(5):
            app.news()
        await drawn(app, pilot)
        assert painted == [23]

    drive(script)


def test_a_slow_terminal_gets_no_frame_before_it_has_taken_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sbxcompose.cli.top.app.SLOW", 0.0)

    async def script(app: TopApp, pilot: Pilot[str]) -> None:
        waiting = [5, 3, 0]
        frames: list[int] = []
        app.backlog = lambda: waiting.pop(0)  # type: ignore[method-assign]
        app.before_frame = lambda: frames.append(len(waiting))
        app.news()
        await drawn(app, pilot)
        assert frames == [0]

    drive(script)


def test_a_key_shows_that_a_person_is_there() -> None:
    async def script(app: TopApp, pilot: Pilot[str]) -> None:
        touched: list[bool] = []
        app.touched = lambda: touched.append(True)
        await pilot.press("down", "up")
        assert touched == [True, True]

    drive(script)


def test_keys_are_held_while_it_connects() -> None:
    async def script(app: TopApp, pilot: Pilot[str]) -> None:
        app.hold_keys()
        await pilot.press("down", "r")
        app.release_keys()
        await pilot.press("x")
        app.ignores_keys = True
        await pilot.press("s", "q")
        app.ignores_keys = False
        app.hold_keys()
        await pilot.press("u", "q")

    _, asked = drive(script)
    worker = Instance("main", "worker", 1)
    assert asked == [
        TopRequest(TopAction.RESTART, worker),
        TopRequest(TopAction.STOP, worker),
        TopRequest(TopAction.LEAVE),
    ]


def test_it_may_be_left_while_a_shell_has_the_terminal() -> None:
    async def run() -> None:
        app = TopApp(model(), lambda request: None, colour=False, clock=lambda: NOW)
        async with app.run_test():
            app._aside = True
        app._aside = False
        app._draw_anew()

    asyncio.run(run())


def test_a_defect_ends_it_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise RuntimeError("no good")

    app = TopApp(model(), lambda request: None, colour=False, clock=lambda: NOW)
    app.before_frame = fail
    asyncio.run(app.run_async(headless=True))
    assert isinstance(app.failure, RuntimeError)
    assert "Traceback" not in "".join(capsys.readouterr())
