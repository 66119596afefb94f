"""Shell completion where it is needed most: names of commands and of processes, without importing click.

Everything else (options and their values, quoted words) is answered by `cli.completion`, in the same way.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping

from sbxcompose.cli.command_names import COMMANDS, VARIABLE, WITH_ONE_PROCESS, WITH_PROCESSES

_PLAIN = re.compile(r"[\w./@%+-]+", re.ASCII)
"""Words that mean the same in every shell, and to click."""


def quick_answer(environ: Mapping[str, str]) -> str | None:
    """Return what is to be printed for the shell's script; None if this request is not for here."""
    shell, _, wish = environ.get(VARIABLE, "").partition("_")
    if wish != "complete" or shell not in ("bash", "zsh", "fish"):
        return None
    words = environ.get("COMP_WORDS", "").split()[1:]
    place = environ.get("COMP_CWORD", "")
    if shell == "fish":
        given, incomplete = (words[:-1] if place and words[-1:] == [place] else words), place
    elif place.isdecimal() and int(place) > 0:
        at = int(place) - 1
        given, incomplete = words[:at], words[at] if at < len(words) else ""
    else:
        return None
    if not all(_PLAIN.fullmatch(word) and word[0] != "-" for word in (*given, *([incomplete] if incomplete else []))):
        return None
    found = _found(given, incomplete)
    return None if found is None else "".join(_shown(shell, value, text) for value, text in found)


def _found(given: list[str], incomplete: str) -> list[tuple[str, str]] | None:
    """Return the names that can stand here, with what they mean; None if that is not known here."""
    if not given:
        return [(name, text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)] or None
    command, names = given[0], given[1:]
    if command in WITH_PROCESSES or (command in WITH_ONE_PROCESS and not names):
        taken = names if command in WITH_PROCESSES else ()
        known = dict.fromkeys(_process_names())
        return [(name, "") for name in known if name.startswith(incomplete) and name not in taken]
    return None


def _process_names() -> Iterable[str]:
    from sbxcompose.cli.context import GlobalOptions, Shell
    from sbxcompose.errors import SbxError

    try:
        project = Shell(GlobalOptions(), completing=True).project()
    except SbxError:
        return ()
    return [process.name for process in project.every_process()]


def _shown(shell: str, value: str, text: str) -> str:
    match shell:
        case "bash":
            return f"plain,{value}\n"
        case "zsh":
            return f"plain\n{value}\n{text or '_'}\n"
        case _:
            return f"plain,{value}\t{text}\n" if text else f"plain,{value}\n"


def print_quick_answer() -> bool:
    """Answer a request of the shell's script if that can be done quickly."""
    answer = quick_answer(os.environ)
    if answer is None:
        return False
    sys.stdout.write(answer)
    return True
