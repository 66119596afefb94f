"""The control plane's rules: names, ids, what is refused, what is shown, pages of the list."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sbxcompose.api.sandbox_models import CreateRequest, SandboxInfo
from sbxcompose.host.base.ids import new_id
from sbxcompose.host.base.json_files import write_json
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.keeper.client import KeeperClient
from sbxcompose.host.sandboxes.listing import PageQuery
from sbxcompose.host.sandboxes.registry import Sandboxes
from sbxcompose.host.sandboxes.rules import check_name, refuse_unsupported, resources
from sbxcompose.tasks import TaskOwner
from tests.support.cases import each_case

NO_KEEPER = cast(KeeperClient, SimpleNamespace(tasks=TaskOwner(), identity="keeper"))
"""Nothing is started here."""


def request(**fields: Any) -> CreateRequest:
    return CreateRequest(**{"timeout_secs": 0, **fields})


@each_case("name", ["a", "web", "my-box-2", "a" * 63, "a" * 20, "a" * 22, "abc-defghij-klmnopqrs"])
def test_names_that_are_allowed(name: str) -> None:
    check_name(name)


@each_case(
    "name",
    ["", "A", "1a", "-a", "a-", "a_b", "a.b", "a" * 64, "a" * 21, "abcdefghij0123456789z", "ä", "a\n", "a b"],
)
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(Problem, match="cannot be a sandbox's name") as raised:
        check_name(name)
    assert raised.value.status == 400


def test_an_id_has_21_lower_case_letters_and_digits() -> None:
    assert all(re.fullmatch(r"[a-z0-9]{21}", new_id()) for _ in range(1_000))


def test_ids_differ() -> None:
    assert len({new_id() for _ in range(1_000)}) == 1_000


@each_case(
    "fields, words",
    [
        ({"network": {"allow_out": ["1.1.1.1"]}}, "network.allow_out cannot be enforced"),
        ({"template_id": "t"}, "template_id is not supported"),
        ({"secret_names": ["S"]}, "secret_names is not supported"),
        ({"resources": {"gpus": [{"count": 1}]}}, "resources.gpus is not supported"),
        ({"auto_resume": False}, "auto_resume needs a named sandbox"),
        ({"exposed_ports": [9501]}, "port 9501 is reserved"),
    ],
)
def test_what_cannot_be_kept_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem, match=words) as raised:
        refuse_unsupported(request(**fields))
    assert raised.value.status == 400


def test_what_asks_for_nothing_special_is_not() -> None:
    refuse_unsupported(
        request(
            name="box",
            image="ubuntu",
            resources={"cpus": 1.0, "memory_mb": 1024, "gpus": []},
            network={"allow_internet_access": True, "allow_out": [], "deny_out": []},
            file_systems=[],
            exposed_ports=[8080],
        )
    )


def test_resources_have_what_the_newest_clients_insist_on() -> None:
    whole = {"cpus": 1.0, "memory_mb": 1024, "disk_mb": 10_240, "ephemeral_disk_mb": 10_240}
    assert resources(None) == whole
    assert resources({"cpus": 2, "disk_mb": 5}) == {**whole, "cpus": 2, "disk_mb": 5, "ephemeral_disk_mb": 5}


@each_case("value", [0, -1, "1", True, float("inf"), float("nan")])
def test_resources_are_positive_numbers(value: object) -> None:
    with pytest.raises(Problem, match="cpus must be a positive number"):
        resources({"cpus": value})


class TestList:
    """Sandboxes on a real disk, without processes."""

    @pytest.fixture
    def sandboxes(self, tmp_path: Path) -> Sandboxes:
        return Sandboxes(tmp_path / "sandboxes", NO_KEEPER)

    def pages(self, sandboxes: Sandboxes, limit: int, *, backward: bool = False) -> list[list[str]]:
        """All pages, each as its sandboxes' names."""
        found: list[list[str]] = []
        cursor: str | None = None
        while True:
            page = sandboxes.page("default", PageQuery(limit, cursor, backward))
            found.append([str(sandbox.name) for sandbox in page.sandboxes])
            cursor = page.previous if backward else page.following
            if cursor is None:
                return found

    def fill(self, sandboxes: Sandboxes, count: int) -> list[str]:
        for number in range(count):
            sandboxes.create(request(name=f"box-{number}"))
        return [str(sandbox.name) for sandbox in sandboxes.page("default", PageQuery(count)).sandboxes]

    def test_pages_cover_everything_once_in_both_directions(self, sandboxes: Sandboxes) -> None:
        names = self.fill(sandboxes, 7)
        assert sorted(names) == [f"box-{number}" for number in range(7)]
        assert self.pages(sandboxes, 3) == [names[:3], names[3:6], names[6:]]
        assert self.pages(sandboxes, 3, backward=True) == [names[4:], names[1:4], names[:1]]

    def test_an_empty_list_has_one_empty_page(self, sandboxes: Sandboxes) -> None:
        assert self.pages(sandboxes, 3) == [[]]

    def test_a_foreign_cursor_is_refused(self, sandboxes: Sandboxes) -> None:
        with pytest.raises(Problem, match="not a cursor"):
            sandboxes.page("default", PageQuery(3, "x"))

    def test_namespaces_have_lists_of_their_own(self, sandboxes: Sandboxes) -> None:
        sandboxes.create(request(name="here"), "a")
        assert sandboxes.page("b", PageQuery(3)).sandboxes == []

    def test_a_live_name_is_refused(self, sandboxes: Sandboxes) -> None:
        sandboxes.create(request(name="box"))
        with pytest.raises(Problem, match="exists already") as raised:
            sandboxes.create(request(name="box"))
        assert (raised.value.status, raised.value.code) == (409, "ALREADY_EXISTS")

    def test_the_refusal_of_another_directory_names_the_owner(self, sandboxes: Sandboxes) -> None:
        sandboxes.create(request(name="box", project_directory="/home/a"))
        with pytest.raises(Problem, match="/home/a") as raised:
            sandboxes.create(request(name="box", project_directory="/home/b"))
        assert (raised.value.status, raised.value.code) == (409, "PROJECT_DIRECTORY")

    def test_what_is_recorded_is_read_again(self, sandboxes: Sandboxes, tmp_path: Path) -> None:
        made = sandboxes.create(request(name="box", image="ubuntu", exposed_ports=[80], project_directory="/p")).info
        again = Sandboxes(tmp_path / "sandboxes", NO_KEEPER)
        again.load()
        assert again.info("box") == again.info(made.id) == made

    def test_records_are_the_users_alone(self, sandboxes: Sandboxes, tmp_path: Path) -> None:
        made = sandboxes.create(request()).info
        directory = tmp_path / "sandboxes" / made.id
        modes = [path.stat().st_mode & 0o777 for path in (directory, directory / "sandbox.json")]
        assert modes == [0o700, 0o600]

    def test_records_that_make_no_sense_are_passed_over(self, sandboxes: Sandboxes, tmp_path: Path) -> None:
        made = sandboxes.create(request(name="box")).info
        for name, text in (("a", "{"), ("b", "[]"), ("c", '{"id": "other"}'), ("d", '{"id": "d"}')):
            path = tmp_path / "sandboxes" / name
            path.mkdir()
            (path / "sandbox.json").write_text(text)
        again = Sandboxes(tmp_path / "sandboxes", NO_KEEPER)
        again.load()
        assert [sandbox.info for sandbox in again] == [made]

    def test_what_a_terminated_one_has_left_is_removed(self, sandboxes: Sandboxes, tmp_path: Path) -> None:
        made = sandboxes.create(request(name="box")).info
        directory = tmp_path / "sandboxes" / made.id
        (directory / "workspace" / "file").write_text("x")
        write_json(directory / "sandbox.json", {**made.write(), "status": "terminated", "terminated_at": 1})

        async def load() -> None:
            again = Sandboxes(tmp_path / "sandboxes", NO_KEEPER)
            again.load()
            assert again.archived(made.id).name == "box"
            while (directory / "workspace").exists():
                await asyncio.sleep(0)

        asyncio.run(load())
        assert [path.name for path in directory.iterdir()] == ["sandbox.json"]

    def test_unknown_ones_are_not_found(self, sandboxes: Sandboxes) -> None:
        with pytest.raises(Problem, match="nope not found") as raised:
            sandboxes.info("nope")
        assert raised.value.status == 404


def test_info_goes_over_the_wire_and_back() -> None:
    info = SandboxInfo(id="x", status="running", name="box", resources=resources(None))
    assert SandboxInfo.read(info.write()) == info
