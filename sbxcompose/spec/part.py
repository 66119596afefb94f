"""The base of the values that a project consists of."""

from msgspec import Struct


class ProjectPart(Struct, frozen=True, array_like=True):
    """Base of the values that a project consists of. As an array of fields it is half as large in the cache."""
