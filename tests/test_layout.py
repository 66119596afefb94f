"""The project's own rules, held against its files: dependencies, sizes, and documents that are true."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.syntax import nodes, tree

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sbxcompose"
SOURCES = sorted(PACKAGE.rglob("*.py"))
DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "httpx_sse": "httpx-sse",
    "pydantic_core": "pydantic",
    "_pytest": "pytest",
    "mcp_types": "mcp",
}
"""Modules that are not named as the distribution that carries them."""
LONGEST_FUNCTION = 40
LONGEST_FILE = 350
MOST_PARAMETERS = 6
MOST_ROWS = 3
"""Rows of a table that are items of pytest's."""
_KEYWORD_FUNCTIONS = {
    ("client", "definition", "load"),
    ("client", "open_project", "open_project"),
    ("client", "definition", "load_request"),  # has the arguments of both
    ("client", "project", "up"),
    *(("client", "operate_project", name) for name in ("exec", "run")),
    ("keeper", "execution", "__init__"),  # `ExecContext`: a key that the kernel has to know is one more field of it
}
"""Functions of the Python API, which are called with keywords; each has the options of its command."""


@cache
def imported(path: Path) -> frozenset[str]:
    """The modules that a file imports anywhere in it."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
    return frozenset(found)


def distributions(paths: list[Path]) -> set[str]:
    """The third parties that files import, as pip names them."""
    tops = {name.partition(".")[0] for path in paths for name in imported(path)}
    foreign = tops - sys.stdlib_module_names - {"sbxcompose", "tests", "benchmarks"}
    return {DISTRIBUTIONS.get(name, name) for name in foreign}


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", requirement)[0].lower() for requirement in requirements}


@cache
def pyproject() -> dict[str, dict[str, list[str]]]:
    project: dict[str, dict[str, list[str]]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    plugin = PACKAGE / "pytest_plugin.py"  # imported by pytest alone
    server = PACKAGE / "cli" / "mcp_server.py"  # imported by `mcp` alone
    own = [path for path in SOURCES if path not in (plugin, server)]
    assert distributions(own) == declared(list(pyproject()["dependencies"]))
    assert distributions([plugin]) == {"pytest"}
    assert distributions([server]) == declared(pyproject()["optional-dependencies"]["mcp"])


def test_what_the_tests_import_comes_with_the_development_extra() -> None:
    found = [path for folder in ("tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
    own = [path for path in found if path.parent.name != "scripts"]  # which run in environments of their own
    extras = pyproject()["optional-dependencies"]
    available = declared([*pyproject()["dependencies"], *extras["dev"], *extras["mcp"]])
    assert distributions(own) <= available


def test_the_keeper_imports_the_standard_library_and_of_ours_what_needs_nothing_else() -> None:
    allowed = tuple(
        f"sbxcompose.{name}" for name in ("host.keeper", "linux", "tasks", "file_writing", "clock", "light")
    )
    assert imported(PACKAGE / "light.py") <= sys.stdlib_module_names | {"collections.abc"}
    assert imported(PACKAGE / "clock.py") <= sys.stdlib_module_names | {"collections.abc"}
    assert imported(PACKAGE / "file_writing.py") <= sys.stdlib_module_names
    assert imported(PACKAGE / "tasks.py") - sys.stdlib_module_names <= {"collections.abc", "sbxcompose.errors"}
    foreign = {
        (path.name, name)
        for folder in (PACKAGE / "host" / "keeper", PACKAGE / "linux")
        for path in sorted(folder.glob("*.py"))
        for name in imported(path)
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith(allowed)
    }
    assert foreign == set()


def test_textual_is_loaded_for_the_whole_screen_alone() -> None:
    screen = PACKAGE / "cli" / "top"
    users = [path for path in SOURCES if any(name.partition(".")[0] == "textual" for name in imported(path))]
    assert {path.parent for path in users} == {screen}
    at_once = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.parent != screen
        for node in tree(path).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sbxcompose.cli.top")
    ]
    assert at_once == []


def test_packages_are_empty_so_that_an_import_says_where_a_thing_lives() -> None:
    full = [path for path in SOURCES if path.name == "__init__.py" and path.parent != PACKAGE and path.read_text()]
    assert full == []


def test_functions_stay_short() -> None:
    functions = [
        (f"{path.relative_to(ROOT)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [(name, lines) for name, lines in functions if lines > LONGEST_FUNCTION] == []


def test_functions_take_few_parameters() -> None:
    """More belong together as values that mean something, or show that a class does two things."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} takes {count}"
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (count := len(_parameters(node))) > MOST_PARAMETERS
        and not any("command(" in ast.unparse(decorator) for decorator in node.decorator_list)  # one for each option
        and (path.parent.name, path.stem, node.name) not in _KEYWORD_FUNCTIONS
    ]
    assert found == []


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def test_files_stay_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_tables_of_pure_tests_are_one_item() -> None:
    """A row that needs no fixture is one of `@each_case`, but for up to three, and where a row takes long."""
    slow = {"test_twice_as_many_sandboxes_cost_twice_as_much"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in (ROOT / "tests" / "unit").rglob("test_*.py")
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef)
        and node.name not in slow
        and (tables := [found for decorator in node.decorator_list if (found := _table(decorator)) is not None])
        and max(rows for _, rows in tables) > MOST_ROWS
        and {*_parameters(node)} <= {name for names, _ in tables for name in names}
    ]
    assert found == []


