"""Output as it really is: long, binary, incomplete, in a hurry, hostile, or secret."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.looking import FOREVER, json_lines, pids, timed_out
from tests.support.command import COMMAND, Sbx

PYTHON = f"{sys.executable} -I -S"
HOSTILE = r"\033]0;title\007\033[2J\033[5;5Hgone\rover\b\b\033[31mred\033[0m \033[?25l\033c end\n"


def shown(sbx: Sbx, *arguments: str, command: str = "logs") -> bytes:
    """Standard output of a command, byte by byte."""
    done = subprocess.run(
        [COMMAND, command, *arguments], cwd=sbx.project, env=sbx.env, stdout=subprocess.PIPE, check=True
    )
    return done.stdout


def one_shot(sbx: Sbx, script: str, **more: str) -> None:
    """Run a Python script as the one-shot `a`, and wait until it has ended."""
    sbx.write(script, "script.py")
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    sbx.write(f"processes: {{a: {{command: '{PYTHON} script.py', restart: never{extra}}}}}\n")
    sbx.run("up", "-d")
    sbx.run("wait", "--for", "exit")


def printed(sbx: Sbx, text: str) -> None:
    """Run `printf` on `text` as the one-shot `a`; it goes through a file so that nothing has to be quoted."""
    sbx.write(f"printf '{text}'\n", "script.sh")
    sbx.write("processes: {a: {command: sh script.sh, restart: never}}\n")
    sbx.run("up", "-d")
    sbx.run("wait", "--for", "exit")


def test_bytes_that_are_not_text_come_through_as_they_are(sbx: Sbx) -> None:
    data = b"caf\xe9 \xff\xfe nul:\x00: \xc3\xa4 \xf0\x9f\x8d\x8e half:\xe2\x82\n"
    one_shot(sbx, f"import os; os.write(1, {data!r})")
    assert shown(sbx, "--no-log-prefix") == data
    assert shown(sbx) == b"a | " + data
    (line,) = json_lines(shown(sbx, "--json").decode())
    assert line["line"] == data.rstrip(b"\n").decode(errors="replace")


def test_a_last_line_without_line_end_gets_one(sbx: Sbx) -> None:
    one_shot(sbx, "import os; os.write(1, b'whole\\nhalf'); os.write(2, b'half, too')")
    assert sorted(shown(sbx).splitlines(keepends=True)) == [b"a ! half, too\n", b"a | half\n", b"a | whole\n"]


def test_attached_up_shows_a_last_line_without_line_end(sbx: Sbx) -> None:
    sbx.write("processes: {a: {command: [printf, 'one\\ntwo'], restart: never}}\n")
    lines = shown(sbx, command="up").splitlines(keepends=True)
    assert [line for line in lines if line.startswith(b"a |")] == [b"a | one\n", b"a | two\n"]


def test_attached_up_says_started_before_the_first_line(sbx: Sbx) -> None:
    sbx.write("processes: {a: {command: [echo, one], restart: never}}\n")
    lines = shown(sbx, command="up").splitlines(keepends=True)
    assert lines.index(b"  * a started\n") < lines.index(b"a | one\n")


@pytest.mark.parametrize("size", [200_000, 5_000_000])
def test_a_long_line_stays_whole(sbx: Sbx, size: int) -> None:
    one_shot(sbx, f"import sys; sys.stdout.write('<' + 'x' * {size} + '>\\nnext\\n')")
    assert shown(sbx) == b"a | <" + b"x" * size + b">\na | next\n"


@pytest.mark.parametrize("way", ["attached", "logs"])
def test_a_hundred_thousand_lines_and_an_exit_at_once_lose_none(sbx: Sbx, way: str) -> None:
    script = "import sys\nsys.stdout.write(''.join(f'line {n:06}\\n' for n in range(100_000)))\n"
    wanted = b"".join(b"a | line %06d\n" % number for number in range(100_000))
    if way == "logs":
        one_shot(sbx, script)
        found = shown(sbx)
    else:
        sbx.write(script, "script.py")
        sbx.write(f"processes: {{a: {{command: '{PYTHON} script.py', restart: never}}}}\n")
        said = shown(sbx, command="up").splitlines(keepends=True)
        found = b"".join(line for line in said if line.startswith(b"a | "))
    assert found.count(b"\n") == 100_000
    assert hashlib.sha256(found).digest() == hashlib.sha256(wanted).digest()


def test_lines_of_processes_that_write_at_once_are_never_torn(sbx: Sbx) -> None:
    sbx.write(
        "import os, sys\nfor n in range(3000):\n"
        "    os.write(1, f'{sys.argv[1]} begins'.encode())\n    os.write(1, f' and ends {n}\\n'.encode())\n",
        "script.py",
    )
    sbx.write(
        "processes:\n"
        + "".join(f"  {name}: {{command: '{PYTHON} script.py {name}', restart: never}}\n" for name in "abcd")
    )
    said = shown(sbx, command="up").decode().splitlines()
    for name in "abcd":
        mine = [line for line in said if line.startswith(f"{name} | ")]
        assert mine == [f"{name} | {name} begins and ends {number}" for number in range(3000)]


def test_control_sequences_are_harmless_on_a_terminal_and_colours_stay(sbx: Sbx) -> None:
    printed(sbx, HOSTILE)
    with sbx.start("logs", "--no-log-prefix", terminal=True) as logs:
        data = logs.wait().stdout
    assert data == "ov\x1b[31mred\x1b[0m  end\x1b[0m\r\n", "the final state of the line"
    assert shown(sbx, "--no-log-prefix") == b"ovred  end\n"
    sbx.env["FORCE_COLOR"] = "1"
    assert shown(sbx, "--no-log-prefix") == b"ov\x1b[31mred\x1b[0m  end\n"


def test_raw_lets_control_sequences_through(sbx: Sbx) -> None:
    printed(sbx, HOSTILE)
    wanted = HOSTILE.encode().decode("unicode_escape").encode()
    with sbx.start("logs", "--raw", "--no-log-prefix", terminal=True) as logs:
        logs.wait()
        assert logs.out.data.replace(b"\r\n", b"\n") == wanted
    assert shown(sbx, "--raw", "--no-log-prefix") == wanted


def test_a_colour_that_is_left_on_does_not_run_into_the_next_line(sbx: Sbx) -> None:
    printed(sbx, r"\033[31mred for ever\nnext\n")
    with sbx.start("logs", terminal=True) as logs:
        red, following = logs.wait().stdout.splitlines()
    assert "\x1b[31mred for ever" in red
    assert red.endswith("\x1b[0m") or "\x1b[0m" in following.partition("next")[0]


SECRET = "hunter2-in-full"


SECRETIVE = """
processes:
  web:
    command: "{command}"
    secrets: [API_TOKEN]
    env: {{API_TOKEN: "${{API_TOKEN}}", OTHER: seen}}
    restart: never
  next: {{command: "echo next $$API_TOKEN >&2", restart: never, depends_on: {{web: completed}}}}
