"""The screen as textual draws it. What is shown and what keys mean is decided in `model` and `draw`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.segment import Segment
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from sbxcompose.cli.top.draw import first_row, layout, screen
from sbxcompose.cli.top.driver import TopDriver
from sbxcompose.cli.top.keys import COMMANDS
from sbxcompose.cli.top.model import TopModel
from sbxcompose.cli.top.requests import TopRequest
from sbxcompose.cli.top.spans import Line
from sbxcompose.cli.top.theme import style_of
from sbxcompose.clock import wall_time

FRAME = 0.04
"""Seconds between two frames at the least."""
SLOW = 0.2
"""Seconds to the next look whether a slow terminal has taken the last frame."""
WHEEL = 3
"""Lines that a step of the wheel scrolls."""

Handle = Callable[[TopRequest], None]


class Surface(Widget):
    """The whole screen, as lines of styled text; only lines that have changed are drawn again."""

    DEFAULT_CSS = "Surface { width: 1fr; height: 1fr; }"
    can_focus = True

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour
        self.lines: list[Line] = []

    def show(self, lines: list[Line]) -> None:
        """Draw what is different."""
        before, self.lines = self.lines, lines
        changed = [y for y, line in enumerate(lines) if y >= len(before) or before[y] != line]
        changed += range(len(lines), len(before))
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """Return a line as textual wants it."""
        line = self.lines[y] if y < len(self.lines) else []
        strip = Strip([Segment(span.text, style_of(span.style, self._colour)) for span in line])
        return strip.adjust_cell_length(self.size.width)


class TopApp(App[str], inherit_bindings=False):
    """Draws a model, and turns keys and mouse into requests, which `handle` is given. Its result is how it was left."""

    CSS = "Screen { background: ansi_default; color: ansi_default; overflow: hidden; }"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False

    def __init__(
        self, model: TopModel, handle: Handle, *, colour: bool, clock: Callable[[], float] = wall_time
    ) -> None:
        super().__init__(driver_class=TopDriver, ansi_color=True)
        self.animation_level = "none"
        self.model = model
        self.failure: Exception | None = None
        """A defect that has ended it."""
        self.before_frame: Callable[[], None] = lambda: None
        """Called before the model is drawn."""
        self.touched: Callable[[], None] = lambda: None
        """Called when a person is there: a key was pressed, or the terminal's window was chosen."""
        self._handle = handle
        self._colour = colour
        self._clock = clock
        self._surface = Surface(colour)
        self._frame: asyncio.TimerHandle | None = None
        self._drawn = 0.0
        self._aside = False
        self.ignores_keys = False
        """Whether keys are meant for a shell that is about to have the terminal."""
        self._held: list[str] | None = None
        """Keys that were pressed while they are held."""

    def compose(self) -> ComposeResult:
        """Return the one widget."""
        yield self._surface

    def on_load(self) -> None:
        """Let tasks begin in the next turn of the loop: textual makes those of the whole program begin at once."""
        asyncio.get_running_loop().set_task_factory(None)

    def on_mount(self) -> None:
        """Begin to draw."""
        self._surface.focus()
        self.app_resume_signal.subscribe(self, lambda _: self._draw_anew())
        self.news()

    # -- frames --------------------------------------------------------------------------------------------

    def news(self) -> None:
        """Draw soon; many calls make one frame."""
        if self._frame is None and not self._aside and self.is_running:
            loop = asyncio.get_running_loop()
            self._frame = loop.call_at(max(self._drawn + FRAME, loop.time()), self._due)

    def _due(self) -> None:
        self._frame = None
        if self._aside or not self.is_running:
            return
        loop = asyncio.get_running_loop()
        if self.backlog() > 1:
            self._frame = loop.call_later(SLOW, self._due)
            return
        self._drawn = loop.time()
        self.call_later(self._draw)

    def backlog(self) -> int:
        """Return how many pieces of frames the terminal has yet to take."""
        return self._driver.backlog if isinstance(self._driver, TopDriver) else 0

    def _draw(self) -> None:
        self.before_frame()
        width, height = self.size
        self._surface.show(screen(self.model, width, height, self._clock(), colour=self._colour))

    def on_resize(self) -> None:
        """Draw for another size."""
        self.news()

    # -- keys and mouse ------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """Take a key."""
        event.stop()
        event.prevent_default()
        self.touched()
        if self.ignores_keys:
            return
        if event.key == "ctrl+z":
            self.action_suspend_process()
            return
        printable = event.character is not None and event.character.isprintable() and event.key != "space"
        key = event.character if printable and event.character else event.key
        if self._held is None or COMMANDS.get(key) == "quit":
            self._requests(self.model.press(key))
        else:
            self._held.append(key)

    def hold_keys(self) -> None:
        """Keep keys, all but those that leave, until `release_keys`."""
        self._held = []

    def release_keys(self) -> None:
        """Take the keys that were kept."""
        held, self._held = self._held or [], None
        for key in held:
            self._requests(self.model.press(key))

    def on_app_focus(self) -> None:
        """Take note that the terminal's window was chosen."""
        self.touched()

    def on_paste(self, event: events.Paste) -> None:
        """Take pasted text."""
        self._requests(self.model.paste(event.text))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Select a process, or begin to select text."""
        parts = layout(self.model, self.size.height)
        row = event.screen_y - 2
        if 0 <= row < parts.table - 1:
            at = first_row(self.model, parts.table) + row
            if at < len(self.model.entries):
                self.model.click(self.model.entries[at].instance)
        elif 0 <= (line := row - parts.table) < parts.pane:
            self.model.drag_from(line, event.screen_x)
            self._surface.capture_mouse()
        self.news()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Select text, while a button is held."""
        if self.model.selection is not None and event.button:
            parts = layout(self.model, self.size.height)
            self.model.drag_to(event.screen_y - 2 - parts.table, event.screen_x)
            self.news()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Copy what was selected."""
        self._surface.release_mouse()
        self._requests(self.model.drop())

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll back."""
        self.model.wheel(-WHEEL)
        self.news()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll on."""
        self.model.wheel(WHEEL)
        self.news()

    def _requests(self, requests: list[TopRequest]) -> None:
        for request in requests:
            self._handle(request)
        self.news()

    # -- for those who handle requests ---------------------------------------------------------------------

    def set_mouse(self, wanted: bool) -> None:
        """Take the mouse, or leave it to the terminal."""
        if isinstance(self._driver, TopDriver):
            self._driver.set_mouse(wanted)

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """While inside, the terminal is as it was: another program has it."""
        self._aside = True
        try:
            with self.suspend():
                yield
        finally:
            self._aside = False
            self._draw_anew()

    def _draw_anew(self) -> None:
        """Draw everything: another program has had the terminal."""
        self._surface.lines = []
        if self.is_running and self.screen_stack:  # it may have been left meanwhile
            self.screen.refresh(layout=True)
            self.news()

    def fail(self, error: Exception) -> None:
        """End because of a defect, which `failure` keeps: no traceback is drawn on the terminal."""
        self.failure = self.failure or error
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    _handle_exception = fail
