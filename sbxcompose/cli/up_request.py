"""What the command line of `up` asks for, and which processes that concerns."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from sbxcompose.cli.context import GlobalOptions, Shell
from sbxcompose.engine.project_file import ProjectFile
from sbxcompose.errors import UsageError
from sbxcompose.plan.instances import instances_of
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.steps import Plan
from sbxcompose.plan.up_terms import EndRule, UpTerms
from sbxcompose.spec.project import Project

STARTED_KEEP_RUNNING = "interrupted; started processes keep running, `sbxcompose down` stops them"


def note_what_is_limited(shell: Shell, grace: float | None, wait_timeout: float | None) -> None:
    """Note that `--timeout` is about stops, as in Docker Compose, where a wait without a limit was asked for."""
    if grace is not None and wait_timeout is None:
        shell.note("`--timeout` limits how long stopping takes; the wait has no limit without `--wait-timeout`")


class UpRequest(Struct, frozen=True, kw_only=True):
    """What the command line of `up` says."""

    names: tuple[str, ...] = ()
    scale: Mapping[str, int] = field(default_factory=dict)
    no_deps: bool = False
    force_recreate: bool = False
    always_recreate_deps: bool = False
    no_recreate: bool = False
    remove_orphans: bool = False
    recreate_sandboxes: bool = False
    grace: float | None = None
    watch: bool = False
    detach: bool = False
    wait: bool = False
    wait_timeout: float | None = None
    abort_on_exit: bool = False
    exit_code_from: str | None = None
    timestamps: bool = False
    no_log_prefix: bool = False
    raw: bool = False
    as_json: bool = False
    junit: str | None = None
    attach: tuple[str, ...] = ()
    no_attach: tuple[str, ...] = ()
    timings: bool = False
    ui: bool = False

    @property
    def end(self) -> EndRule:
        """What ends an attached one early."""
        return EndRule(self.abort_on_exit, self.exit_code_from)

    @property
    def ends_itself(self) -> bool:
        """Whether the end of a process ends it all."""
        return self.end.ends_itself

    def check(self) -> None:
        """Refuse options that contradict each other. Raises `UsageError`."""
        self.check_plan()
        if self.wait_timeout is not None and not (self.wait or self.ends_itself):
            raise UsageError("`--wait-timeout` needs `--wait`, `--exit-code-from` or `--abort-on-exit`")
        if self.junit is not None and self.detach and not self.wait:
            raise UsageError("`--junit` reports a verdict, so it needs `--wait` or an attached `up` (without `-d`)")
        if self.watch and (self.detach or self.wait):
            raise UsageError(
                "`--watch` stays and watches, so it cannot be used with `-d` or `--wait`",
                hint="`sbxcompose watch` watches what was started with `-d`",
            )
        if (self.attach or self.no_attach) and (self.detach or self.wait):
            word = "--attach" if self.attach else "--no-attach"
            raise UsageError(f"`{word}` chooses whose output is shown, so it cannot be used with `-d` or `--wait`")
        if self.ui:
            self._check_screen()
        if self.ends_itself and (self.detach or self.wait):
            word = "--abort-on-exit" if self.abort_on_exit else "--exit-code-from"
            raise UsageError(f"`{word}` stays until something ends, so it cannot be used with `-d` or `--wait`")

    def _check_screen(self) -> None:
        """Raise `UsageError` for options that the whole screen has no use for, and where none can be drawn."""
        from sbxcompose.cli.screen_terminal import check_terminal

        others = {
            "-d": self.detach,
            "--wait": self.wait,
            "--json": self.as_json,
            "--raw": self.raw,
            "--timings": self.timings,
        }
        for word, given in others.items():
            if given:
                raise UsageError(f"`--ui` takes the whole screen, so it cannot be used with `{word}`")
        check_terminal("leave `--ui` out: `up` shows the output as lines")

    def check_plan(self) -> None:
        """Refuse options that ask for opposite plans. Raises `UsageError`."""
        self._terms.check(lambda name: f"--{name.replace('_', '-')}")

    def options(self, project: Project) -> PlanOptions:
        """Return what the planner is asked."""
        return self._terms.options(project)

    def file(self, shell: Shell) -> ProjectFile:
        """Return the file that the project comes from, to be read again."""
        return ProjectFile(shell.load_request(self.scale), self._terms)

    @property
    def _terms(self) -> UpTerms:
        return UpTerms(
            names=self.names,
            rerun=(self.exit_code_from,) if self.exit_code_from else (),
            no_deps=self.no_deps,
            force_recreate=self.force_recreate,
            recreate_needs=self.always_recreate_deps,
            no_recreate=self.no_recreate,
            remove_orphans=self.remove_orphans,
            recreate_sandboxes=self.recreate_sandboxes,
            grace=self.grace,
        )

    def hidden(self, project: Project) -> Callable[[Instance], bool]:
        """Return whether the output of an instance is not shown. Raises `UsageError` for names that mean nothing."""
        from sbxcompose.plan.selection import select

        if not (self.attach or self.no_attach):
            return lambda instance: False
        names = ProcessNames(project)
        known = list(instances_of(project.every_process()))
        shown = set(select(known, self.attach, names, names.instance)) if self.attach else set(known)
        muted = set(known) - shown | set(select(known, self.no_attach, names, names.instance))
        return lambda instance: instance in muted

    def how_to_reproduce(self, options: GlobalOptions) -> Callable[[Sequence[str]], str]:
        """Return the command that shows the failure of these processes again, with all their output."""
        words = ["sbxcompose", *options.words(), "up"]
        if self.exit_code_from is not None:
            return lambda failed: shlex.join([*words, "--exit-code-from", self.exit_code_from or "", *self.names])
        return lambda failed: shlex.join([*words, *dict.fromkeys(name.partition(".")[0] for name in failed)])


def echo_notes(shell: Shell, plan: Plan) -> None:
    """Return what is worth knowing about a plan."""
    for note in plan.notes:
        shell.note(str(note))