"""
"""A one-shot with a secret; its neighbour inherits the variable from the shell."""


def test_secrets_are_masked_wherever_we_print(sbx: Sbx) -> None:
    sbx.env["API_TOKEN"] = SECRET
    sbx.write(SECRETIVE.format(command="echo token $$API_TOKEN; echo --token=$$API_TOKEN >&2"))
    sbx.run("up", "-d", "--wait")
    for arguments in (
        ["plan"], ["plan", "--json"], ["up", "-d"], ["up", "--force-recreate"], ["logs"], ["logs", "--json"],
        ["logs", "--raw"], ["ps", "-a"], ["ps", "--json"], ["config"], ["config", "--json"], ["why", "web", "next"],
    ):  # fmt: skip
        said = sbx.run(*arguments)
        assert SECRET not in said.stdout + said.stderr, arguments
        if arguments[0] == "logs":
            assert "token ***" in said.stdout
            assert "next ***" in said.stdout


def test_secrets_are_masked_in_the_last_lines_of_a_failure(sbx: Sbx) -> None:
    sbx.env["API_TOKEN"] = SECRET
    sbx.write(SECRETIVE.format(command="echo token $$API_TOKEN; exit 1"))
    for arguments in (["up", "-d"], ["up", "--wait"], ["up", "--wait", "--json"], ["why", "web"]):
        said = sbx.run(*arguments, code=1)
        assert "token ***" in said.stdout + said.stderr, arguments
        assert SECRET not in said.stdout + said.stderr, arguments


def test_secrets_are_masked_in_what_a_failed_check_said(sbx: Sbx) -> None:
    sbx.env["API_TOKEN"] = SECRET
    check = "    ready_when: {exec: 'echo no access with $$API_TOKEN; exit 1'}\n"
    sbx.write(SECRETIVE.format(command=FOREVER).replace("  next:", check + "  next:"))
    said = timed_out(sbx, "no access with ***", "up", "--wait", "--wait-timeout", "TIMEOUT")
    assert SECRET not in said.stderr


def test_a_secret_in_a_command_is_refused_and_not_shown(dry: Sbx) -> None:
    dry.env["API_TOKEN"] = SECRET
    dry.write(SECRETIVE.format(command="run --token=${API_TOKEN}"))
    said = dry.run("config", code=2).stderr
    assert "would be visible to every user" in said
    assert SECRET not in said


def test_secrets_are_shown_on_demand(dry: Sbx) -> None:
    dry.env["API_TOKEN"] = SECRET
    dry.write(SECRETIVE.format(command="true"))
    assert SECRET in dry.run("config", "--reveal").stdout


def test_a_secret_that_comes_in_two_pieces_is_masked(sbx: Sbx) -> None:
    sbx.write(f"""