def _table(decorator: ast.expr) -> tuple[list[str], int] | None:
    """The names and the number of rows of a `parametrize` whose rows stand there."""
    if not isinstance(decorator, ast.Call) or not ast.unparse(decorator.func).endswith("mark.parametrize"):
        return None
    names, rows = decorator.args[:2]
    if not isinstance(names, ast.Constant) or not isinstance(rows, ast.List | ast.Tuple):
        return None
    return [name.strip() for name in str(names.value).split(",")], len(rows.elts)


def test_variables_carry_the_name_of_the_thing() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
        if re.search(r"\beach\b", path.read_text())
        for node in nodes(path)
        if (isinstance(node, ast.Name) and node.id == "each") or (isinstance(node, ast.arg) and node.arg == "each")
    ]
    assert found == []


_TASK_STARTERS = ("create_task", "ensure_future", "gather")
"""`gather` leaves the others running when one fails: `gather_all` and `finish_all` of tasks.py do not."""


def test_tasks_are_started_in_one_module_so_that_each_has_an_owner() -> None:
    """Those of a group are owned by it: `group.create_task`."""
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        if path != PACKAGE / "tasks.py"
        for node in nodes(path)
        if (name := _called(node)).rpartition(".")[2] in _TASK_STARTERS and not name.endswith("group.create_task")
    ]
    assert found == []


_THREAD_STARTERS = ("to_thread", "run_in_executor", "run_sync", "Thread", "ThreadPoolExecutor")
_OWN_THREADS = {
    "api/transport.py": "several requests wait for one start of the host, which none of them may end",
    "cli/top/effects.py": "a browser, which is not ours to end",
    "engine/connect/listener_program.py": "a program of its own, in sandboxes of the cloud",
    "engine/one_off.py": "a read of the terminal, which only a key ends: a daemon thread",
    "sync.py": "the event loop of the API without async",
    "watch/watcher.py": "anyio's, which are waited for as well",
}


def test_calls_in_threads_are_made_in_one_module_so_that_none_outlives_its_task() -> None:
    """The host cancels no request; what it streams is locked, and its server does not wait for threads at its end."""
    calling = {
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Call) and _called(node).rpartition(".")[2] in _THREAD_STARTERS
    }
    elsewhere = {name for name in calling if not name.startswith("host/")} - {"threads.py"}
    assert elsewhere == _OWN_THREADS.keys()


def _called(node: ast.AST) -> str:
    """What a node calls, or imports from asyncio, as it is written."""
    match node:
        case ast.Call():
            return ast.unparse(node.func)
        case ast.ImportFrom(module="asyncio"):
            return next((alias.name for alias in node.names if alias.name in _TASK_STARTERS), "")
        case _:
            return ""


