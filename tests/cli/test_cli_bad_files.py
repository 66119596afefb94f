"""Files that are wrong: one clear message at the right place, exit code 2, never a traceback, and no host started."""

from __future__ import annotations

import os
import random
import subprocess

import pytest

from tests.cli.looking import refused
from tests.support.command import COMMAND, Sbx


@pytest.mark.parametrize("text, place, words",
    [
        ("processes:\n  web: {comand: x, command: y}\n", "2:9", ["unknown key `comand`", "did you mean `command`?"]),
        ("processes:\n  web: {command: y, replicas: many}\n", "2:31", ["many"]),
        ("processes:\n  web: {command: y}\n  web: {command: z}\n", "3:3", ["`web` is given twice", "line 2"]),
        ("processes:\n  web: [a, list]\n", "2:8", ["web"]),
        ("processes:\n  a: {command: x, depends_on: [b]}\n  b: {command: x, depends_on: [a]}\n", "", ["a", "b"]),
        ("processes:\n  a: {command: x, depends_on: [a]}\n", "", ["itself"]),
        ("processes:\n  web: {command: x, depends_on: [dbb]}\n  db: {command: y}\n", "2:34", ["`dbb`", "`db`"]),
        ("processes:\n  web: {command: x, stop: {grace: 5 suns}}\n", "2:35", ["invalid duration `5 suns`", "500ms"]),
        ("processes:\n  web: {command: x, env: {A: '${NOPE}'}}\n", "2:31", ["variable `NOPE` is not set", "${NOPE:-}"]),
        ("processes:\n  web: {command: x, env: {A: '${NOPE:?say which}'}}\n", "2:31", ["say which"]),
        ("processes:\n  web: {command: x, restart: maybe}\n", "2:30", ["`maybe` is not one of `never`"]),
        ("processes:\n  web: {command: x, ready_when: {log: '('}}\n", "2:39", ["("]),
        ("processes:\n  web: {command: x, health_check: {tcp: 99999}}\n", "2:41", ["99999"]),
        ("processes:\n  web: {command: x\n", "", ["sbxcompose.yaml:"]),
        ("processes:\n\tweb: {command: x}\n", "2:1", ["tab"]),
        ("processes: {}\nproceses: {}\n", "2:1", ["unknown key `proceses`", "did you mean `processes`?"]),
        ("- a\n- list\n", "1:1", []),
        ("just words\n", "1:1", []),
        ("name: a b c\nprocesses: {web: {command: x}}\n", "1:7", ["a b c"]),
        ("processes: {'we b': {command: x}}\n", "1:13", ["we b"]),
        ("processes: {web: {command: *nowhere}}\n", "1:28", ["nowhere"]),
        ("", "", ["the file is empty"]),
        ("# nothing but a comment\n", "", ["the file is empty"]),
    ],
    ids=[
        "unknown key", "wrong type", "duplicate key", "list for mapping", "cycle", "needs itself", "needs nothing",
        "bad duration", "missing variable", "missing with message", "bad word", "bad pattern", "bad port",
        "unclosed", "tab", "unknown top key", "list", "text", "bad project name", "bad process name", "no anchor",
        "empty", "only a comment",
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_place_and_a_remedy(dry: Sbx, text: str, place: str, words: list[str]) -> None:
    dry.write(text)
    said = refused(dry, "up", "-d")
    assert f"sbxcompose.yaml:{place}" in said if place else "sbxcompose.yaml" in said
    for word in words:
        assert word in said, said
    if place:
        line = int(place.partition(":")[0])
        source = text.splitlines()[line - 1]
        assert f"{line} | " in said
        assert source.strip() in said
        assert "^" in said


@pytest.mark.cold
def test_all_mistakes_are_reported_at_once(dry: Sbx) -> None:
    dry.write("""
name: shop
processes:
  web: {comand: x, restart: maybe, replicas: -1}
  db: {command: y, stop: {grace: soon}, depends_on: [nix]}
  db: {command: z}
""")
    said = refused(dry, "config")
    for word in ("`comand`", "`maybe`", "-1", "`soon`", "`nix`", "given twice"):
        assert word in said, said
    assert said.count("sbxcompose.yaml:") == 6


def test_a_mistake_in_an_overlay_is_reported_in_that_file(dry: Sbx) -> None:
    dry.write("processes: {web: {command: x}}\n")
    dry.write("processes:\n  web: {restart: maybe}\n", "sbxcompose.override.yaml")
    assert "sbxcompose.override.yaml:2:18" in refused(dry, "config")


def test_no_file_at_all(dry: Sbx) -> None:
    said = refused(dry, "up")
    assert "sbxcompose.yaml" in said
    assert "Procfile" in said


@pytest.mark.parametrize(
    "name,words",
    [
        ("Procfile.dev", "there is a `Procfile.dev`: run `sbxcompose -f Procfile.dev up`"),
        ("compose.yaml", "`compose.yaml` is a Docker Compose file: "),
        ("process-compose.yaml", "`process-compose.yaml` is a process-compose file: "),
    ],
)
def test_a_folder_with_only_another_file(dry: Sbx, name: str, words: str) -> None:
    dry.write("services: {}\n", name)
    assert words in refused(dry, "up")


def test_the_file_of_another_tool_gets_one_message(dry: Sbx) -> None:
    dry.write("version: '3'\nservices: {db: {image: x, ports: ['1:2']}}\nvolumes: {a: }\n", "compose.yaml")
    said = refused(dry, "-f", "compose.yaml", "up")
    assert said.startswith("compose.yaml: this is a Docker Compose file, which sbxcompose does not read\nhint: ")
    assert said.count("\n") == 2


def test_a_dot_env_that_is_a_pipe_without_a_writer(dry: Sbx) -> None:
    dry.write("processes: {web: {command: x}}\n")
    os.mkfifo(dry.project / ".env")
    assert ".env: the file is a named pipe, and nothing writes to it" in refused(dry, "config")


@pytest.mark.parametrize("name", ["nix.yaml", "no/such/folder/sbxcompose.yaml"])
def test_a_named_file_that_does_not_exist(dry: Sbx, name: str) -> None:
    said = refused(dry, "-f", name, "up", "-d")
    assert name in said
    assert "does not exist" in said


@pytest.mark.parametrize("arguments", [["ps"], ["down"], ["-p", "shop", "why"], ["up"]], ids=" ".join)
def test_a_file_that_the_environment_names_gets_one_message_and_one_remedy(dry: Sbx, arguments: list[str]) -> None:
    said = refused(dry, *arguments, env={"SBXCOMPOSE_FILE": "nope.yaml"})
    assert said == "nope.yaml: the file does not exist\nhint: it is named in the variable `SBXCOMPOSE_FILE`\n"
    dry.write("processes: {\n", "bad.yaml")
    assert "-p NAME" not in refused(dry, *arguments, env={"SBXCOMPOSE_FILE": "bad.yaml"})


def test_a_directory_instead_of_a_file(dry: Sbx) -> None:
    (dry.project / "sbxcompose.yaml").mkdir()
    assert "directory" in refused(dry, "config")
    assert "directory" in refused(dry, "-f", str(dry.project), "config")


def test_a_file_that_may_not_be_read(dry: Sbx) -> None:
    file = dry.write("processes: {web: {command: x}}\n")
    file.chmod(0)
    rights = "-dac_override,-dac_read_search"  # with which root can read everything
    as_anybody = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*as_anybody, COMMAND, "config"], env=dry.env, cwd=dry.project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "permission denied" in done.stderr.lower()
    assert "sbxcompose.yaml" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("seed", range(6))
def test_binary_junk(dry: Sbx, seed: int) -> None:
    junk = random.Random(seed).randbytes(2000)
    (dry.project / "sbxcompose.yaml").write_bytes(junk if seed else bytes(2000))
    said = refused(dry, "up", "-d")
    assert "sbxcompose.yaml" in said
    assert len(said) < 2000


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfprocesses: {web: {command: x}}\n",
        "processes: {web: {command: x}}\n".encode("utf-16"),
        b"processes: {web: {command: '\xff\xfe'}}\n",
        b"[" * 3000,
        b"{a: " * 3000,
        b"a: &a [" + b"*a," * 100 + b"]\n",
        b"? [complex, key]\n: value\n",
        b"--- {processes: {}}\n--- {processes: {}}\n",
        b"!!python/object/apply:os.system ['touch pwned']\n",
        b"processes: !!set {a}\n",
    ],
    ids=[
        "bom",
        "utf-16",
        "latin",
        "deep lists",
        "deep maps",
        "recursive",
        "complex key",
        "two documents",
        "python",
        "set",
    ],
)
def test_strange_texts_never_cause_a_traceback(dry: Sbx, text: bytes) -> None:
    (dry.project / "sbxcompose.yaml").write_bytes(text)
    done = dry.run("config", code=None)
    assert done.code in (0, 2), str(done)
    assert "Traceback" not in done.stderr
    assert done.code == 0 or "sbxcompose.yaml" in done.stderr
    assert not (dry.project / "pwned").exists()


