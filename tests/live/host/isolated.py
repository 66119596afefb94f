"""A host, and an isolated sandbox in it, for the tests of isolation: run by root, and by a user without rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import sbxcompose
from tests.live.host.hosts import Box, LiveHost, ended
from tests.support.home import Home

NOBODY = 65534
ROOT = Path(sbxcompose.__file__).parent.parent
_COMMAND = "import sys; from sbxcompose.engine.local_host import launch; "
_START, _STOP = _COMMAND + "launch.ensure_host()", _COMMAND + "launch.stop(force=True)"


class UserHost(LiveHost):
    """A host of another user, who has no rights on this machine."""

    def __init__(self, home: Home, python: Path, prefix: Sequence[str] = ()) -> None:
        self._command = [*prefix, str(python), "-c"]
        self._home = home
        self._run(_START)
        super().__init__(home, home.socket)

    def _run(self, program: str) -> None:
        subprocess.run(
            [*self._command, program],
            env=self._home.environment(PATH=os.defpath),
            cwd="/",
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            check=True,
        )

    def close(self) -> None:
        """End it and all that runs in it."""
        self.http.close()
        self._run(_STOP)


def _python_for(directory: Path) -> Path:
    """A Python that another user can execute, with what this one has. Skips the test where there is none."""
    system = Path("/usr/bin/python3")
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not system.exists() or not os.path.realpath(system).endswith(ours):
        pytest.skip(f"no Python {ours} in /usr/bin, which another user could run")
    subprocess.run([str(system), "-m", "venv", "--without-pip", str(directory)], check=True)
    packages = next(directory.glob("lib/python*/site-packages"))
    paths = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "tests.pth").write_text("\n".join([*paths, str(ROOT)]) + "\n")
    for top, _, names in os.walk(directory):
        os.chmod(top, 0o755)
        for name in names:
            if not os.path.islink(os.path.join(top, name)):
                os.chmod(os.path.join(top, name), 0o755)
    return directory / "bin" / "python"


_FORBID = """
echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all -- "$@"
"""
WITHOUT_NAMESPACES = ("unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", _FORBID, "sh")
"""Run a command where users may make no user namespaces: in the last one, whose own limit is 0."""


def forbidding() -> Sequence[str]:
    """`WITHOUT_NAMESPACES`. Skips the test where that cannot be had."""
    done = subprocess.run([*WITHOUT_NAMESPACES, "true"], user=NOBODY, group=NOBODY, cwd="/", check=False)
    if done.returncode:
        pytest.skip("a limit of user namespaces cannot be set here")
    return WITHOUT_NAMESPACES


@contextmanager
def host_without_rights(prefix: Sequence[str] = ()) -> Iterator[LiveHost]:
    """A host that is not run by root, but by the command `prefix`. Skips the test where none can be had."""
    with Home.temporary() as home:
        os.chmod(home.root, 0o755)
        python = _python_for(home.root / "python")
        for path in (home.state, home.runtime):
            path.mkdir(mode=0o700)
            os.chown(path, NOBODY, NOBODY)
        os.chown(home.root, NOBODY, NOBODY)
        host = UserHost(home, python, prefix)
        try:
            yield host
        finally:
            host.close()
            shutil.rmtree(home.state, ignore_errors=True)


def isolated(host: LiveHost, name: str = "box", **fields: object) -> Box:
    """An isolated sandbox. Skips the test where the machine does not permit one, with its reason."""
    answer = host.http.post("/sandboxes", json={"name": name, "isolation": "overlay", **fields})
    if answer.status_code == 400 and answer.json().get("code") == "ISOLATION":
        pytest.skip(answer.json()["error"])
    assert answer.status_code == 200, answer.text
    return Box(host, answer.json()["sandbox_id"])


def finish(box: Box, script: str, **fields: object) -> list[str]:
    """Run a shell script in a sandbox, without the variables of this process; its lines."""
    body = {"command": "sh", "args": ["-c", script], **fields}
    row = box.ask("POST", "/processes", json=body).raise_for_status().json()
    box.wait(row["pid"], ended)
    return box.lines(row["pid"])
