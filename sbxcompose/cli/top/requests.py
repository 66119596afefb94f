"""The requests of `top` and the parts of its state: the view shown, the text typed, the message. Pure."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from sbxcompose.plan.observed import Instance


class TopAction(StrEnum):
    """What is asked for."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    UP = "up"
    SIGNAL = "signal"
    SHELL = "shell"
    OPEN = "open"
    WHY = "why"
    PLAN = "plan"
    STATS = "stats"
    MOUSE = "mouse"
    COPY = "copy"
    LEAVE = "leave"
    STOP_ALL = "stop all"
    KILL_ALL = "kill all"


class TopRequest(Struct, frozen=True):
    """Something to be done, for one instance or for the project; `text` is what was typed."""

    action: TopAction
    instance: Instance | None = None
    text: str = ""


class Pane(StrEnum):
    """What the lower part shows."""

    LOGS = "logs"
    WHY = "why"
    PLAN = "plan"
    HELP = "help"


class Prompt(Struct):
    """A line that is being typed. `kind` is `search`, `filter`, `signal` or `quit`; `before` is put back by Escape."""

    kind: str
    text: str = ""
    before: str = ""


class FooterMessage(Struct, frozen=True):
    """A line below the screen until the next key: the result of something that was asked for."""

    text: str
    bad: bool = False