_CLOCK_READERS = {
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time"),
    *("process_time_ns", "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns", "ctime", "asctime"),
}
_READ_WITHOUT_A_MOMENT = {"gmtime": 1, "localtime": 1, "strftime": 2}
"""What of `time` reads the clock when it gets fewer arguments than this."""
_CLOCK_MODULES = {
    "sbxcompose/clock.py",
    "sbxcompose/engine/connect/listener_program.py",  # runs in sandboxes of the cloud, which have no sbxcompose
}


def test_clocks_are_read_in_one_module_that_says_which_is_for_what() -> None:
    """Event loops have theirs, by which their timers are."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in SOURCES
        if str(path.relative_to(ROOT)) not in _CLOCK_MODULES
        for node in nodes(path)
        if isinstance(node, ast.expr | ast.stmt) and _reads_a_clock(node)
    ]
    assert found == []


def _reads_a_clock(node: ast.AST) -> bool:
    match node:
        case ast.ImportFrom(module="time", names=names):
            return any(alias.name in _CLOCK_READERS | _READ_WITHOUT_A_MOMENT.keys() for alias in names)
        case ast.Attribute(value=ast.Name(id="time"), attr=name):
            return name in _CLOCK_READERS
        case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr=name), args=given):
            return len(given) < _READ_WITHOUT_A_MOMENT.get(name, 0)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="datetime" | "date"), attr=name)):
            return name in ("now", "utcnow", "today")
    return False


def test_no_test_waits_for_less_than_a_minute() -> None:
    """A machine that is busy takes seconds for what takes milliseconds; what shall be late is given less than one."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "tests").rglob("*.py")
        for node in nodes(path)
        if isinstance(node, ast.Call)
        for limit in _limits(node)
        if isinstance(limit, ast.Constant) and isinstance(limit.value, int | float) and 1 <= limit.value < 60
    ]
    assert found == []


def _limits(call: ast.Call) -> list[ast.expr]:
    """What a call may be given as the seconds that it waits at most."""
    name = _called(call).rpartition(".")[2]
    first = call.args[:1] if name in ("timeout", "settimeout", "join", "wait", "result") else []
    second = call.args[1:2] if name in ("wait_for", "wait_gone") else []
    given = [] if name in ("HealthCheck", "Sandbox", "replace") else call.keywords  # those only say what is wanted
    return [*first, *second, *(keyword.value for keyword in given if keyword.arg == "timeout")]


def test_a_class_name_is_defined_once() -> None:
    places: dict[str, list[str]] = {}
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_errors_of_the_wire_are_made_in_one_module() -> None:
    kinds = {"Unreachable", "Unavailable", "Refused", "NotFound", "Conflict"}
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name not in ("wire_errors.py", "cloud_errors.py", "errors.py")
        for node in nodes(path)
        if (name := _called(node)) in kinds
    ]
    assert found == []


def test_what_the_wires_clients_raise_is_judged_in_the_api_alone() -> None:
    """Elsewhere no class of theirs is imported or compared by its name, and no code of a close is known."""
    theirs = {"h11", "httpx", "httpx_sse", "wsproto"}
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in ("api", "host", "tasks.py"):
            continue
        for node in nodes(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.partition(".")[0] for name in names} & theirs:
                found.append(f"{path.relative_to(ROOT)}: {names}")
            if isinstance(node, ast.Attribute) and node.attr == "__cause__" and isinstance(node.ctx, ast.Load):
                found.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
            if isinstance(node, ast.Constant) and type(node.value) is int and 1000 < node.value < 1016:
                found.append(f"{path.relative_to(ROOT)}: {node.value}")
    assert found == []


def test_modules_open_with_a_sentence_on_what_they_are() -> None:
    silent = [path for path in SOURCES if path.read_text() and not ast.get_docstring(tree(path))]
    assert silent == []


