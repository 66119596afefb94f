"""The web applications and task queues in a repository's Python modules, and what serves them; pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.convert.pyproject import PythonProject, read_python_project, script_processes
from sbxcompose.convert.repository_files import FoundProcess, Manifests, RepositoryFiles

_STEMS = ("main", "app", "server", "api", "wsgi", "asgi", "application", "web", "__init__", "celery", "tasks", "worker")
"""Modules that may hold an application, the likelier ones first."""
_NO_PACKAGES = frozenset(("tests", "test", "docs", "examples", "scripts", "migrations", "src", "venv", "env"))
_ASGI = ("FastAPI", "Starlette", "Quart", "Litestar")
_CREATED = re.compile(
    r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?"
    r"(FastAPI|Starlette|Flask|Quart|Litestar|Celery|get_wsgi_application|get_asgi_application)\(",
    re.MULTILINE,
)
_FACTORY = re.compile(r"^def ((?:create|make)_app)\(", re.MULTILINE)


class PythonApp(Struct, frozen=True):
    """An application object, or a function that creates it."""

    path: str
    variable: str
    framework: str
    is_factory: bool = False

    @property
    def workdir(self) -> str:
        """The folder from which its module is imported."""
        return "src" if self.path.startswith("src/") else ""

    @property
    def module(self) -> str:
        """Its module as Python imports it."""
        path = self.path.removesuffix(".py").removesuffix("/__init__").removeprefix("src/")
        return path.replace("/", ".")

    @property
    def package(self) -> str:
        """The dependency that it needs, by its normalized name."""
        return "django" if self.framework.startswith("get_") else self.framework.lower()


def python(manifests: Manifests) -> Iterator[FoundProcess]:
    """Yield what a Python project can run: its scripts, Django, and the applications in its modules."""
    project = read_python_project(manifests)
    served = {"web": False, "worker": False}
    for found in script_processes(project):
        yield found
        if found.proposed:
            served["worker" if found.name in ("worker", "scheduler") else "web"] = True
    django = next((folder for folder in (".", *_folders(manifests.files)) if _has(manifests.files, folder)), None)
    if django is not None:
        yield from _django(project, django, proposed=not served["web"])
        served["web"] = True
    for app in _apps(manifests.files):
        if app.package == "django" and (django is not None or app.framework != "get_wsgi_application"):
            continue  # manage.py serves it, and a project of Django's has both files for one application
        found = _worker(project, app) if app.framework == "Celery" else _web(project, app)
        declared = not project.dependencies or app.package in project.dependencies
        yield replace(found, proposed=declared and not served[found.name])
        served[found.name] = served[found.name] or declared


def _has(files: RepositoryFiles, folder: str) -> bool:
    return files.has("manage.py" if folder == "." else f"{folder}/manage.py")


def _django(project: PythonProject, folder: str, *, proposed: bool) -> Iterator[FoundProcess]:
    because = f"{posixpath.normpath(posixpath.join(folder, 'manage.py'))}: Django"
    where = {} if folder == "." else {"workdir": folder}
    manage = project.run("python manage.py", "" if folder == "." else folder)
    once = {"restart": "never", **where}
    yield FoundProcess("migrate", f"{manage} migrate", because, once, proposed=proposed)
    keys = {"port": 8000, "depends_on": {"migrate": "completed"}, "health_check": {"tcp": 8000}, **where}
    yield FoundProcess("web", f"{manage} runserver $PORT", because, keys, proposed=proposed)


def _folders(files: RepositoryFiles) -> Iterator[str]:
    """Yield the folders that may be packages: those of the root, and of src."""
    for parent in ("src", "."):
        for name in files.names(parent):
            if name.isidentifier() and name not in _NO_PACKAGES:
                yield name if parent == "." else f"{parent}/{name}"


def _apps(files: RepositoryFiles) -> Iterator[PythonApp]:
    """Yield one application of each module that has one, those outside of packages first."""
    for folder in (".", "app", "src", *(folder for folder in _folders(files) if folder != "app")):
        present = set(files.names(folder))
        for stem in _STEMS:
            path = posixpath.normpath(posixpath.join(folder, f"{stem}.py"))
            if f"{stem}.py" in present and (app := _app(path, files.read(path) or "")) is not None:
                yield app


def _app(path: str, text: str) -> PythonApp | None:
    created = _CREATED.search(text)
    if created is not None:
        return PythonApp(path, created[1], created[2])
    factory = _FACTORY.search(text)
    framework = next((name for name in ("Flask", *_ASGI) if f"{name}(" in text), None)
    if factory is None or framework is None:
        return None
    return PythonApp(path, factory[1], framework, is_factory=True)


def _web(project: PythonProject, app: PythonApp) -> FoundProcess:
    target, declared = f"{app.module}:{app.variable}", project.dependencies
    is_asgi = app.framework in _ASGI
    port, program = 8000, "uvicorn" if is_asgi else "gunicorn"
    if is_asgi and "hypercorn" in declared and "uvicorn" not in declared:
        program = "hypercorn"
    factory = f"'{target}()'" if app.is_factory else target
    commands = {
        "uvicorn": f"uvicorn {'--factory ' if app.is_factory else ''}{target} --port $PORT",
        "hypercorn": f"hypercorn --bind 127.0.0.1:$PORT {factory}",
        "gunicorn": f"gunicorn --bind 127.0.0.1:$PORT {factory}",
    }
    command = commands[program]
    if app.framework == "Flask" and "gunicorn" not in declared:
        port, program, command = 5000, "flask", f"flask --app {target} run --port $PORT"
    todo = f"add {program}, which is not among the dependencies" if declared and program not in declared else ""
    keys = {"port": port, "health_check": {"tcp": port}, **_workdir(app)}
    return FoundProcess("web", project.run(command, app.workdir), f"{app.path}: {_framework(app)}", keys, todo)


def _worker(project: PythonProject, app: PythonApp) -> FoundProcess:
    command = project.run(f"celery --app {app.module}:{app.variable} worker", app.workdir)
    return FoundProcess("worker", command, f"{app.path}: Celery", _workdir(app))


def _framework(app: PythonApp) -> str:
    return "Django" if app.package == "django" else app.framework


def _workdir(app: PythonApp) -> dict[str, str]:
    return {"workdir": app.workdir} if app.workdir else {}
