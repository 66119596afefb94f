"""An agent without a model: it writes code, runs it in an isolated sandbox, reads what went wrong, and repairs it.

What it has reached is snapshotted. Two forks go different ways from there, and everything is thrown away at the end.
Replace `Script` by a model, and the rest stays.
"""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

API = os.environ["TENSORLAKE_API_URL"]
HEADERS = {"Authorization": f"Bearer {os.environ['TENSORLAKE_API_KEY']}", "Content-Type": "application/json"}

FIRST = "def primes(n):\n    return [x for x in range(n) if all(x % d for d in range(2, x))]\n"
REPAIRED = FIRST.replace("range(n)", "range(2, n)")
SIEVE = """def primes(n):
    marks = bytearray([1]) * n
    for d in range(2, int(n**0.5) + 1):
        marks[d * d :: d] = bytes(len(marks[d * d :: d]))
    return [x for x in range(2, n) if marks[x]]
"""
CHECK = "from work import primes\nassert primes(12) == [2, 3, 5, 7, 11], primes(12)\nprint('correct')\n"
MEASURE = "import time, work\nbegun = time.process_time()\nwork.primes(3000)\nprint(time.process_time() - begun)\n"


class Script:
    """Stands for a model: says what to write next, given what the last run has printed."""

    def next_attempt(self, output: str | None) -> str:
        return FIRST if output is None else REPAIRED


class Sandbox:
    """A machine of its own, by the sandbox API."""

    def __init__(self, **fields: Any) -> None:
        made = call("POST", "/sandboxes", {"isolation": "overlay", "timeout_secs": 600, **fields})
        self.id: str = made["sandbox_id"]

    def write(self, path: str, text: str) -> None:
        """Write a file in the sandbox."""
        query = urllib.parse.urlencode({"path": path})
        call("PUT", f"/api/v1/files?{query}", text.encode(), sandbox=self.id)

    def run(self, *command: str) -> tuple[int | None, str]:
        """Run a command in the sandbox; its exit code and its output."""
        body = {"command": command[0], "args": command[1:], "timeout": 60}
        lines: list[str] = []
        code = None
        for event in call("POST", "/api/v1/processes/run", body, sandbox=self.id):
            lines += [event["line"]] if "line" in event else []
            code = event.get("exit_code", code)
        return code, "\n".join(lines)

    def snapshot(self) -> str:
        """Keep the whole disk as it is now; the snapshot's id."""
        number: str = call("POST", f"/sandboxes/{self.id}/snapshot", {})["snapshot_id"]
        while call("GET", f"/snapshots/{number}")["status"] == "in_progress":
            pass
        return number

    def throw_away(self) -> None:
        """End everything in it, and delete its disk."""
        call("DELETE", f"/sandboxes/{self.id}")


def call(method: str, path: str, body: Any = None, sandbox: str | None = None) -> Any:
    """Ask the host: a JSON value, or the events of a stream."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {**HEADERS, **({"X-Tensorlake-Sandbox-Id": sandbox} if sandbox else {})}
    request = urllib.request.Request(API + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            if "event-stream" in answer.headers.get("Content-Type", ""):
                return [json.loads(line[6:]) for line in answer if line.startswith(b"data: ")]
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{method} {path}: {error.read().decode()}") from None


def main() -> None:
    script, box = Script(), Sandbox()
    boxes, output = [box], None
    box.write("check.py", CHECK)
    for attempt in range(1, 5):
        box.write("work.py", script.next_attempt(output))
        code, output = box.run("python3", "check.py")
        print(f"attempt {attempt}: {output.splitlines()[-1]}")
        if code == 0:
            break
    snapshot = box.snapshot()
    times: dict[str, float] = {}
    for name, text in (("as it is", None), ("with a sieve", SIEVE)):
        fork = Sandbox(snapshot_id=snapshot)
        boxes.append(fork)
        fork.write("measure.py", MEASURE)
        if text:
            fork.write("work.py", text)
        assert fork.run("python3", "check.py") == (0, "correct")
        times[name] = float(fork.run("python3", "measure.py")[1])
    print("faster:", min(times, key=lambda name: times[name]))
    _, left = box.run("sh", "-c", "rm -rf /etc /root 2>/dev/null; ls /etc | wc -l")
    print(
        "left in /etc:", left, "in the sandbox, and", "all" if os.path.exists("/etc/passwd") else "nothing", "outside"
    )
    for sandbox in boxes:
        sandbox.throw_away()
    call("DELETE", f"/snapshots/{snapshot}")
    print("thrown away:", len(boxes), "sandboxes")


if __name__ == "__main__":
    main()
