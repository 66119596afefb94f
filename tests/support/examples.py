"""How many examples property tests try: as many as the profile says (tests/conftest.py), or a multiple."""

from __future__ import annotations

from hypothesis import settings


def examples(times: int) -> settings:
    """Try `times` as many examples as others do, in each profile: for laws with many cases, and cheap ones."""
    return settings(max_examples=times * settings().max_examples)
