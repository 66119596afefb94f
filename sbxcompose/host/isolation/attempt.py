"""An isolated sandbox that is made and thrown away without a host, to find out whether this machine permits one."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress

from sbxcompose.host.isolation import disk as disks
from sbxcompose.host.isolation import facts as machine
from sbxcompose.host.isolation.plan import mount_plan
from sbxcompose.host.keeper.explain import CannotSpawn
from sbxcompose.host.keeper.inits import Inits

_NAME = "probe"


def attempt(state: str) -> str | None:
    """Try it below the state directory; return what failed, None if nothing did. Raises nothing."""
    try:
        directory = tempfile.mkdtemp(prefix="isolation-", dir=state)
    except OSError as error:
        return f"the sandbox cannot be isolated: making its disk: {(error.strerror or str(error)).lower()}"
    try:
        return _attempt(os.path.join(directory, disks.DISK))
    finally:
        with suppress(OSError):
            disks.remove(directory)


def _attempt(disk: str) -> str | None:
    facts = machine.machine_facts()
    inits = Inits(disk)
    try:
        os.mkdir(disk, 0o700)
        disks.make(disk, facts, workspace="/workspace", hostname=_NAME)
        inits.plan(_NAME, mount_plan(facts, disk=disk, hostname=_NAME, workspace=None))
        init = inits.start(_NAME)
        inits.drop(_NAME)
        os.waitpid(init.pid, 0)  # with it all mounts are gone, and the disk can be removed
    except CannotSpawn as failure:
        return failure.message
    except OSError as error:
        return f"the sandbox cannot be isolated: making its disk: {(error.strerror or str(error)).lower()}"
    return None
