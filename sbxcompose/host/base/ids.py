"""Ids of sandboxes and snapshots (contract, section 2)."""

from __future__ import annotations

import os
import re

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 21
_ID = re.compile(r"[a-z0-9]{21}")


def new_id() -> str:
    """Return a new id of a sandbox: 21 lower-case letters and digits."""
    number = int.from_bytes(os.urandom(16), "big")
    digits = []
    for _ in range(ID_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(digits)


def is_id(word: str) -> bool:
    """Return whether a word has the form of a sandbox's or a snapshot's id."""
    return bool(_ID.fullmatch(word))