def test_the_readme_lists_every_command() -> None:
    from sbxcompose.cli.command_names import COMMANDS

    listed = re.findall(r"^\| `([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)


def test_the_readme_the_makefile_and_ci_run_the_tests_alike() -> None:
    assert "make test" in (ROOT / "README.md").read_text()
    assert "python -m pytest" in (ROOT / "README.md").read_text()
    assert "python -m pytest" in (ROOT / "Makefile").read_text()
    assert re.search(r"^stage \"tests\" run_make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


DOCUMENTS = [
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/decisions.md",
    "docs/internals.md",
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_only_files_that_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    named = set(re.findall(r"`((?:sbxcompose|tests|docs|examples|benchmarks|schemas)/[\w./-]+)`", text))
    linked = {(ROOT / document).parent / found for found in re.findall(r"\]\(([\w./-]+)\)", text)}
    missing = [item for item in [*(ROOT / name for name in named), *linked] if not item.exists()]
    assert missing == []


@pytest.mark.parametrize("document", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_a_heading_stands_between_blank_lines_and_a_document_ends_with_a_newline(document: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / "docs" / document).read_text(), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"[^\n]\n(#+ .*)|\n(#+ .*)\n[^\n]", text) == []
    assert text.endswith("\n")


def test_the_architecture_names_only_modules_that_exist() -> None:
    """Paths there begin below the package, so the test above does not see them."""
    text = "".join((ROOT / "docs" / name).read_text() for name in ("architecture.md", "internals.md"))
    folders = "|".join(sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()))
    named = set(re.findall(rf"`((?:{folders})/[\w/]+(?:\.py)?)`", text))
    assert len(named) > 50
    assert [name for name in sorted(named) if not (PACKAGE / name).exists()] == []


def test_the_picture_of_the_architecture_shows_every_folder_and_only_real_ones() -> None:
    picture = (ROOT / "docs" / "architecture.md").read_text().partition("```text")[2].partition("```")[0]
    shown = set(re.findall(r"^  (\w+)/ ", picture, re.MULTILINE))
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert shown == folders


def test_stop_web_reaches_its_request_in_four_files() -> None:
    """From the command on, each file has a call that a reader finds in the next."""
    row = re.search(
        r"^\| the way of `stop web` to the request \| (.*?);", (ROOT / "docs/architecture.md").read_text(), re.M
    )
    assert row is not None
    files = [PACKAGE / name for name in re.findall(r"`([\w/]+\.py)`", row[1])]
    calls = ["apply", "session.execute", "connection.client.stop", "self.stream"]
    found = [[ast.unparse(node.func) for node in nodes(path) if isinstance(node, ast.Call)] for path in files]
    assert [call for call, called in zip(calls, found, strict=True) if call not in called] == []


def test_a_line_of_output_passes_each_module_once_and_one_way() -> None:
    """The page has the modules in the order in which a line passes them."""
    text = (ROOT / "docs/architecture.md").read_text()
    rows = [re.search(rf"^\| the way of a line {where} \| (.*?)(?:; of |\|)", text, re.M) for where in _WAYS]
    to_log, to_screen = [re.findall(r"`([\w/]+\.py)`", row[1]) for row in rows if row is not None]
    way = [*to_log, *to_screen]
    assert (len(to_log), len(to_screen), len(set(way))) == (4, 13, 17)
    known = {name: _own_imports(PACKAGE / name) for name in way}
    handed_on = [*pairwise(to_log), ("cli/view/stream.py", "logs/output.py")]
    assert [names for names in handed_on if names[1] not in known[names[0]]] == []
    taken = [("host/logs/reader.py", "host/routes/watch.py"), ("api/follow.py", "engine/sandbox_connection.py")]
    assert [names for names in taken if names[0] not in known[names[1]]] == []
    parts = to_screen[to_screen.index("logs/output.py") + 1 :]
    for at, name in enumerate(parts):  # each takes blocks from those before it
        assert known[name] & {"cli/view/stream.py", "logs/output.py", *parts[at + 1 :]} == set()


_WAYS = ("of output to its log", "from there to the terminal")


def _own_imports(path: Path) -> set[str]:
    """The modules of the package that a file imports, as the documents name them."""
    found = set(imported(path))
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{name.name}" for name in node.names)
    return {name.removeprefix("sbxcompose.").replace(".", "/") + ".py" for name in found}


def test_the_changelog_speaks_of_what_is_not_released_yet() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()
