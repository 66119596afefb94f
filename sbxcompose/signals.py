"""Names and numbers of signals as sandboxes have them: those of Linux, whatever this machine runs.

Python's `signal` has this machine's: on macOS SIGUSR1 is 30, which a sandbox would take for SIGPWR.
"""

from __future__ import annotations

_IN_ORDER = """
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM
    SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO
    SIGPWR SIGSYS
"""
_USUAL = {name: number for number, name in enumerate(_IN_ORDER.split(), 1)} | {"SIGRTMIN": 34, "SIGRTMAX": 64}
_BY_NUMBER = {number: name for name, number in _USUAL.items()}
BY_NAME = {**_USUAL, "SIGCLD": 17, "SIGIOT": 6, "SIGPOLL": 29}
"""The numbers (1 to 64) by name, as in signal(7), with the aliases."""
LAST = 64


def name_of(number: int) -> str | None:
    """Return the usual name of a signal: 9 -> `SIGKILL`; None for a real-time signal, most of which have no name."""
    return _BY_NUMBER.get(number)


def shown(number: int) -> str:
    """Return what a person reads for a signal: 9 -> `SIGKILL`; `signal 40` for a real-time signal."""
    return name_of(number) or f"signal {number}"


def named(word: str) -> int | None:
    """Return the number of a signal by its name, with or without SIG, in any case; None if there is no such signal."""
    word = word.upper()
    return BY_NAME.get(word if word.startswith("SIG") else f"SIG{word}")
