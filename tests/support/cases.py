"""One test over a table of cases, for pure functions: an item of pytest's for each row costs more than the call.

Rows stay `pytest.mark.parametrize` where a test takes a fixture, or where one of them takes long.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet

Ids = Iterable[str] | Callable[[Any], object]
SHOWN = 60
"""Characters of a value in the name of a case."""


def each_case(names: str, rows: Iterable[Any], *, ids: Ids = ()) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Call a test with each row of a table, and report all rows that fail.

    The arguments are those of `pytest.mark.parametrize`. Several of these above one test try each combination.
    """
    arguments = [name.strip() for name in names.split(",")]
    table = [(row, _values(row, len(arguments))) for row in rows]
    labels = [] if callable(ids) else list(ids)
    cases = list(zip(labels or [_label(*row, ids) for row in table], (values for _, values in table), strict=True))
    assert cases, "the table is empty"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        def all_cases(**more: object) -> None:
            failures = []
            for label, values in cases:
                try:
                    test(**dict(zip(arguments, values, strict=True)), **more)
                except (Exception, pytest.fail.Exception) as error:
                    error.add_note(f"failed in the case: {label}")
                    failures.append(error)
            if len(failures) == 1:
                raise failures[0]
            if failures:
                raise BaseExceptionGroup(f"{len(failures)} of {len(cases)} cases failed", failures)

        # pytest shows the test itself (`__wrapped__`), and looks for fixtures of the names that are left.
        left = [value for name, value in inspect.signature(test).parameters.items() if name not in arguments]
        all_cases.__name__, all_cases.__doc__, all_cases.__module__ = test.__name__, test.__doc__, test.__module__
        all_cases.__wrapped__ = test  # type: ignore[attr-defined]
        all_cases.__signature__ = inspect.Signature(left)  # type: ignore[attr-defined]
        return all_cases

    return decorate


def _values(row: Any, number: int) -> Sequence[object]:
    """Return the arguments of a row; one that has a single argument is that argument."""
    if isinstance(row, ParameterSet):
        assert not row.marks, "rows with marks are items of their own: use `pytest.mark.parametrize`"
        return row.values
    return (row,) if number == 1 else tuple(row)


def _label(row: object, values: Sequence[object], ids: Ids) -> str:
    """Return what tells a row from the others."""
    if isinstance(row, ParameterSet) and isinstance(row.id, str):
        return row.id
    if callable(ids):
        return "-".join(str(ids(value)) for value in values)
    text = ", ".join(map(repr, values))
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
