"""A project kept as its files say: watching that can be switched on and off, and the project's own file with it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from sbxcompose.cli.context import Shell, style_of
from sbxcompose.engine.conductor import Conductor
from sbxcompose.engine.events import Told
from sbxcompose.engine.session import Session
from sbxcompose.errors import InvalidSpec, SbxError, SpecError
from sbxcompose.plan.options import Options
from sbxcompose.spec.project import Project

if TYPE_CHECKING:
    from sbxcompose.engine.reacting import Reacting

Scope = Callable[[Project], tuple[Options, tuple[tuple[str, str], ...]]]
"""What is asked of the planner, and the processes (sandbox, name) that are meant; raises `UsageError`."""


class Live:
    """`on` and `off`; `adopt` is called with a new reading of the project's file before it is carried out."""

    def __init__(
        self,
        shell: Shell,
        session: Session,
        conductor: Conductor,
        scope: Scope,
        adopt: Callable[[Project, Options], None],
        scale: Mapping[str, int] | None = None,
    ) -> None:
        self._shell = shell
        self._session = session
        self._conductor = conductor
        self._scope = scope
        self._adopt = adopt
        self._scale = scale
        self._read: set[str] = set()
        """The files that the project was read from when that went well the last time."""
        self._reacting: Reacting | None = None
        self._task: asyncio.Task[None] | None = None
        self._switching = asyncio.Lock()

    @property
    def watching(self) -> bool:
        """Whether changes have consequences now."""
        return self._task is not None

    async def on(self) -> None:
        """Watch from now on; says what."""
        async with self._switching:
            if self._task is not None:
                return
            from sbxcompose.engine.reacting import Reacting  # only who watches needs all that

            self._reacting = Reacting(self._session, self._conductor, reload=None if self._from_pipe else self._reload)
            self._task = asyncio.create_task(self._reacting.run())
            self._read = self._files()
            await self._watch(self._read)
            self._say(f"watching {self._places()}")

    async def off(self) -> None:
        """Watch no longer."""
        async with self._switching:
            if self._task is None:
                return
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = self._reacting = None

    async def toggle(self) -> None:
        """The other way round."""
        if self.watching:
            await self.off()
            self._say("stopped watching")
        else:
            await self.on()

    @property
    def _from_pipe(self) -> bool:
        """Whether the file cannot be read a second time."""
        return any(each == "-" or each.startswith(("/dev/", "/proc/")) for each in self._shell.files)

    def _files(self) -> set[str]:
        """The files that the project comes from."""
        found: set[str] = set()
        if not self._from_pipe:
            with suppress(SbxError):  # it has just been changed, which will be noticed
                self._shell.project(self._scale, found)
        return found

    async def _watch(self, files: set[str]) -> None:
        assert self._reacting is not None
        _, keys = self._scope(self._session.project)
        await self._reacting.watch(keys, files)

    def _places(self) -> str:
        places = self._reacting.places if self._reacting is not None else []
        shown = places if len(places) <= 5 else [*places[:4], f"{len(places) - 4} other places"]
        file = [] if self._from_pipe else ["the project's file"]
        words = [*shown, *file] or ["nothing: no process has a `watch` rule"]
        return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))

    async def _reload(self) -> None:
        """The project's file has changed: go on as it says now, or as before if it has mistakes."""
        files: set[str] = set()
        before = self._session.project
        try:
            project = await asyncio.to_thread(self._shell.project, self._scale, files)
            _check_place(before, project)
            options, _ = self._scope(project)
        except SbxError as error:
            self._show_mistake(error)
            await self._watch(files | self._read)
            return
        self._read = files
        if project != before:
            self._say("the project's file has changed")
            self._adopt(project, options)
            self._conductor.apply(project, options)
        await self._watch(files)

    def _show_mistake(self, error: SbxError) -> None:
        self._say(
            "the project's file has changed but cannot be applied; running processes are left unchanged", bad=True
        )
        if isinstance(error, InvalidSpec):
            from sbxcompose.spec.report import render

            text = render(error, style_of(sys.stderr))
        else:
            text = "\n".join(filter(None, [error.message, error.hint]))
        self._shell.say(text)

    def _say(self, text: str, *, bad: bool = False) -> None:
        self._session.tell(Told(None, text, bad))


def _check_place(before: Project, after: Project) -> None:
    """Raises `SpecError` for what decides where processes run: that cannot be changed under them."""
    names = {each.name: each.full_name for each in after.sandboxes}
    changed = [
        *[key for key in ("name", "provider", "directory") if getattr(before, key) != getattr(after, key)],
        *[
            f"name of sandbox {each.name}"
            for each in before.sandboxes
            if names.get(each.name) not in (None, each.full_name)
        ],
    ]
    if changed:
        raise SpecError(f"the {changed[0]} has changed", hint="`sbxcompose down` as it was, then `up` as it is now")
