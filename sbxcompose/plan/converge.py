"""What an attached command does next: the difference between what was asked for and what has been done.

Everything asked for is kept as state and numbered. Nothing is queued and no wake-up carries information, so that lost,
doubled and merged wake-ups do no harm: whoever looks again comes to the same decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.steps import Plan, Start
from sbxcompose.spec.project import Project


class StopRemoved(Struct, frozen=True):
    """Stop processes that the file no longer has, by the rules of the project that had them."""

    targets: frozenset[Target]
    project: Project


class RestartTargets(Struct, frozen=True):
    """Restart `targets`, for the reasons in `because`; `asked` is the request number of each instance."""

    targets: frozenset[Target]
    because: str
    asked: Mapping[Instance, int]


class ApplyFile(Struct, frozen=True):
    """Bring everything to what the file says; `edition` counts the changes of what is wanted."""

    options: PlanOptions
    edition: int


Work = StopRemoved | RestartTargets | ApplyFile


class _Restart(Struct, frozen=True):
    """A restart of one instance that was asked for and has not been carried out."""

    number: int
    reason: str


class _Attempt:
    """Work that is under way, and how far its plan has got."""

    def __init__(self, work: Work, edition: int) -> None:
        self.work = work
        self.edition = edition
        """The edition of what is wanted when it began."""
        self.planned = False
        self.runs_before: dict[Instance, int] = {}
        """The instances that the plan starts, each with the number of its latest run before."""
        self.begun: dict[Instance, int] = {}
        """The starts that have begun, each with the number of the latest restart request at that moment."""
        self.ended: set[Instance] = set()
        """The starts that have succeeded or failed."""

    def will_satisfy(self, instance: Instance, number: int) -> bool:
        """Return whether restart request `number` of an instance needs nothing beyond this attempt."""
        if isinstance(self.work, RestartTargets):
            asked = self.work.asked.get(instance, 0)
            # What is asked for before there is a plan is planned too; a plan may have nothing to start.
            if asked >= number or (asked and not self.planned):
                return True
        return instance in self.runs_before and self.begun.get(instance, number) >= number

    def has_tried(self, instance: Instance, runs: Mapping[Instance, int]) -> bool:
        """Return whether a start has been carried out; one that was cancelled may have happened all the same."""
        newer = instance in self.begun and runs.get(instance, 0) > self.runs_before[instance]
        return instance in self.ended or newer

    def has_left(self, target: Target, runs: Mapping[Instance, int]) -> bool:
        """Return whether there is something of a target that the plan was to start and has not."""
        return any(target.covers(instance) and not self.has_tried(instance, runs) for instance in self.runs_before)


_NOT_FORCED = {"force_recreate": False, "recreate_needs": False}
"""The options that ask for new runs once; kept, every edit of the file would restart everything."""


class Convergence:
    """The desired state, what has been done of it, and what is under way.

    Ask `next_work` while nothing is under way and `must_interrupt` while something is. Tell it what is wanted with
    `bring_up`, `reload` and `restart`, and what happens with the other methods.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._options = PlanOptions()
        self._rerun: frozenset[Target] = frozenset()
        """Targets that are to run again once, also if they have completed."""
        self._forced = _NOT_FORCED
        self._edition = 0
        self._applied = 0
        """The edition that was carried out last, well or not."""
        self._good = True
        self._restarts: dict[Instance, _Restart] = {}
        self._number = 0
        """Number of the latest restart request."""
        self._removed: dict[tuple[str, str], Project] = {}
        """Processes that are to be stopped, each with the project that had it."""
        self._attempt: _Attempt | None = None

    def bring_up(self, options: PlanOptions) -> None:
        """Want everything as the file says; what is asked for once holds until a plan has been carried out."""
        self._rerun = options.rerun
        self._forced = {name: getattr(options, name) for name in _NOT_FORCED}
        self._want(options)

    def reload(self, project: Project, options: PlanOptions) -> None:
        """Want what another reading of the file says, and stop what it no longer has."""
        before, self.project = self.project, project
        wanted = {(process.sandbox, process.name) for process in project.processes()}
        for process in before.processes():
            self._removed[process.sandbox, process.name] = before
        self._removed = {key: owner for key, owner in self._removed.items() if key not in wanted}
        known = {known_instance for instance in self._restarts for known_instance in self._instances(_whole(instance))}
        self._forget(instance for instance in self._restarts if instance not in known)
        self._rerun = self._known(self._rerun)
        self._want(options)

    def _want(self, options: PlanOptions) -> None:
        self._options = replace(options, rerun=frozenset(), **_NOT_FORCED)
        self._edition += 1

    def restart(self, why: Mapping[Target, str]) -> frozenset[Target]:
        """Want new runs, for these reasons; return the targets that the plan under way is still to start anyway."""
        self._number += 1
        absorbed = set()
        for target, reason in why.items():
            instances = list(self._instances(target))
            for instance in instances:
                self._restarts[instance] = _Restart(self._number, self._reason(instance, reason))
            if instances and all(self._will_start(instance) for instance in instances):
                absorbed.add(target)
        return frozenset(absorbed)

    def _reason(self, instance: Instance, reason: str) -> str:
        earlier = self._restarts.get(instance)
        if earlier is None or reason in earlier.reason.split(", "):
            return reason if earlier is None else earlier.reason
        return f"{earlier.reason}, {reason}"

    def _will_start(self, instance: Instance) -> bool:
        attempt = self._attempt
        return attempt is not None and instance in attempt.runs_before and instance not in attempt.begun

    def _instances(self, target: Target) -> Iterable[Instance]:
        process = self.project.process(target.sandbox, target.process)
        every = range(1, process.replicas + 1) if process is not None else ()
        numbers = every if target.replica is None else (target.replica,)
        return (Instance(target.sandbox, target.process, number) for number in numbers)

    def _known(self, targets: Iterable[Target]) -> frozenset[Target]:
        known = {(process.sandbox, process.name) for process in self.project.every_process()}
        return frozenset(target for target in targets if (target.sandbox, target.process) in known)

    @property
    def busy(self) -> bool:
        """Whether something is under way, or to be done."""
        return self._attempt is not None or self.next_work() is not None

    def is_starting(self, instance: Instance) -> bool:
        """Return whether the plan under way is still to start an instance, or a restart of it is wanted."""
        attempt = self._attempt
        planned = attempt is not None and instance in attempt.runs_before and instance not in attempt.ended
        return planned or instance in self._restarts

    def next_work(self) -> Work | None:
        """Return what is to be done first: stop what was removed, restart what was asked for, then all the rest."""
        if self._removed:
            owner = next(iter(self._removed.values()))
            # One file at a time: what two editions have removed is stopped by the rules of each.
            return StopRemoved(frozenset(Target(*key) for key, own in self._removed.items() if own is owner), owner)
        if self._restarts:
            reasons = dict.fromkeys(restart.reason for restart in self._restarts.values())
            asked = {instance: restart.number for instance, restart in self._restarts.items()}
            return RestartTargets(self._targets(asked), ", ".join(reasons), asked)
        if self._applied < self._edition:
            return ApplyFile(replace(self._options, rerun=self._rerun, **self._forced), self._edition)
        return None

    def _targets(self, instances: Iterable[Instance]) -> frozenset[Target]:
        """Name the instances, and a process where all its replicas are meant."""
        asked = set(instances)
        targets = set()
        for instance in asked:
            whole = _whole(instance)
            complete = asked.issuperset(self._instances(whole))
            targets.add(whole if complete else replace(whole, replica=instance.replica))
        return frozenset(targets)

    def begin(self, work: Work) -> None:
        """Take note that the work is under way."""
        self._attempt = _Attempt(work, self._edition)
        if isinstance(work, StopRemoved):
            self._removed = {key: owner for key, owner in self._removed.items() if owner is not work.project}

    def planned(self, plan: Plan, runs: Mapping[Instance, int]) -> None:
        """Take note of the plan that is about to be carried out; `runs` are the numbers of the latest runs."""
        assert self._attempt is not None
        self._attempt.planned = True
        starts = [step.action.instance for step in plan if isinstance(step.action, Start)]
        self._attempt.runs_before = {instance: runs.get(instance, 0) for instance in starts}

    def start_begun(self, instance: Instance) -> None:
        """Take note that a start has begun: it makes good all requests made before."""
        if self._attempt is not None and instance in self._attempt.runs_before:
            self._attempt.begun[instance] = self._number

    def start_ended(self, instance: Instance) -> None:
        """Take note that a start has succeeded, or failed."""
        if self._attempt is not None:
            self._attempt.ended.add(instance)

    def must_interrupt(self) -> bool:
        """Return whether what is under way is no longer what is wanted, or keeps something from being restarted."""
        attempt = self._attempt
        # A stop is never interrupted: `begin` has taken it off `_removed`, so it would not be asked for again.
        if attempt is None or isinstance(attempt.work, StopRemoved):
            return False
        # The file has changed: a plan of the older edition would start what is no longer wanted.
        if attempt.edition < self._edition:
            return True
        return any(not attempt.will_satisfy(instance, restart.number) for instance, restart in self._restarts.items())

    def finished(self, *, good: bool) -> None:
        """Take note that the work has come to its end, and whether all of it succeeded; it is not tried again."""
        attempt, self._attempt = self._attempt, None
        assert attempt is not None
        match attempt.work:
            case ApplyFile(edition=edition):
                # Also where it failed: the same plan would fail again, until the file changes or a restart succeeds.
                self._applied = edition
                self._good = good
                self._rerun = frozenset()
                self._forced = _NOT_FORCED
            case RestartTargets() if good and not self._good:
                self._applied = self._edition - 1  # what was held up may continue now
        self._forget(instance for instance, one in self._restarts.items() if attempt.will_satisfy(instance, one.number))

    def interrupted(self, runs: Mapping[Instance, int]) -> None:
        """Take note that the work was interrupted; `runs` are the numbers of the latest runs now."""
        attempt, self._attempt = self._attempt, None
        assert attempt is not None
        self._forget(
            instance
            for instance, restart in self._restarts.items()
            if attempt.has_tried(instance, runs) and attempt.begun[instance] >= restart.number
        )
        if isinstance(attempt.work, ApplyFile) and attempt.planned:
            self._rerun = frozenset(target for target in self._rerun if attempt.has_left(target, runs))

    def _forget(self, instances: Iterable[Instance]) -> None:
        for instance in list(instances):
            del self._restarts[instance]


def _whole(instance: Instance) -> Target:
    """Name the process of an instance."""
    return Target(instance.sandbox, instance.process)
