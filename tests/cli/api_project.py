"""A project of the Python API for a test, which the test takes down at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import sbxcompose

Main = Callable[[sbxcompose.OpenProject], Coroutine[Any, Any, None]]


def with_project(main: Main, **options: Any) -> None:
    """Run `main` with the project of the working directory, and take that down."""

    async def body() -> None:
        async with sbxcompose.open_project(**options) as project:
            try:
                await main(project)
            finally:
                await project.down(grace=1)

    asyncio.run(body())
