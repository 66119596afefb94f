"""The cache works on real files, because that is what it compares; each test has a folder of its own."""

from __future__ import annotations

import os
from binascii import crc32
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack, structs

from sbxcompose.errors import SbxError
from sbxcompose.spec import cache
from sbxcompose.spec.load import load_project
from sbxcompose.spec.open import LoadRequest, open_project
from sbxcompose.spec.project import Project
from sbxcompose.spec.sources import Sources

FILE = """
include: sub/base.yaml
env_file: [{path: own.env, required: false}]
processes:
  web: {command: run, env: {A: "${A:-none}", B: "${B:-none}"}}
"""
BASE = "processes: {log: {command: log, profiles: [p], health_check: {http: 80}, watch: [x]}}"

EVERY_KIND = """
provider: tensorlake
sandboxes:
  main:
    resources: {cpus: 2, memory: 1GiB}
    network: {allow_out: [example.com]}
    files: [{from: ., to: src, ignore: [x]}]
    processes:
      db: {command: [db], ready_when: {log: ready}, inherit_env: [A, B], watch: [{path: src, action: restart}]}
      web:
        command: web
        replicas: 2
        ready_when: {exec: [check, it]}
        depends_on: {db: ready}
        restart: {policy: always, max_restarts: 3}
        stop: {signal: SIGINT, grace: 1m}
"""


