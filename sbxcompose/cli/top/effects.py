"""What is asked for with keys, carried out on the session whose processes are shown."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from sbxcompose import signals
from sbxcompose.cli.context import GlobalOptions
from sbxcompose.cli.top.app import TopApp
from sbxcompose.cli.top.feed import TopFeed
from sbxcompose.cli.top.model import TopModel
from sbxcompose.cli.top.requests import Pane, TopAction, TopRequest
from sbxcompose.client.commands import running_sandbox
from sbxcompose.client.plan_options import stop_options
from sbxcompose.client.signal_processes import signal_number
from sbxcompose.clock import wall_time
from sbxcompose.engine.apply import apply, plan_for
from sbxcompose.engine.ready_now import probe_readiness
from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError, UsageError
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import ProcessNames, Target
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.up_terms import UpTerms
from sbxcompose.plan.why import why
from sbxcompose.plan.why_disk import with_disk
from sbxcompose.plurals import counted
from sbxcompose.spec.project import Project
from sbxcompose.tasks import TaskOwner

if TYPE_CHECKING:
    from sbxcompose.engine.forward import PortForward

DONE = {TopAction.START: "started", TopAction.STOP: "stopped", TopAction.RESTART: "restarted"}
DOING = {TopAction.START: "starting", TopAction.STOP: "stopping", TopAction.RESTART: "restarting"}
INTENTS = {TopAction.START: Intent.START, TopAction.STOP: Intent.STOP, TopAction.RESTART: Intent.RESTART}
LOOPBACK = "127.0.0.1"
RENEWED = (Pane.WHY, Pane.PLAN)
"""What is made anew when processes have changed."""
RENEW = 1.0
"""Seconds between that, at the least."""
_BY_THE_FILE = frozenset(
    {TopAction.UP, TopAction.START, TopAction.RESTART, TopAction.WHY, TopAction.PLAN, TopAction.OPEN}
)
"""What depends on the project's file, which may have changed since the last look."""


class ScreenOwner(Struct, frozen=True):
    """What only the command whose screen it is can do."""

    reread: Callable[[], Project] | None = None
    """Return the project as its files are now."""
    stop_all: Callable[[], Awaitable[None]] | None = None
    """Stop what belongs to an `up`."""
    kill_all: Callable[[], None] = lambda: None
    """Kill what that has not stopped yet."""


