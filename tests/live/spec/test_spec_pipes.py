"""Files of variables that are named pipes, as secret managers make them: each is opened once, and read once."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sbxcompose.errors import InvalidSpec
from sbxcompose.spec import pipes as pipes_module
from sbxcompose.spec.open import LoadRequest, open_project
from sbxcompose.spec.pipes import read_pipe
from sbxcompose.spec.project import Project
from sbxcompose.spec.sources import Pipes, read_content

FILE = "processes: {web: {command: 'run ${V:-nothing}', env_file: [{path: own.env, required: false}]}}"


class Manager:
    """Serves a pipe to one reader after another, and counts them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.served = 0
        os.mkfifo(path)

    @contextmanager
    def serving(self, *contents: str) -> Iterator[None]:
        thread = threading.Thread(target=self._serve, args=(contents,))
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def _serve(self, contents: tuple[str, ...]) -> None:
        for content in contents:
            with self.path.open("w") as stream:
                self.served += 1
                stream.write(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "sbxcompose.yaml").write_text(FILE)
    return folder


def load(folder: Path, pipes: Pipes | None = None, **request: Any) -> Project:
    environ = {"XDG_CACHE_HOME": str(folder.parent / "cache")}
    return open_project(LoadRequest(str(folder), environ=environ, pipes=pipes, **request))


def command(project: Project) -> str:
    return next(project.processes()).command[-1]


def test_dotenv_is_read_once_a_command(folder: Path) -> None:
    manager = Manager(folder / ".env")
    pipes = Pipes()
    with manager.serving("V=one"):
        assert command(load(folder, pipes)) == command(load(folder, pipes)) == "run one"
    assert manager.served == 1


def test_what_a_pipe_holds_is_not_remembered(folder: Path) -> None:
    manager = Manager(folder / ".env")
    for value in ("one", "two"):
        with manager.serving(f"V={value}"):
            assert command(load(folder)) == f"run {value}"
    assert manager.served == 2


@pytest.mark.parametrize("name", ["--env-file", "env_file"])
def test_other_files_of_variables(folder: Path, name: str) -> None:
    manager = Manager(folder / ("own.env" if name == "env_file" else "some.env"))
    with manager.serving("V=one"):
        project = load(folder, env_files=("some.env",) if name == "--env-file" else ())
    assert next(project.processes()).env == ((("V", "one"),) if name == "env_file" else ())
    assert manager.served == 1


def test_the_file_of_the_project_itself(folder: Path) -> None:
    manager = Manager(folder / "spec")
    with manager.serving(FILE.replace("run", "walk")):
        assert command(load(folder, files=("spec",))) == "walk nothing"
    assert manager.served == 1


def test_a_pipe_without_a_writer_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes_module, "WITHOUT_WRITER", 0.0)
    os.mkfifo(folder / ".env")
    with pytest.raises(InvalidSpec) as caught:
        load(folder)
    assert [mistake.message for mistake in caught.value.mistakes] == [
        "the file is a named pipe, and nothing writes to it"
    ]


def test_a_command_that_only_reads_does_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes_module, "WITHOUT_WRITER", 0.0)
    os.mkfifo(folder / ".env")
    pipes = Pipes(lenient=True)
    assert command(load(folder, pipes)) == "run nothing"
    assert pipes.without_writer == [str(folder / ".env")]


def test_completion_reads_no_pipe(folder: Path) -> None:
    os.mkfifo(folder / ".env")
    assert command(load(folder, Pipes(ignored=True))) == "run nothing"


def test_a_writer_may_take_its_time(tmp_path: Path) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    found: list[bytes | int] = []
    reader = threading.Thread(target=lambda: found.append(read_pipe(path, 1_000_000, patience=0.0)))
    reader.start()
    for _ in range(3):
        os.write(writer, b"x" * 65_536)  # as much as fits, so that the next one waits for the reader
    os.close(writer)
    reader.join()
    assert found == [b"x" * 3 * 65_536]


def test_more_than_is_allowed(tmp_path: Path) -> None:
    manager = Manager(tmp_path / "pipe")
    with manager.serving("x" * 10):
        assert read_pipe(str(tmp_path / "pipe"), 5) == errno.EFBIG


def test_a_large_content_comes_whole(tmp_path: Path) -> None:
    manager = Manager(tmp_path / "pipe")
    with manager.serving("x" * 300_000):
        assert read_pipe(str(tmp_path / "pipe"), 1_000_000) == b"x" * 300_000


def test_a_check_that_may_not_wait_does_not_open_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert read_content(str(path)) == errno.EINVAL
    with pytest.raises(OSError, match="No such device"):  # nobody reads it
        os.open(path, os.O_WRONLY | os.O_NONBLOCK)


def test_a_device_is_read(folder: Path) -> None:
    (folder / ".env").symlink_to(os.devnull)
    assert command(load(folder)) == "run nothing"