import os
for half in ({SECRET[:6]!r}, {SECRET[6:]!r}, chr(10)):
    os.write(1, half.encode())
""", "script.py")  # fmt: skip
    sbx.write(f"processes: {{a: {{command: '{PYTHON} script.py', restart: never, secrets: [TOKEN]}}}}\n")
    up = sbx.run("up", env={"TOKEN": SECRET})
    assert "a | ***" in up.stdout
    assert SECRET not in sbx.run("logs", env={"TOKEN": SECRET}).stdout


OLD, NEW = "old-secret-value", "new-secret-value"
LEAKING = """
processes:
  web: {command: "echo web has $$TOKEN; test -z $$FAIL", secrets: [TOKEN], env: {TOKEN: "${TOKEN}"}, restart: never}
  next: {command: "echo next has $$TOKEN", env: {TOKEN: "${OTHER-}"}, restart: never, depends_on: {web: completed}}
"""


def test_secrets_stay_masked_after_they_were_changed_or_removed(sbx: Sbx) -> None:
    sbx.write(f"TOKEN={OLD}\nOTHER={OLD}\n", ".env")
    sbx.write(LEAKING)
    sbx.run("up", "--wait")
    sbx.write(f"TOKEN={NEW}\nOTHER={NEW}\n", ".env")
    for secrets in ("secrets: [TOKEN], ", ""):
        sbx.write(LEAKING.replace("secrets: [TOKEN], ", secrets))
        for arguments in (["logs"], ["logs", "--json"], ["logs", "-n", "1"], ["logs", "--run", "1"], ["why"]):
            said = sbx.run(*arguments, code=None)
            assert OLD not in said.stdout + said.stderr, arguments
            if arguments == ["logs"]:
                assert sorted(said.stdout.splitlines()) == ["next | next has ***", "web  | web has ***"]
    sbx.run("up", "-d")
    assert sorted(shown(sbx, "--all").decode().splitlines()) == [
        "next | next has ***", f"next | next has {NEW}", "web  | web has ***", f"web  | web has {NEW}",
    ]  # fmt: skip


def test_the_last_lines_of_a_failure_hide_what_it_was_started_with(sbx: Sbx) -> None:
    sbx.write(f"TOKEN={OLD}\n", ".env")
    sbx.write(LEAKING.replace("test -z $$FAIL", "exit 1"))
    sbx.run("up", "-d", code=1)
    sbx.write("TOKEN=other\n", ".env")
    said = sbx.run("why", "web", code=1)
    assert "web has ***" in said.stdout
    assert OLD not in said.stdout + sbx.run("why", "web", "--json", code=1).stdout


def test_secrets_stay_masked_when_the_host_and_the_rows_are_gone(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    sbx.write(f"TOKEN={OLD}\n", ".env")
    sbx.write(LEAKING)
    for number in range(12):  # more than a host keeps rows of
        sbx.run("up", "-d", env={"OTHER": str(number)})
        sbx.run("wait", "--for", "exit", code=None)
    sbx.run("host", "stop", "--force")
    sbx.write(f"TOKEN={NEW}\n", ".env")
    text = shown(sbx, "--all").decode()
    assert OLD not in text
    assert text.count("web has ***") >= 1


def test_an_attached_up_masks_what_was_started_before_an_edit(sbx: Sbx) -> None:
    sbx.write(f"TOKEN={OLD}\n", ".env")
    command = "trap 'echo ending with $$TOKEN; exit' TERM; echo up; while :; do sleep 0.1; done"
    sbx.write(f'processes: {{web: {{command: "{command}", secrets: [TOKEN], env: {{TOKEN: "${{TOKEN}}"}}}}}}\n')
    with sbx.start("up", "--watch") as up:
        up.wait_for(r"\* watching ")
        up.wait_for("web +. up")
        sbx.write(f"TOKEN={NEW}\n", ".env")
        text = up.wait_for("ending with")
        assert "ending with ***" in text
        up.wait_for("web +. up", count=2)
        up.interrupt()
        up.wait()
        assert OLD not in up.out.text
        assert NEW not in up.out.text


def test_logs_and_state_are_the_users_alone(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: 'echo hello; {FOREVER}'}}}}\n")
    sbx.run("up", "-d", "--wait")
    assert pids(sbx)
    for root in (sbx.home.state, sbx.home.runtime):
        assert root.stat().st_mode & 0o077 == 0, root
    files = [path for path in sbx.home.state.rglob("*") if path.is_file() and readable(path)]
    # What a snapshot keeps has the modes of what it was made from.
    files = [path for path in files if path.relative_to(sbx.home.state).parts[0] != "snapshots"]
    assert not files, "others can read these, should the folder around them ever be opened"


def readable(path: Path) -> bool:
    """Whether others could read it."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except FileNotFoundError:  # written anew just now
        return False