def test_an_alias_bomb_is_refused_or_read_quickly(dry: Sbx) -> None:
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    dry.write("\n".join("x-" + line for line in bomb) + "\nprocesses: {web: {command: *a9}}\n")
    assert "sbxcompose.yaml" in refused(dry, "config", timeout=150)


def test_a_bad_dot_env_is_reported_with_its_place(dry: Sbx) -> None:
    dry.write("processes: {web: {command: x}}\n")
    dry.write("GOOD=1\nthis is no assignment\n", ".env")
    said = refused(dry, "config")
    assert ".env:2" in said


def test_a_missing_env_file(dry: Sbx) -> None:
    dry.write("processes: {web: {command: x, env_file: nix.env}}\n")
    assert "nix.env" in refused(dry, "config")
    dry.write("processes: {web: {command: x}}\n")
    assert "other.env" in refused(dry, "--env-file", "other.env", "config")


def test_an_unknown_provider(dry: Sbx) -> None:
    dry.write("processes: {web: {command: x}}\n")
    assert "clowd" in refused(dry, "--provider", "clowd", "up", "-d")
    said = refused(dry, "--provider", "tensorlake", "up", "-d", code=3)
    assert "tensorlake" in said
    assert "local" in said


def test_keys_that_only_a_cloud_can_honour_are_refused_when_it_matters(sbx: Sbx) -> None:
    sbx.write("sandboxes: {app: {snapshot: snap-1, processes: {web: {command: 'true'}}}}\n")
    sbx.run("config", "--quiet")
    said = sbx.run("up", "-d", code=None)
    assert said.code in (1, 3), str(said)
    assert "`snapshot`" in said.stderr
    assert "tensorlake" in said.stderr


@pytest.mark.time_limit(400)
def test_ten_thousand_processes_are_planned(sbx: Sbx) -> None:
    lines = ["processes:"]
    for number in range(10_000):
        need = f", depends_on: [p{number - 1}]" if number % 10 else ""
        lines.append(f"  p{number}: {{command: [sleep, '9']{need}}}")
    sbx.write("\n".join(lines) + "\n")
    plan = sbx.run("plan", timeout=150)
    assert "10000 to start" in plan.stdout
    assert "start p9999" in plan.stdout
    assert sbx.run("config", "--services", timeout=150).stdout.count("\n") == 10_000


def test_a_mistake_among_ten_thousand_is_still_found(dry: Sbx) -> None:
    lines = ["processes:", *(f"  p{number}: {{command: [sleep, '9']}}" for number in range(10_000))]
    lines[5000] = lines[5000].replace("command", "comand")
    dry.write("\n".join(lines) + "\n")
    said = refused(dry, "plan", timeout=150)
    assert "sbxcompose.yaml:5001:" in said
    assert len(said.splitlines()) < 20
