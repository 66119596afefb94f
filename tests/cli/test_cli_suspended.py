"""What commands say of a project whose sandbox is suspended: that, and what resumes it."""

from __future__ import annotations

from tests.cli.looking import FOREVER
from tests.support.command import Sbx

REFUSED = ("attach web", "cp sbxcompose.yaml web:", "wait web", "watch", "stats", "exec web true", "port web 80")
NOTED = ("stats --no-stream", "ps", "logs", "events --since 1m --until 0s")


def test_an_attached_up_is_told_when_its_sandbox_is_suspended_and_resumed(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    with sbx.start("up") as up:
        up.wait_for("1 process ready")
        sbx.run("pause")
        up.wait_for("sandbox main is suspended: nothing in it runs; `sbxcompose unpause` resumes it")
        sbx.run("unpause")
        up.wait_for("sandbox main is running again")
        up.interrupt()
        assert up.wait().code == 130


def test_a_suspended_sandbox_is_never_said_to_be_missing(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    sbx.run("pause")
    for code, lines in ((2, REFUSED), (0, NOTED)):
        for line in lines:
            said = sbx.run(*line.split(), code=code).stderr
            assert "sandbox main is suspended" in said, line
            assert "not exist" not in said, line
            assert "has been started" not in said, line
    sbx.run("down")
