"""A project kept as its files say: watching that can be switched on and off, and the project's own file with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from sbxcompose.engine.apply_loop import ApplyLoop
from sbxcompose.engine.events import WatchMessage
from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError, SpecError
from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.profiles import check_resolved
from sbxcompose.spec.project import Project

if TYPE_CHECKING:
    from sbxcompose.engine.file_watch import FileWatch

ReloadScope = Callable[[Project], tuple[PlanOptions, tuple[tuple[str, str], ...]]]
"""What is asked of the planner, and the processes (sandbox, name) that are meant; raises `UsageError`."""


class ProjectFile(Protocol):
    """Where the project is read from, again and again."""

    @property
    def readable_again(self) -> bool:
        """Whether it can be read a second time: a pipe cannot."""

    def read(self, looked_at: set[str]) -> Project:
        """Read the project; the files that it comes from are added to `looked_at`. Raises `SbxError`."""

    def report(self, error: SbxError) -> None:
        """Show what is wrong with it."""


class ProjectReload:
    """`on` and `off`; `adopt` is called with a new reading of the project's file before it is carried out."""

    def __init__(
        self,
        file: ProjectFile,
        session: Session,
        conductor: ApplyLoop,
        scope: ReloadScope,
        adopt: Callable[[Project, PlanOptions], None],
    ) -> None:
        self._file = file
        self._session = session
        self._conductor = conductor
        self._scope = scope
        self._adopt = adopt
        self._read: set[str] = set()
        """The files that the project was read from when that went well the last time."""
        self._reacting: FileWatch | None = None
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
            from sbxcompose.engine.file_watch import FileWatch  # only who watches needs all that

            self._reacting = FileWatch(
                self._session, self._conductor, reload=self._reload if self._file.readable_again else None
            )
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

    def _files(self) -> set[str]:
        """The files that the project comes from."""
        found: set[str] = set()
        if self._file.readable_again:
            with suppress(SbxError):  # it has just been changed, which will be noticed
                self._file.read(found)
        return found

    async def _watch(self, files: set[str]) -> None:
        assert self._reacting is not None
        _, keys = self._scope(self._session.project)
        await self._reacting.watch(keys, files)

    def _places(self) -> str:
        places = self._reacting.places if self._reacting is not None else []
        shown = places if len(places) <= 5 else [*places[:4], f"{len(places) - 4} other places"]
        file = ["the project's file"] if self._file.readable_again else []
        words = [*shown, *file] or ["nothing: no process has a `watch` rule"]
        return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))

    async def _reload(self) -> None:
        """The project's file has changed: go on as it says now, or as before if it has mistakes."""
        files: set[str] = set()
        before = self._session.project
        try:
            project = await asyncio.to_thread(self._file.read, files)
            _check_place(before, project)
            options, _ = self._scope(project)
            check_resolved(project, options)
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
        self._file.report(error)

    def _say(self, text: str, *, bad: bool = False) -> None:
        self._session.tell(WatchMessage(None, text, bad))


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
