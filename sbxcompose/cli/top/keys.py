"""What keys do: one table, from which the help and the hints below the screen are made as well. Pure."""

from __future__ import annotations

from msgspec import Struct


class Key(Struct, frozen=True):
    """Keys of one meaning. `hint` is the word for it below the screen; keys without one are only in the help."""

    keys: tuple[str, ...]
    command: str
    help: str
    hint: str | None = None
    shown: str | None = None
    """How the keys are written, if not as they are called."""


KEYS: tuple[Key, ...] = (
    Key(("up", "k"), "previous", "select the previous process", shown="↑ k"),
    Key(("down", "j"), "next", "select the next process", shown="↓ j"),
    Key(("s",), "start", "start the selected process and what it needs", "start"),
    Key(("x",), "stop", "stop the selected process", "stop"),
    Key(("r",), "restart", "restart the selected process", "restart"),
    Key(("K",), "signal", "send a signal to the selected process"),
    Key(("u",), "up", "start everything, as `up` does"),
    Key(("t", "!"), "shell", "open a shell beside the process; `exit` returns here", "shell", "t !"),
    Key(("o",), "open", "open the port of the process in a browser, or show its URL", "open"),
    Key(("l",), "logs", "show the output of the selected process"),
    Key(("a",), "all", "show the output of all processes, or of the selected one", "all logs"),
    Key(("/",), "search", "search while typing; n and N find the next older, newer line", "search"),
    Key(("f", "&"), "filter", "show only lines that contain a text (`!text`: lines that do not)", "filter", "f &"),
    Key(("n",), "older", "find the next older line"),
    Key(("N",), "newer", "find the next newer line"),
    Key(("pageup", "ctrl+b"), "page_up", "scroll the lower part up", shown="PgUp"),
    Key(("pagedown", "ctrl+f", "space"), "page_down", "scroll the lower part down", shown="PgDn"),
    Key(("home", "g"), "top", "go to the first line that is kept", shown="Home g"),
    Key(("end", "G"), "bottom", "go to the newest line and follow", shown="End G"),
    Key(("left",), "left", "scroll long lines to the left", shown="←"),
    Key(("right",), "right", "scroll long lines to the right", shown="→"),
    Key(("W",), "wrap", "wrap long lines, or not"),
    Key(("z", "enter"), "zoom", "show the lower part alone, or both parts", shown="z Enter"),
    Key(("w",), "why", "explain the state of the selected process", "why"),
    Key(("p",), "plan", "show what `up` would do", "plan"),
    Key(("S",), "stats", "measure CPU and memory every two seconds, or not at all"),
    Key(("m",), "mouse", "leave the mouse to the terminal (to select there), or take it"),
    Key(("y",), "copy", "copy the lines that are seen (selected text: Ctrl-C)"),
    Key(("?", "h", "f1"), "help", "show these keys", "help", "?"),
    Key(("escape",), "back", "end a search or filter; back to the output", shown="Esc"),
    Key(("q", "ctrl+c"), "quit", "leave; nothing is stopped", "quit", "q Ctrl-C"),
)

COMMANDS: dict[str, str] = {name: key.command for key in KEYS for name in key.keys}


def hints(width: int, attached: bool) -> list[tuple[str, str]]:
    """Return the keys and words below the screen, as many as there are columns for; help and quit always."""
    found = [(key.shown or key.keys[0], key.hint) for key in KEYS if key.hint is not None]
    short = [(name.split()[0], word) for name, word in found]
    if attached:
        short = [(name, "stop or leave" if word == "quit" else word) for name, word in short]
    last, rest = short[-2:], short[:-2]
    room = width - sum(len(name) + len(word) + 3 for name, word in last)
    kept = []
    for name, word in rest:
        room -= len(name) + len(word) + 3
        if room < 0:
            break
        kept.append((name, word))
    return [*kept, *last]
