"""Without Linux: the command, the provider `tensorlake`, watching and the Python API work without what only Linux has.

A fresh Python stands for macOS: it has another `sys.platform` and no /proc, our parts for Linux cannot be imported, and
what macOS's `os`, `select`, `signal` and `socket` do not have is gone. Windows is not supported, which is said at once.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CloudSbx
from tests.cli.looking import FOREVER

PACKAGE = Path(__file__).parents[2] / "sbxcompose"
FOR_LINUX = (
    *("sbxcompose.host", "sbxcompose.linux"),
    *("sbxcompose.engine.local_host.keeper_start", "sbxcompose.engine.local_host.launch"),
    "sbxcompose.engine.local_host.recorded_runs",
)
"""Not to be imported elsewhere. (`check_local`, `isolation` and `locate` are imported only together with them.)"""
NEED_LINUX = (
    *FOR_LINUX,
    *("sbxcompose.engine.local_host.locate", "sbxcompose.engine.local_host.isolation", "sbxcompose.engine.check_local"),
)
WITHOUT_LINUX = f"""
import os, select, signal, socket, sys, sysconfig, types

for module, names in (
    (os, "pidfd_open splice eventfd memfd_create sched_getaffinity sched_setaffinity O_PATH O_TMPFILE posix_fadvise"
         " setresuid setresgid copy_file_range prlimit"),
    (select, "epoll"),
    (signal, "SIGRTMIN SIGRTMAX SIGPWR SIGSTKFLT SIGPOLL SIGCLD pidfd_send_signal sigtimedwait sigwaitinfo"),
    (socket, "SO_PEERCRED AF_NETLINK SOCK_CLOEXEC SOCK_NONBLOCK"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
sysconfig.get_config_vars()  # reads a file that is named after the platform
sys.platform = "darwin"
system = types.ModuleType("_scproxy")  # of macOS
system._get_proxies = system._get_proxy_settings = dict
sys.modules["_scproxy"] = system


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if any(name == each or name.startswith(each + ".") for each in {FOR_LINUX!r}):
            raise ImportError(f"{{name}} is for Linux")


def no_proc(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith("/proc"):
        raise FileNotFoundError(2, "no such file or directory", arguments[0])


sys.meta_path.insert(0, Blocked())
sys.addaudithook(no_proc)
"""
RUN = WITHOUT_LINUX + "from sbxcompose.cli.entry import main\nmain()\n"
FILE = "name: shop\nprovider: {provider}\nprocesses:\n  web: {{command: serve, stop: {{signal: SIGUSR1}}}}\n"


def run(script: str, directory: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **more,
        "HOME": str(directory),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(PACKAGE.parent),
        "TENSORLAKE_API_URL": "http://127.0.0.1:9",
        "TENSORLAKE_API_KEY": "key-of-a-test",
    }
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def modules() -> list[str]:
    """Every module that is not for Linux alone."""
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in sorted(PACKAGE.rglob("*.py")))
    names = (".".join(path.parts).removesuffix(".__init__") for path in paths)
    missing = () if importlib.util.find_spec("mcp") else ("sbxcompose.cli.mcp_server",)  # it needs an extra
    return [name for name in names if not name.startswith((*NEED_LINUX, *missing)) and not name.endswith("__main__")]


def test_everything_that_is_not_for_linux_is_imported(tmp_path: Path) -> None:
    names = modules()
    assert {"sbxcompose.cli.main", "sbxcompose.engine.cloud", "sbxcompose.watch.watcher"} <= set(names)
    script = WITHOUT_LINUX + f"import importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    script += "import sbxcompose\nfor name in sbxcompose.__all__: getattr(sbxcompose, name)\nprint('all')\n"
    assert run(script, tmp_path).stdout == "all\n"


def test_what_asks_no_provider_works(tmp_path: Path) -> None:
    for provider in ("local", "tensorlake", "tensorlake"):  # read, and then from the cache
        (tmp_path / "sbxcompose.yaml").write_text(FILE.format(provider=provider))
        shown = run(RUN, tmp_path, "config")
        assert shown.returncode == 0, shown.stderr
        assert "SIGUSR1" in shown.stdout
    for arguments in (["--help"], ["--version"], ["up", "--help"], ["schema"]):
        assert run(RUN, tmp_path, *arguments).returncode == 0


def test_a_signal_has_the_number_that_sandboxes_know(tmp_path: Path) -> None:
    (tmp_path / "sbxcompose.yaml").write_text(FILE.format(provider="tensorlake"))
    script = WITHOUT_LINUX + (
        "signal.SIGUSR1 = 30\nfrom sbxcompose.spec.open import LoadRequest, open_project\n"
        "print(next(open_project(LoadRequest('.')).processes()).stop.signal)\n"
    )
    assert run(script, tmp_path).stdout == "10\n"


def test_the_cloud_is_asked(tmp_path: Path) -> None:
    """Other commands, of a cloud that answers: `test_a_project_in_the_cloud_is_brought_up_and_down`."""
    (tmp_path / "sbxcompose.yaml").write_text(FILE.format(provider="tensorlake"))
    done = run(RUN, tmp_path, "plan")
    assert done.returncode == 3
    assert "127.0.0.1:9" in done.stderr


@pytest.mark.parametrize("command", [["up"], ["ps"], ["host", "status"]], ids=" ".join)
def test_the_provider_local_is_refused_with_the_remedy(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "sbxcompose.yaml").write_text(FILE.format(provider="local"))
    done = run(RUN, tmp_path, *command)
    assert done.returncode == 3
    assert "the provider `local` needs Linux; this is macOS" in done.stderr
    assert "`provider: tensorlake`" in done.stderr


@pytest.mark.parametrize("words", ["sbxcompose logs --run ", "sbxcompose logs w"])
def test_completion_never_fails(tmp_path: Path, words: str) -> None:
    (tmp_path / "sbxcompose.yaml").write_text(FILE.format(provider="local"))
    done = run(RUN, tmp_path, _SBXCOMPOSE_COMPLETE="bash_complete", COMP_WORDS=words)
    assert done.returncode == 0
    assert done.stderr == ""
    assert ("web" in done.stdout) == words.endswith("w")


def test_doctor_says_what_the_system_is(tmp_path: Path) -> None:
    (tmp_path / "sbxcompose.yaml").write_text(FILE.format(provider="local"))
    done = run(RUN, tmp_path, "doctor")
    assert done.returncode == 3
    assert "needs Linux; this is macOS" in done.stdout


def test_windows_gets_a_hint(tmp_path: Path) -> None:
    script = "import os, sys\nfrom sbxcompose.cli.entry import main\nos.name = 'nt'\nmain()\n"
    done = run(script, tmp_path, "up")
    assert done.returncode == 3
    assert "does not support Windows" in done.stderr
    assert "WSL" in done.stderr


def test_a_project_in_the_cloud_is_brought_up_and_down(cloud: CloudSbx, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(WITHOUT_LINUX)
    cloud.env["PYTHONPATH"] = f"{site}:{PACKAGE.parent}"
    cloud.write(
        f"processes:\n  web: {{command: 'echo here; {FOREVER}', ready_when: {{log: here}}, stop: {{signal: INT}}}}\n"
    )
    assert "web started" in cloud.run("up", "-d", "--wait").stderr
    assert "here" in cloud.run("logs").stdout
    assert "ready" in cloud.run("ps").stdout
    assert cloud.run("exec", "web", "echo", "there").stdout == "there\n"
    assert "web stopped" in cloud.run("down").stderr
