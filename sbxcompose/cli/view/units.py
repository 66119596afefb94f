"""Numbers as people read them."""

from __future__ import annotations


def memory(size: int) -> str:
    """Bytes in three digits: `820 KiB`, `84.1 MiB`, `1.52 GiB`."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 999.5 or unit == "TiB":
            break
        value /= 1024
    digits = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def percent(value: float | None) -> str:
    """`12.3%`; a dash for what is not known."""
    return "-" if value is None else f"{value:.1f}%"
