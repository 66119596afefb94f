"""The vendor's clients as a test uses them: snippets for the SDKs, arguments for `tl`, one host for all."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from tests.support.command import COMMAND, Result, Running
from tests.support.home import Home

SCRIPTS = Path(__file__).parent / "scripts"
KEY = "dev"
PATIENCE = 100.0
"""Seconds that one command of a client may take."""

ANSWER = r'(?m)^\{"(?:result|error)":.*\n'
"""A line with which a driver answers."""

_names = count(1)


class ClientError(Exception):
    """What the SDK raised: its `type`, `message`, and `status_code` and `code` where it has them."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(f"{told['type']}: {told['message']}")
        self.type: str = told["type"]
        self.message: str = told["message"]
        self.status_code: int | None = told.get("status_code")
        self.code: str | None = told.get("code")
        self.told = told


class Host:
    """A host that was started as its documentation has it, and the variables that it printed for the clients."""

    def __init__(self, home: Home, serving: Running) -> None:
        self.home = home
        self.serving = serving
        serving.wait_for("SANDBOX_PROXY_URL=.*\n")
        self.variables: dict[str, str] = dict(re.findall(r"^export (\w+)=(\S+)$", serving.out.text, re.MULTILINE))
        self.url = self.variables["TENSORLAKE_API_URL"]
        headers = {"Authorization": f"Bearer {KEY}"}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE, trust_env=False, verify=False)

    @property
    def environment(self) -> dict[str, str]:
        """What a client's environment is."""
        return self.home.environment(**self.variables, NO_PROXY="*")

    def box(self, **fields: Any) -> str:
        """The name of a new sandbox."""
        name = f"box-{next(_names)}"
        self.http.post("/sandboxes", json={"name": name, **fields}).raise_for_status()
        return name

    def id_of(self, box: str) -> str:
        """The id of a sandbox."""
        return str(self.http.get(f"/sandboxes/{box}").raise_for_status().json()["id"])

    def file(self, box: str, path: str | Path) -> bytes | None:
        """What is in a file of a sandbox, None if it is not there: as the sandbox sees it, isolated or not."""
        answer = self.http.get("/api/v1/files", params={"path": str(path)}, headers={"X-Tensorlake-Sandbox-Id": box})
        return None if answer.status_code == 404 else answer.raise_for_status().content

    def write(self, box: str, path: str | Path, content: bytes = b"") -> None:
        """Write a file of a sandbox."""
        headers = {"X-Tensorlake-Sandbox-Id": box}
        self.http.put("/api/v1/files", params={"path": str(path)}, headers=headers, content=content).raise_for_status()

    def delete(self, box: str) -> None:
        """Terminate a sandbox, if it is still there."""
        self.http.delete(f"/sandboxes/{box}")

    @property
    def server_pid(self) -> int:
        """The process id of the server."""
        return int(self.http.get("/host/v1/status").raise_for_status().json()["pid"])

    def close(self) -> None:
        """End it and all that runs in it."""
        self.http.close()
        subprocess.run(
            [str(COMMAND), "host", "stop", "--force"], env=self.home.environment(), check=False, capture_output=True
        )
        self.serving.close()


@contextmanager
def serving(*options: str) -> Iterator[Host]:
    """A host of one's own that serves a free port."""
    with Home.temporary() as home:
        argv = [str(COMMAND), "host", "serve", "--port", "0", "--key", KEY, *options]
        host = Host(home, Running(argv, home.root, home.environment(), terminal=False))
        try:
            yield host
        finally:
            host.close()


class Sdk:
    """One SDK in a process of its own, which carries out snippets (see `scripts/`) one after the other."""

    def __init__(self, kind: str, argv: list[str], host: Host) -> None:
        self.kind = kind
        self._argv = argv
        self._host = host
        self._running: Running | None = None
        self._answers = 0
        self._seen = 0

    def __call__(self, code: str, box: str | None = None, *, patience: float = PATIENCE) -> Any:
        """The result of a snippet, in which `sb` is connected to `box`. Raises `ClientError`."""
        running = self._process()
        running.press(json.dumps({"code": code, "box": box}) + "\n")
        self._answers += 1
        running.wait_for(ANSWER, count=self._answers, timeout=patience)
        answer = json.loads(re.findall(ANSWER, running.out.text)[self._answers - 1])
        if "error" in answer:
            raise ClientError(answer["error"])
        return answer["result"]

    def _process(self) -> Running:
        if self._running is None or self._running.process.poll() is not None:
            self.close()
            self._running = Running(self._argv, self._host.home.root, self._host.environment, terminal=False)
            self._answers = 0
        return self._running

    def complaints(self) -> str:
        """What it has written to standard error since the last time: a line for each try again."""
        if self._running is None:
            return ""
        said = self._running.err.text
        new, self._seen = said[self._seen :], len(said)
        return new

    def close(self) -> None:
        """End the process."""
        if self._running is not None:
            self._running.close()
            self._running = None
            self._seen = 0


class Tl:
    """The `tl` command."""

    def __init__(self, path: Path, host: Host) -> None:
        self._path = path
        self._host = host

    def __call__(self, *arguments: str, code: int | None = 0, **environ: str) -> Result:
        """Run `tl sbx …` to its end; `code` is the exit code that it must have, None takes any."""
        done = subprocess.run(
            [str(self._path), "sbx", *arguments],
            env={**self._host.environment, **environ},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        assert code is None or result.code == code, f"tl sbx {' '.join(arguments)}: {result}"
        return result

    def start(self, *arguments: str, terminal: bool = False) -> Running:
        """Run it in the background."""
        return Running([str(self._path), "sbx", *arguments], self._host.home.root, self._host.environment, terminal)


def peak_kilobytes(pid: int) -> int:
    """The most memory that a process has had at once."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError(f"{os.getpid()} cannot see the memory of {pid}")