class Effects:
    """Carries out requests, each in a task of its own. Call it with a request; `close` ends what is left."""

    def __init__(
        self,
        model: TopModel,
        feed: TopFeed,
        session: Session,
        secrets: KnownSecrets,
        options: GlobalOptions,
        owner: ScreenOwner | None = None,
    ) -> None:
        self.app: TopApp | None = None
        self.has_terminal = True
        """Whether Ctrl-C is for us, and not for a shell that has the terminal."""
        self._model = model
        self._feed = feed
        self._session = session
        self._secrets = secrets
        self._options = options
        self._owner = owner or ScreenOwner()
        self._tasks = TaskOwner(self._fail)
        self._renewing = False
        self._stale = False
        self._forwards: dict[tuple[str, int], PortForward] = {}

    def __call__(self, request: TopRequest) -> None:
        """Begin what was asked for."""
        match request.action:
            case TopAction.LEAVE:
                self._exit("left")
            case TopAction.KILL_ALL:
                self._owner.kill_all()
            case TopAction.MOUSE:
                if self.app is not None:
                    self.app.set_mouse(self._model.mouse)
            case TopAction.STATS:
                self._session.changed.set()
            case TopAction.COPY:
                self._copy(request.text)
            case _:
                if self.app is not None and request.action is TopAction.SHELL:
                    self.app.ignores_keys = True
                self._tasks.start(self._carry_out(request))

    def renew(self) -> None:
        """Make the explanation or the plan that is shown anew, as processes have changed; at most once a second."""
        self._stale = True
        if self._model.pane in RENEWED and not self._renewing:
            self._renewing = True
            self._tasks.start(self._renew())

    async def _renew(self) -> None:
        try:
            while self._stale and self._model.pane in RENEWED:
                self._stale = False
                shown, instance = self._model.pane, self._model.selected
                try:
                    lines = await (self._plan() if shown is Pane.PLAN or instance is None else self._why(instance))
                except SbxError as error:
                    lines = [error.message]
                if (self._model.pane, self._model.selected) == (shown, instance):
                    self._show(shown, lines)
                await asyncio.sleep(RENEW)
        finally:
            self._renewing = False

    async def close(self) -> None:
        """End what is left."""
        await self._tasks.close()
        while self._forwards:
            _, forward = self._forwards.popitem()
            await forward.__aexit__(None, None, None)

    def _fail(self, error: BaseException) -> None:
        """End the screen because of a defect."""
        if self.app is not None and isinstance(error, Exception):
            self.app.fail(error)

    def _exit(self, how: str) -> None:
        if self.app is not None:
            self.app.exit(how)

    def _remark(self, text: str, *, bad: bool = False) -> None:
        self._model.show_message(self._secrets.hide(text), bad=bad)
        self._feed.news()

    def _copy(self, text: str) -> None:
        if self.app is not None:
            self.app.copy_to_clipboard(text)
            count = text.count("\n") + 1
            self._remark(f"copied {counted(count, 'line')} (terminals may refuse; m leaves them the mouse)")

    async def _carry_out(self, request: TopRequest) -> None:
        try:
            await self._do(request)
        except SbxError as error:
            self._remark("; ".join(filter(None, [error.message, error.hint])), bad=True)
        finally:
            if self.app is not None and request.action is TopAction.SHELL:
                self.app.ignores_keys = False

    async def _do(self, request: TopRequest) -> None:
        instance = request.instance
        if self._owner.reread is not None and request.action in _BY_THE_FILE:
            self._session.replace_project(self._owner.reread())
        match request.action:
            case TopAction.UP:
                await self._apply(
                    Intent.UP, UpTerms().options(self._session.project), "starting everything", "is started"
                )
            case TopAction.PLAN:
                self._show(Pane.PLAN, await self._plan())
            case TopAction.STOP_ALL if self._owner.stop_all is not None:
                await self._owner.stop_all()
                self._exit("stopped")
            case _ if instance is not None:
                await self._do_to(request.action, instance, request.text)

    async def _do_to(self, action: TopAction, instance: Instance, text: str) -> None:
        name = ProcessNames(self._session.project, self._session.observed()).instance(instance)
        match action:
            case TopAction.START | TopAction.STOP | TopAction.RESTART:
                await self._apply(
                    INTENTS[action], self._options_for(action, instance), f"{DOING[action]} {name}", DONE[action], name
                )
            case TopAction.SIGNAL:
                await self._signal(instance, name, text)
            case TopAction.SHELL:
                await self._shell(name)
            case TopAction.OPEN:
                await self._open(instance, name)
            case TopAction.WHY:
                self._show(Pane.WHY, await self._why(instance))

    def _options_for(self, action: TopAction, instance: Instance) -> PlanOptions:
        target = frozenset({Target(instance.sandbox, instance.process, instance.replica)})
        if action is TopAction.STOP:
            return stop_options(self._session.project, target)
        return PlanOptions(targets=target, rerun=target if action is TopAction.START else frozenset())

    async def _apply(self, intent: Intent, options: PlanOptions, doing: str, done: str, name: str = "") -> None:
        self._remark(f"{doing} …")
        plans: list[bool] = []
        result = await apply(self._session, intent, options, lambda plan: plans.append(plan.empty))
        if not result.good:
            self._remark(result.failures[0].error.message, bad=True)
        elif plans[-1]:
            self._remark(f"nothing to do: {name} is {done} already" if name else "nothing to do")
        else:
            self._remark(f"{name} {done}" if name else "everything is started")

    async def _signal(self, instance: Instance, name: str, text: str) -> None:
        number = signal_number(text.strip())
        link = self._session.connections.get(instance.sandbox)
        row = link.row(instance) if link is not None else None
        if link is None or row is None or row.pid is None:
            raise UsageError(f"{name} is not running")
        await link.client.signal(row.name, number)
        self._remark(f"sent {signals.shown(number)} to {name}")

    def _show(self, pane: Pane, lines: Iterable[str]) -> None:
        self._model.show(pane, [self._secrets.hide(line) for line in lines])
        self._feed.news()

    async def _why(self, instance: Instance) -> list[str]:
        ready = await probe_readiness(self._session, lambda other: other == instance, commands=True)
        observed = self._session.observed()
        found = with_disk(why(self._session.project, observed, instance, wall_time(), ready), observed)
        return [*found.lines, *([f"hint: {found.hint}"] if found.hint else [])]

    async def _plan(self) -> list[str]:
        plan = await plan_for(self._session, Intent.UP, UpTerms().options(self._session.project))
        return [*(str(step) for step in plan), *(f"note: {note}" for note in plan.notes), plan.summary]

    async def _open(self, instance: Instance, name: str) -> None:
        """Open the port in a browser; one in the cloud is forwarded first, for as long as the screen is there."""
        process = self._session.project.process(instance.sandbox, instance.process)
        port = process.port_of(instance.replica) if process is not None else None
        if port is None:
            raise UsageError(f"{name} has no `port` in the file")
        import webbrowser  # late, as what forwards: most screens open no port

        local = port
        if self._session.project.provider != "local":
            from sbxcompose.engine.forward import PortForward

            link = running_sandbox(self._session, instance.sandbox)
            key = (instance.sandbox, port)
            if key not in self._forwards:
                forward = PortForward(link.client, instance.sandbox, port, LOOPBACK, 0, lambda text: self._remark(text))
                self._forwards[key] = await forward.__aenter__()
            local = self._forwards[key].port
        url = f"http://{LOOPBACK}:{local}/"
        if has_browser() and await asyncio.to_thread(webbrowser.open, url):
            self._remark(f"opened {url}")
        elif self.app is not None:
            self.app.copy_to_clipboard(url)
            self._remark(f"{name}: {url} (copied; no browser found)")

    async def _shell(self, name: str) -> None:
        """Run `shell` for the process on the terminal, and come back when it has ended."""
        assert self.app is not None
        with self.app.set_aside():
            self.has_terminal = False
            try:
                print(f"shell of {name}; `exit` returns here", flush=True)
                command = [sys.executable, "-m", "sbxcompose", *self._options.words(), "shell", "--", name]
                process = await asyncio.create_subprocess_exec(*command)
                code = await self._ended(process)
            finally:
                self.has_terminal = True
        self._remark(f"shell of {name} ended with code {code}", bad=code not in (0, 130))

    @staticmethod
    async def _ended(process: asyncio.subprocess.Process) -> int:
        """Wait for its end; it ends with us."""
        try:
            return await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise


def has_browser() -> bool:
    """Return whether a browser with a window can be expected."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
