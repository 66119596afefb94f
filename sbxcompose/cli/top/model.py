"""What `top` shows, and what a key, a click or news make of it. Pure: what is to be done is returned as requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sbxcompose.cli.top.keys import COMMANDS
from sbxcompose.cli.top.log_buffer import BufferedLine, LogBuffer, LogWindow, Matcher
from sbxcompose.cli.top.requests import FooterMessage, Pane, Prompt, TopAction, TopRequest
from sbxcompose.cli.top.selection import PaneRow, Selection, selected_text
from sbxcompose.client.stats import NOTHING, UsageReport
from sbxcompose.engine.listing import ListedInstance
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance


class TopModel:
    """The state of the screen. `attached`: it belongs to an `up`, so that leaving may stop everything."""

    def __init__(self, project: str, provider: str, *, attached: bool = False) -> None:
        self.project = project
        self.provider = provider
        self.attached = attached
        self.entries: list[ListedInstance] = []
        self.usage: UsageReport = NOTHING
        self.measured = True
        """Whether CPU and memory are measured."""
        self.logs = LogBuffer()
        self.view = LogWindow()
        self.pane = Pane.LOGS
        self.text: list[str] = []
        """The lines of a pane other than the output."""
        self.text_rows = 0
        """How many rows they are, as they were last drawn: a line that is wrapped is several."""
        self.offset = 0
        """The first of these rows that is seen."""
        self.selected: Instance | None = None
        self.all_logs = True
        self.filter = ""
        self.search = ""
        self.wrap = True
        self.left = 0
        self.zoomed = False
        self.mouse = True
        self.prompt: Prompt | None = None
        self.message: FooterMessage | None = None
        self.connection: str | None = None
        """The text about the connection while nothing is heard of the processes."""
        self.stopping = False
        self.pane_height = 10
        """Lines of the lower part, as they were last drawn."""
        self.lines_seen = 10
        """How many lines of output that were: fewer, if some were wrapped."""
        self.seen: list[PaneRow] = []
        """What the lower part shows, as it was last drawn."""
        self.selection: Selection | None = None
        self._drags = False
        self._held = False
        """Whether the output is held only because of the selection."""

    # -- what is seen --------------------------------------------------------------------------------------

    def update(self, entries: Sequence[ListedInstance]) -> None:
        """Take the processes as they are now; the selection stays where it is as long as that exists."""
        self.entries = list(entries)
        instances = [entry.instance for entry in entries]
        if self.selected not in instances:
            self.selected = instances[0] if instances else None

    @property
    def current(self) -> ListedInstance | None:
        """The selected process."""
        return next((entry for entry in self.entries if entry.instance == self.selected), None)

    @property
    def shown_name(self) -> str | None:
        """The name whose output is shown; None for all."""
        return None if self.all_logs or self.current is None else self.current.label

    @property
    def matcher(self) -> Matcher:
        """Which lines are shown."""
        return Matcher(self.filter)

    @property
    def lines(self) -> Sequence[BufferedLine]:
        """The lines that are kept of what is shown."""
        return self.logs.lines(self.shown_name)

    def show(self, pane: Pane, lines: Sequence[str]) -> None:
        """Show a text in the lower part."""
        if self.pane is not pane:
            self.offset = 0
        self.pane, self.text = pane, list(lines)

    def show_message(self, text: str, *, bad: bool = False) -> None:
        """Show a message until the next key."""
        self.message = FooterMessage(" ".join(text.split()), bad)

    # -- what a person does --------------------------------------------------------------------------------

    def press(self, key: str) -> list[TopRequest]:
        """Take a key: a character, or its name if it has none."""
        self.message = None
        if self.prompt is not None:
            return self._type(key, self.prompt)
        if key == "ctrl+c" and self.selection is not None:
            return self._copy()
        self._unselect()
        command = COMMANDS.get(key)
        return _COMMANDS[command](self) if command is not None else []

    def click(self, instance: Instance) -> None:
        """Select what was clicked."""
        self.message = None
        self._unselect()
        self._select(instance)

    def drag_from(self, row: int, column: int) -> None:
        """Begin to select text of the lower part; what comes does not move it meanwhile."""
        self.message = None
        self._unselect()
        self.selection, self._drags = Selection((row, column), (row, column)), True
        if self.pane is Pane.LOGS and self.view.anchor is None and self.lines:
            self.view.anchor, self._held = self.lines[-1].number, True

    def drag_to(self, row: int, column: int) -> None:
        """Continue selecting."""
        if self.selection is not None and self._drags:
            self.selection = self.selection.to(max(min(row, len(self.seen) - 1), 0), max(column, 0))

    def drop(self) -> list[TopRequest]:
        """Stop selecting, and copy what is selected; a mere click follows the output again."""
        if self.selection is None or not self._drags:
            return []
        self._drags = False
        if self.selection.is_empty:
            self._unselect()
            return []
        return self._copy()

    def _unselect(self) -> None:
        """Clear the selection; output that was held for it continues."""
        self.selection = None
        if self._held:
            self._held = False
            self.view.follow()

    def _copy(self) -> list[TopRequest]:
        """Copy what is selected, or else all that is seen."""
        whole = Selection((0, 0), (max(len(self.seen) - 1, 0), 10_000))
        text = selected_text(self.selection or whole, self.seen)
        return [TopRequest(TopAction.COPY, text=text)] if text else []

    def select_only(self, target: Target) -> None:
        """Select the first process that is meant, and show its output alone."""
        found = [entry.instance for entry in self.entries if target.covers(entry.instance)]
        if found:
            self.selected, self.all_logs = found[0], False

    def wheel(self, rows: int) -> None:
        """Scroll the lower part by some lines."""
        self.selection, self._held = None, False
        if self.pane is not Pane.LOGS:
            self.offset = max(min(self.offset + rows, self.text_rows - self.pane_height), 0)
        else:
            self.view.scroll(self.lines, self.matcher, rows, self.lines_seen)

    def paste(self, text: str) -> list[TopRequest]:
        """Take pasted text into the line that is being typed."""
        if self.prompt is not None and self.prompt.kind != "quit":
            self._typed(self.prompt, self.prompt.text + "".join(filter(str.isprintable, text)))
        return []

    def _select(self, instance: Instance) -> None:
        if instance != self.selected:
            self.selected = instance
            if not self.all_logs:
                self.view.follow()
                self.left = 0

    def _move(self, by: int) -> list[TopRequest]:
        instances = [entry.instance for entry in self.entries]
        if not instances or self.selected is None:
            return []
        at = instances.index(self.selected) + by
        self._select(instances[max(min(at, len(instances) - 1), 0)])
        return [TopRequest(TopAction.WHY, self.selected)] if self.pane is Pane.WHY else []

    def _show_logs(self, *, everything: bool) -> list[TopRequest]:
        if self.all_logs is not everything:
            self.view.follow()
        self.pane, self.all_logs = Pane.LOGS, everything
        return []

    def _ask(self, kind: str, before: str = "") -> list[TopRequest]:
        self.prompt = Prompt(kind, "", before)
        if kind in ("search", "filter"):
            self.pane = Pane.LOGS
        return []

    def _for_current(self, action: TopAction) -> list[TopRequest]:
        return [TopRequest(action, self.selected)] if self.selected is not None else []

    def _signal(self) -> list[TopRequest]:
        return self._ask("signal") if self.selected is not None else []

    def _find(self, *, back: bool) -> list[TopRequest]:
        if self.search:
            self.pane = Pane.LOGS
            wanted = Matcher(self.search)
            if not self.view.find(self.lines, self.matcher, wanted, self.pane_height, back=back):
                self.show_message(f"no {'older' if back else 'newer'} line contains {self.search}", bad=True)
        return []

    def _to_start(self) -> list[TopRequest]:
        self.offset = 0
        if self.pane is Pane.LOGS:
            self.view.to_start(self.lines, self.matcher, self.pane_height)
        return []

    def _to_end(self) -> list[TopRequest]:
        self.offset = max(self.text_rows - self.pane_height, 0)
        if self.pane is Pane.LOGS:
            self.view.follow()
        return []

    def _page(self, direction: int) -> list[TopRequest]:
        seen = self.lines_seen if self.pane is Pane.LOGS else self.pane_height
        self.wheel(direction * max(seen - 1, 1))
        return []

    def _sideways(self, by: int) -> list[TopRequest]:
        self.left = 0 if self.wrap else max(self.left + by, 0)
        return []

    def _toggle(self, name: str, action: TopAction | None = None) -> list[TopRequest]:
        setattr(self, name, not getattr(self, name))
        self.left = 0
        return [] if action is None else [TopRequest(action)]

    def _back(self) -> list[TopRequest]:
        if self.pane is not Pane.LOGS:
            self.pane = Pane.LOGS
        elif self.search:
            self.search = ""
            self.view.found = None
        elif self.filter:
            self.filter = ""
        elif self.view.anchor is not None:
            self.view.follow()
        else:
            self.zoomed = False
        return []

    def _help(self) -> list[TopRequest]:
        self.pane, self.offset = (Pane.LOGS if self.pane is Pane.HELP else Pane.HELP), 0
        self.text = []
        return []

    def quit(self) -> list[TopRequest]:
        """Leave; where everything belongs to this command, ask whether to stop it."""
        if self.stopping:
            return [TopRequest(TopAction.KILL_ALL)]
        if not self.attached:
            return [TopRequest(TopAction.LEAVE)]
        return self._ask("quit")

    # -- typing --------------------------------------------------------------------------------------------

    def _type(self, key: str, prompt: Prompt) -> list[TopRequest]:
        if key == "escape":
            self._typed(prompt, prompt.before)
            self.prompt = None
        elif prompt.kind == "quit":
            return self._answer(key)
        elif key == "ctrl+c":
            self.prompt = None
            return self.quit()
        elif key == "enter":
            return self._entered(prompt)
        elif key in ("backspace", "ctrl+h"):
            self._typed(prompt, prompt.text[:-1])
        elif key == "ctrl+u":
            self._typed(prompt, "")
        elif len(key) == 1 and key.isprintable():
            self._typed(prompt, prompt.text + key)
        elif key == "space":
            self._typed(prompt, prompt.text + " ")
        return []

    def _typed(self, prompt: Prompt, text: str) -> None:
        """Let what was typed have its effect at once."""
        prompt.text = text
        if prompt.kind == "filter":
            self.filter = text
        elif prompt.kind == "search":
            self.search, self.view.found = text, None
            if text and not self.view.find(self.lines, self.matcher, Matcher(text), self.pane_height, back=True):
                self.show_message(f"no line contains {text}", bad=True)

    def _entered(self, prompt: Prompt) -> list[TopRequest]:
        self.prompt = None
        if prompt.kind == "signal" and self.selected is not None:
            return [TopRequest(TopAction.SIGNAL, self.selected, prompt.text or "TERM")]
        return []

    def _answer(self, key: str) -> list[TopRequest]:
        if key in ("s", "ctrl+c", "enter"):
            self.prompt, self.stopping = None, True
            return [TopRequest(TopAction.STOP_ALL)]
        if key in ("l", "q"):
            self.prompt = None
            return [TopRequest(TopAction.LEAVE)]
        return []


_COMMANDS: dict[str, Callable[[TopModel], list[TopRequest]]] = {
    "previous": lambda model: model._move(-1),
    "next": lambda model: model._move(1),
    "start": lambda model: model._for_current(TopAction.START),
    "stop": lambda model: model._for_current(TopAction.STOP),
    "restart": lambda model: model._for_current(TopAction.RESTART),
    "signal": lambda model: model._signal(),
    "up": lambda model: [TopRequest(TopAction.UP)],
    "shell": lambda model: model._for_current(TopAction.SHELL),
    "open": lambda model: model._for_current(TopAction.OPEN),
    "logs": lambda model: model._show_logs(everything=False),
    "all": lambda model: model._show_logs(everything=not model.all_logs or model.pane is not Pane.LOGS),
    "search": lambda model: model._ask("search", model.search),
    "filter": lambda model: model._ask("filter", model.filter),
    "older": lambda model: model._find(back=True),
    "newer": lambda model: model._find(back=False),
    "page_up": lambda model: model._page(-1),
    "page_down": lambda model: model._page(1),
    "top": lambda model: model._to_start(),
    "bottom": lambda model: model._to_end(),
    "left": lambda model: model._sideways(-20),
    "right": lambda model: model._sideways(20),
    "wrap": lambda model: model._toggle("wrap"),
    "zoom": lambda model: model._toggle("zoomed"),
    "why": lambda model: model._for_current(TopAction.WHY),
    "plan": lambda model: [TopRequest(TopAction.PLAN)],
    "stats": lambda model: model._toggle("measured", TopAction.STATS),
    "mouse": lambda model: model._toggle("mouse", TopAction.MOUSE),
    "copy": lambda model: model._copy(),
    "help": lambda model: model._help(),
    "back": lambda model: model._back(),
    "quit": lambda model: model.quit(),
}
