"""Whether this machine is fit for the provider `local`, and whether its host runs. Starts no host."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sbxcompose import paths
from sbxcompose.engine.checks import CheckStatus, DoctorCheck, failed
from sbxcompose.engine.local_host import isolation, launch
from sbxcompose.engine.local_host.isolation import IsolationReport
from sbxcompose.errors import SbxError
from sbxcompose.plurals import counted
from sbxcompose.version import __version__
from sbxcompose.warm import control, place

SECTION = "local"
LITTLE_DISK = 1024**3
"""Bytes that should be free where logs are kept."""
FEW_FILES = 1024
"""Descriptors: each process that runs costs the host three or four."""

_check = partial(DoctorCheck, SECTION)


def check_local() -> list[DoctorCheck]:
    """Return all findings, in the order in which they matter."""
    found = [*_directory("state", paths.state_directory), *_directory("socket", paths.socket_path)]
    status = None
    if usable := not any(check.health is CheckStatus.BAD for check in found):
        status, checks = _host()
        found += checks
    found.append(fork_servers(control.all_status(), switched_off=place.is_off(os.environ)))
    return [
        *found,
        *_disk(),
        files_limit(*resource.getrlimit(resource.RLIMIT_NOFILE)),
        *_kernel(),
        _groups(),
        *([_isolation(status)] if usable else []),
    ]


def _directory(name: str, find: Callable[[], Path]) -> Iterator[DoctorCheck]:
    try:
        yield _check(name, CheckStatus.GOOD, str(find()))
    except SbxError as error:
        yield failed(SECTION, name, error)


def _host() -> tuple[dict[str, Any] | None, list[DoctorCheck]]:
    try:
        status = launch.status()
    except SbxError as error:
        return None, [failed(SECTION, "host", error)]
    if status is None:
        return None, [_check("host", CheckStatus.GOOD, "not running; it starts automatically when needed")]
    return status, list(_running_host(status))


def _running_host(status: dict[str, Any]) -> Iterator[DoctorCheck]:
    tcp = f", also on {status['tcp']}" if status.get("tcp") else ""
    text = f"answers: version {status['version']}, {counted(status['running_processes'], 'process')} running{tcp}"
    yield _check("host", CheckStatus.GOOD, text)
    yield from damaged(status.get("damaged"))
    if status["version"] != __version__:
        yield _check(
            "version",
            CheckStatus.NOTE,
            f"the host that runs is version {status['version']}, this is {__version__}",
            "`sbxcompose host stop` when nothing runs; the next command starts the new one",
        )


def fork_servers(found: Sequence[dict[str, Any]], *, switched_off: bool) -> DoctorCheck:
    """Return whether commands start quickly, in a fork of a process that has everything imported."""
    if switched_off:
        return _check(
            "fork server", CheckStatus.NOTE, f"switched off by {place.VARIABLE}; each command imports everything"
        )
    if not found:
        return _check("fork server", CheckStatus.GOOD, "not running; the next command starts it")
    text = "; ".join(f"version {server['version']}, pid {server['pid']}" for server in found)
    return _check("fork server", CheckStatus.GOOD, text)


def damaged(report: dict[str, Any] | None) -> Iterator[DoctorCheck]:
    """Yield what of the host's state could not be used."""
    if not report:
        return
    if report["files"]:
        count = len(report["files"])
        text = f"{counted(count, 'file')} could not be used, set aside in {report['directory']}"
        yield _check("state", CheckStatus.NOTE, text, "see `sbxcompose host status`; then delete what it lists")
    for path in report["left"]:
        yield _check(
            "state", CheckStatus.BAD, f"{path} cannot be used", "change its owner to this user (`chown`), or remove it"
        )


def _disk() -> Iterator[DoctorCheck]:
    try:
        directory = paths.state_directory()
        yield disk_space(directory, shutil.disk_usage(directory).free)
    except (OSError, SbxError):
        return  # said with the directory


def disk_space(directory: Path, free: int) -> DoctorCheck:
    """Return how much is free where the logs are."""
    text = f"{free / 1024**3:.1f} GiB free in {directory}"
    if free >= LITTLE_DISK:
        return _check("disk", CheckStatus.GOOD, text)
    return _check(
        "disk", CheckStatus.BAD, text, "free disk space, or set SBXCOMPOSE_STATE_DIR to a directory on a larger disk"
    )


def files_limit(soft: int, hard: int) -> DoctorCheck:
    """Return how many descriptors a process may have. (`RLIM_INFINITY` is less than zero.)"""
    unlimited = resource.RLIM_INFINITY
    most = hard if hard != unlimited else "unlimited"
    text = f"{soft if soft != unlimited else 'unlimited'} open files, {most} at most"
    if soft >= FEW_FILES or soft == unlimited:
        return _check("limits", CheckStatus.GOOD, text)
    return _check(
        "limits", CheckStatus.NOTE, text, f"for many processes run `ulimit -n {FEW_FILES}` before the host is started"
    )


def _kernel() -> Iterator[DoctorCheck]:
    from sbxcompose.linux.kernel import become_subreaper

    if become_subreaper():
        yield _check(
            "subreaper", CheckStatus.GOOD, "descendants that leave a process's session are found when it exits"
        )
    else:
        fix = "use a Linux kernel of 3.4 or newer, without a filter on prctl"
        yield _check(
            "subreaper",
            CheckStatus.BAD,
            "the kernel refuses; descendants that leave a process's session would be left behind",
            fix,
        )
    try:
        os.close(os.pidfd_open(os.getpid()))
        yield _check("pidfd", CheckStatus.GOOD, "exits of processes are noticed without polling")
    except OSError as error:
        yield _check("pidfd", CheckStatus.BAD, f"the kernel refuses: {error.strerror}", "use Linux 5.3 or newer")


def _isolation(status: dict[str, Any] | None) -> DoctorCheck:
    """Ask the host with this status, if it runs; else one isolated sandbox is made and thrown away without it."""
    report = None if status is None else isolation.ask(status)
    return isolated(_tried() if report is None else report)


def _tried() -> IsolationReport:
    from sbxcompose.host.base import settings
    from sbxcompose.host.isolation.attempt import attempt
    from sbxcompose.host.isolation.facts import hint

    state = str(paths.state_path())
    refused = attempt(state)
    return IsolationReport(settings.isolation(), refused, None if refused is None else hint(refused, state))


def isolated(report: IsolationReport) -> DoctorCheck:
    """Return whether sandboxes can be isolated here, and whether those are that programs create."""
    if report.refused is not None:
        shared = "; those that programs create share its files" if report.mode == "auto" else ""
        words = f"this machine cannot isolate sandboxes: {report.cause}{shared}"
        return _check("isolation", CheckStatus.NOTE, words, report.hint)
    which = "are not, as it is switched off" if report.mode == "none" else "are"
    return _check("isolation", CheckStatus.GOOD, f"sandboxes can be isolated; those that programs create {which}")


def _groups() -> DoctorCheck:
    """Control groups are optional; without them memory limits are not enforced."""
    try:
        own = Path("/proc/self/cgroup").read_text(encoding="utf-8")
    except OSError:
        own = ""
    path = next((line[3:] for line in own.splitlines() if line.startswith("0::")), None)
    if path is None:
        return _check("cgroups", CheckStatus.NOTE, "no control groups of version 2")
    directory = Path("/sys/fs/cgroup") / path.lstrip("/")
    if os.access(directory, os.W_OK):
        return _check("cgroups", CheckStatus.GOOD, f"{directory} is writable")
    return _check("cgroups", CheckStatus.NOTE, f"{directory} is not writable")