class Folder:
    """A project on disk, with a cache beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "shop" / "deep"
        self.project.mkdir(parents=True)
        self.environ = {"XDG_CACHE_HOME": str(root / "cache")}
        self.write("sbxcompose.yaml", FILE)
        self.write("sub/base.yaml", BASE)

    def write(self, name: str, text: str) -> None:
        path = self.project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def request(self, **changes: Any) -> LoadRequest:
        return LoadRequest(**{"directory": str(self.project), "environ": self.environ, **changes})

    def open(self, **changes: Any) -> Project:
        return open_project(self.request(**changes))

    def known(self, **changes: Any) -> Project | None:
        return cache.recall(self.request(**changes))

    @property
    def entries(self) -> list[Path]:
        return sorted((self.root / "cache" / "sbxcompose").iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_an_unchanged_project_is_remembered(folder: Folder) -> None:
    assert folder.known() is None
    project = folder.open()
    assert folder.known() == project == folder.open() == load_project(folder.request())


def test_every_kind_of_value_comes_back_as_it_was(folder: Folder) -> None:
    folder.write("sbxcompose.yaml", EVERY_KIND)
    project = folder.open()
    assert folder.known() == project
    folder.write("deep/Procfile", "web: run")
    procfile = folder.open(files=("deep/Procfile",))
    assert procfile.one_off is not None
    assert folder.known(files=("deep/Procfile",)) == procfile


@pytest.mark.parametrize("value", ["\udcff", "a\0b"])
def test_a_variable_that_is_not_text_is_not_an_error(folder: Folder, value: str) -> None:
    folder.environ["A"] = value
    assert outcome(folder.open) == outcome(lambda: load_project(folder.request()))


def test_a_project_in_a_directory_whose_name_is_not_utf_8_is_remembered(tmp_path: Path) -> None:
    folder = Folder(tmp_path / os.fsdecode(b"caf\xe9"))
    folder.write("sbxcompose.yaml", EVERY_KIND)
    project = folder.open()
    assert folder.known() == project == load_project(folder.request())


def test_text_that_looks_like_undecodable_bytes_is_not_an_error(tmp_path: Path) -> None:
    folder = Folder(tmp_path / os.fsdecode(b"caf\xe9"))
    folder.environ["A"] = chr(0xFFF80)
    project = folder.open()
    assert folder.known() is None
    assert folder.open() == project


def test_a_number_that_the_format_cannot_hold_is_not_an_error(folder: Folder) -> None:
    request = folder.request()
    sources = Sources(request.environ)
    project = load_project(request, sources)
    sandbox = structs.replace(project.sandboxes[0], timeout=2**70)
    cache.remember(request, sources, structs.replace(project, sandboxes=(sandbox,)))
    assert folder.known() is None


def test_an_entry_of_another_form_is_ignored_and_replaced(folder: Folder) -> None:
    project = folder.open()
    (entry,) = folder.entries
    for value in ([], {"project": 1}, ["0.1", 3, "key", {}, {}, []]):
        body = msgpack.encode(value)
        entry.write_bytes(crc32(body).to_bytes(4, "big") + body)
        assert folder.known() is None
        assert folder.open() == project == folder.known()


def change_file(folder: Folder) -> None:
    folder.write("sbxcompose.yaml", FILE.replace("run", "walk"))


def change_keeping_the_time_stamp(folder: Folder) -> None:
    path = folder.project / "sbxcompose.yaml"
    status = path.stat()
    path.write_text(FILE.replace("run", "ran"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def change_the_include(folder: Folder) -> None:
    folder.write("sub/base.yaml", BASE.replace("80", "81"))


def lose_the_include(folder: Folder) -> None:
    (folder.project / "sub/base.yaml").unlink()


def add_an_override(folder: Folder) -> None:
    folder.write("sbxcompose.override.yml", "processes: {new: {command: x}}")


def add_dotenv(folder: Folder) -> None:
    folder.write(".env", "A=1")


def add_the_env_file(folder: Folder) -> None:
    folder.write("own.env", "C=1")


def set_a_variable(folder: Folder) -> None:
    folder.environ["B"] = ""


def name_the_project(folder: Folder) -> None:
    folder.environ["SBXCOMPOSE_PROJECT_NAME"] = "other"


def choose_a_profile(folder: Folder) -> None:
    folder.environ["SBXCOMPOSE_PROFILES"] = "p"


@pytest.mark.parametrize(
    "change",
    [
        change_file,
        change_keeping_the_time_stamp,
        change_the_include,
        lose_the_include,
        add_an_override,
        add_dotenv,
        add_the_env_file,
        set_a_variable,
        name_the_project,
        choose_a_profile,
    ],
)
def test_any_change_is_seen(folder: Folder, change: Callable[[Folder], None]) -> None:
    folder.open()
    change(folder)
    assert folder.known() is None


def test_a_nearer_file_is_seen(folder: Folder) -> None:
    below = folder.project / "a" / "b"
    below.mkdir(parents=True)
    assert folder.open(directory=str(below)).directory == str(folder.project)
    assert folder.known(directory=str(below)) is not None
    (folder.project / "a" / "Procfile").write_text("web: x")
    assert folder.known(directory=str(below)) is None
    assert folder.open(directory=str(below)).directory == str(folder.project / "a")


def test_an_unused_variable_changes_nothing(folder: Folder) -> None:
    folder.open()
    folder.environ["UNRELATED"] = "1"
    assert folder.known() is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"project_name": "x"},
        {"provider": "tensorlake"},
        {"profiles": ("p",)},
        {"scale": {"web": 2}},
        {"files": ("sbxcompose.yaml",)},
        {"env_files": ("sub/x.env",)},
    ],
)
def test_another_request_is_another_entry(folder: Folder, changes: dict[str, Any]) -> None:
    folder.write("sub/x.env", "")
    first, second = folder.open(), folder.open(**changes)
    assert folder.known() == first
    assert folder.known(**changes) == second


def test_a_moved_symbolic_link_is_seen(folder: Folder) -> None:
    other = folder.root / "other"
    other.mkdir()
    (other / "f.yaml").write_text("processes: {web: {command: x}}")
    folder.write("f.yaml", "processes: {web: {command: x}}")
    link = folder.root / "link"
    link.symlink_to(folder.project)
    request = {"files": (str(link / "f.yaml"),)}
    assert folder.open(**request).directory == str(folder.project)
    link.unlink()
    link.symlink_to(other)
    assert folder.open(**request).directory == str(other)


def test_entries_are_the_owners_alone(folder: Folder) -> None:
    folder.open()
    (entry,) = folder.entries
    assert entry.stat().st_mode & 0o777 == 0o600
    assert entry.parent.stat().st_mode & 0o777 == 0o700


def test_an_entry_that_others_could_have_read_or_written_is_ignored(folder: Folder) -> None:
    folder.open()
    folder.entries[0].chmod(0o644)
    assert folder.known() is None


def test_a_link_in_its_place_is_ignored(folder: Folder) -> None:
    folder.open()
    (entry,) = folder.entries
    moved = entry.rename(folder.root / "moved")
    entry.symlink_to(moved)
    assert folder.known() is None


@pytest.fixture(scope="module")
def whole() -> Iterator[Folder]:
    """A folder for every damage, which each opening puts right."""
    with TemporaryDirectory() as name:
        yield Folder(Path(name))


@given(cut=st.integers(0, 400), junk=st.binary(max_size=20))
def test_a_damaged_entry_is_ignored_and_replaced(whole: Folder, cut: int, junk: bytes) -> None:
    project = whole.open()
    (entry,) = whole.entries
    content = entry.read_bytes()
    entry.write_bytes(content[:cut] + junk)
    assert whole.known() is None
    assert whole.open() == project
    assert entry.read_bytes() == content


def test_it_can_be_switched_off(folder: Folder) -> None:
    folder.environ["SBXCOMPOSE_NO_CACHE"] = "1"
    folder.open()
    assert not (folder.root / "cache").exists()


def test_where_nothing_can_be_written_nothing_is_remembered(folder: Folder) -> None:
    (folder.root / "cache").write_text("a file is in the way")
    assert folder.open() == load_project(folder.request())
    for environ in ({}, {"HOME": "relative"}, {"XDG_CACHE_HOME": "relative", "HOME": str(folder.root)}):
        assert folder.open(environ=environ).sandboxes


def test_standard_input_and_pipes_are_not_remembered(folder: Folder) -> None:
    folder.open(files=("-",), stdin=lambda: b"processes: {web: {command: x}}")
    reader, writer = os.pipe()
    os.write(writer, b"processes: {web: {command: y}}")
    os.close(writer)
    project = folder.open(files=(f"/dev/fd/{reader}",))
    os.close(reader)
    assert (project.directory, next(project.processes()).command[2]) == (str(folder.project), "y")
    assert not (folder.root / "cache").exists()


def test_mistakes_are_not_remembered(folder: Folder) -> None:
    folder.write("sbxcompose.yaml", "processes: {web: }")
    for _ in range(2):
        with pytest.raises(SbxError):
            folder.open()
    assert folder.known() is None


def test_old_entries_go(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_KEPT", 4)
    for number in range(7):
        folder.open(scale={"web": number})
    assert len(folder.entries) == 4
    assert folder.known(scale={"web": 6}) is not None


NAMES = ("sbxcompose.yaml", "sbxcompose.override.yaml", ".env", "own.env", "sub/base.yaml")
TEXTS = {
    "sbxcompose.yaml": (FILE, FILE.replace("run", "${A:-run}"), "processes: {web: {command: other}}"),
    "sbxcompose.override.yaml": (None, "env: {C: $B}", "processes: {web: {user: me}}"),
    ".env": (None, "A=dot", "B=dot"),
    "own.env": (None, "D=1", "D=$A"),
    "sub/base.yaml": (BASE, "env: {E: 1}"),
}
CHANGES = st.one_of(
    st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(TEXTS[name]))),
    st.tuples(st.sampled_from(["$A", "$B", "$SBXCOMPOSE_PROFILES"]), st.sampled_from([None, "", "1", "p"])),
)


def outcome(load: Callable[[], Project]) -> object:
    try:
        return load()
    except SbxError as error:
        return type(error), error.message


@pytest.fixture(scope="module")
def shared() -> Iterator[Folder]:
    with TemporaryDirectory() as name:
        yield Folder(Path(name))


@given(changes=st.lists(CHANGES, min_size=1, max_size=8))
def test_opening_always_gives_what_loading_gives(shared: Folder, changes: list[tuple[str, str | None]]) -> None:
    for name, text in changes:
        if name.startswith("$"):
            shared.environ.pop(name[1:], None)
            if text is not None:
                shared.environ[name[1:]] = text
        elif text is None:
            (shared.project / name).unlink(missing_ok=True)
        else:
            shared.write(name, text)
        loaded = outcome(lambda: load_project(shared.request()))
        assert outcome(shared.open) == loaded
        assert outcome(shared.open) == loaded
