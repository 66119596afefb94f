"""A project kept as its files say: watching that can be switched on and off, and the project's own file with it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sbxcompose.engine.apply_loop import ApplyLoop
from sbxcompose.engine.events import ProjectReloaded, ReloadFailed, WatchMessage
from sbxcompose.engine.project_file import ProjectFile
from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError, SpecError
from sbxcompose.plan.options import in_scope
from sbxcompose.plan.profiles import check_resolved
from sbxcompose.spec.project import Project
from sbxcompose.tasks import run_beside, run_until
from sbxcompose.threads import call_in_thread

if TYPE_CHECKING:
    from sbxcompose.engine.file_watch import FileWatch


class ProjectWatch:
    """`switch` it on and off, and `run` it. A new reading of the file is told as an event, and given to the loop."""

    def __init__(self, session: Session, loop: ApplyLoop, file: ProjectFile) -> None:
        self._session = session
        self._loop = loop
        self._file = file
        self._read: set[str] = set()
        """The files that the project was read from when that went well the last time."""
        self._has_mistake = False
        """Whether the last reading of the changed file could not be applied."""
        self._file_watch: FileWatch | None = None
        self.wanted = False
        """Whether changes are to have consequences."""
        self.established = False
        """Whether from now on no change is missed."""

    def switch(self, *, on: bool) -> None:
        """Watch, or stop watching."""
        self.wanted = on
        self._loop.wake()

    async def run(self) -> None:
        """Watch whenever it is wanted, until cancelled."""
        while True:
            await self._loop.wait_until(lambda: self.wanted)
            await self._watch_files()
            self._notify("stopped watching")

    async def _watch_files(self) -> None:
        from sbxcompose.engine.file_watch import FileWatch  # only who watches needs all that

        self._file_watch = FileWatch(
            self._session, self._loop, reload=self._reload if self._file.readable_again else None
        )
        try:
            work = run_beside(self._file_watch.run(), self._establish())
            await run_until(work, self._loop.wait_until(lambda: not self.wanted))
        finally:
            self.established = False
            self._file_watch = None

    async def _establish(self) -> None:
        self._read = self._files()
        await self._watch(self._read)
        self.established = True
        self._loop.wake()
        self._notify(f"watching {self._places()}")

    def _files(self) -> set[str]:
        """Return the files that the project comes from."""
        found: set[str] = set()
        if self._file.readable_again:
            with suppress(SbxError):  # it has just been changed, which will be noticed
                self._file.read(found)
        return found

    async def _watch(self, files: set[str]) -> None:
        assert self._file_watch is not None
        project = self._loop.project
        options = self._file.options(project)
        wanted = {(process.sandbox, process.name) for process in in_scope(project, options)}
        if options.targets is None:
            wanted |= self._started_by_name(project)
        every = ((process.sandbox, process.name) for process in project.every_process())
        await self._file_watch.watch([key for key in every if key in wanted], files)

    def _started_by_name(self, project: Project) -> set[tuple[str, str]]:
        """Return the processes that run although they start by name only, or their profile is not active."""
        inactive = {(process.sandbox, process.name) for process in project.inactive}
        live = (row.instance for connection in self._session.connections.values() for row in connection.live())
        return inactive & {(instance.sandbox, instance.process) for instance in live}

    def _places(self) -> str:
        places = self._file_watch.places if self._file_watch is not None else []
        shown = places if len(places) <= 5 else [*places[:4], f"{len(places) - 4} other places"]
        file = ["the project's file"] if self._file.readable_again else []
        words = [*shown, *file] or ["nothing: no process has a `watch` rule"]
        return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))

    async def _reload(self) -> None:
        """Follow a change of the project's file; with mistakes in it everything stays as before."""
        files: set[str] = set()
        before = self._loop.project
        try:
            project = await call_in_thread(self._file.read, files)
            check_place(before, project)
            options = self._file.options(project)
            check_resolved(project, options)
        except SbxError as error:
            self._has_mistake = True
            self._session.emit(ReloadFailed(error))
            await self._watch(files | self._read)
            return
        self._read = files
        had_mistake, self._has_mistake = self._has_mistake, False
        if project != before:
            self._notify("the project's file has changed")
            self._loop.reload(project, options)
            self._session.emit(ProjectReloaded(project, options))
        elif had_mistake:
            self._notify("the project's file is valid again; nothing has changed")
        places = self._places()
        await self._watch(files)
        if self._places() != places:
            self._notify(f"watching {self._places()}")

    def _notify(self, text: str) -> None:
        self._session.emit(WatchMessage(None, text))


def check_place(before: Project, after: Project) -> None:
    """Refuse changes of what decides where processes run. Raises `SpecError`."""
    if before.directory != after.directory and before.files and after.files:
        # The search upwards goes on where the file is no longer there.
        raise SpecError(
            f"{before.files[0]} no longer exists, and {after.files[0]} is the file of another project",
            hint="restore the file; Ctrl-C, or `sbxcompose -p NAME down`, stops what runs",
        )
    names = {sandbox.name: sandbox.full_name for sandbox in after.sandboxes}
    places = {sandbox.name: after.provider_of(sandbox) for sandbox in after.sandboxes}
    changed = [
        *[key for key in ("name", "provider", "directory") if getattr(before, key) != getattr(after, key)],
        *[
            f"name of sandbox {sandbox.name}"
            for sandbox in before.sandboxes
            if names.get(sandbox.name) not in (None, sandbox.full_name)
        ],
        *[
            f"provider of sandbox {sandbox.name}"
            for sandbox in before.sandboxes
            if places.get(sandbox.name) not in (None, before.provider_of(sandbox))
        ],
    ]
    if changed:
        raise SpecError(
            f"the {changed[0]} has changed", hint="run `sbxcompose down` with the old file, then `up` with the new one"
        )
