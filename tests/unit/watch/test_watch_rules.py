"""Changed paths and rules give reactions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.spec.project import WatchRule
from sbxcompose.watch.mounts import FOREIGN, file_system
from sbxcompose.watch.rules import Reaction, Watched, because, decide, merged, root_of

ACTIONS = ("restart", "sync", "sync+restart", "signal", "run")


def rule(process: str, path: str, action: str = "restart") -> Watched:
    made = WatchRule(path, action, signal=1 if action == "signal" else None, run=("make",) if action == "run" else ())
    return Watched(("main", process), made, root_of(made, "/p"))


def test_only_the_processes_of_changed_places_react_with_their_own_paths() -> None:
    web, db = rule("web", "site"), rule("db", "data", "signal")
    changed = {web.root: ["/p/site/a"]}
    assert decide([web, db], changed) == [Reaction(("main", "web"), ("/p/site/a",), restart=True)]


def test_a_new_run_makes_signals_needless_and_commands_come_before_it() -> None:
    rules = [rule("web", "a", "signal"), rule("web", "b", "run"), rule("web", "c", "sync")]
    (found,) = decide(rules, {one_rule.root: [one_rule.root.path] for one_rule in rules})
    assert found == Reaction(("main", "web"), ("/p/a", "/p/b", "/p/c"), sync=True, run=(("make",),), restart=True)


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("abc"), st.sampled_from(ACTIONS)), max_size=8))
def test_one_reaction_a_process_and_none_without_a_change(made: list[tuple[str, str, str]]) -> None:
    rules = [rule(*entry) for entry in made]
    changed = {one_rule.root: [one_rule.root.path] for one_rule in rules if one_rule.root.path != "/p/a"}
    found = decide(rules, changed)
    assert len({entry.process for entry in found}) == len(found)
    assert {entry.process for entry in found} == {one_rule.process for one_rule in rules if one_rule.root in changed}
    for item in found:
        assert item.paths
        assert not (item.restart and item.signals)
        twice = merged(item, item)
        assert twice == item


def test_what_changed_in_words() -> None:
    assert because(["/p/site/a"], "/p") == "site/a changed"
    assert because(["/p/a", "/p/b"], "/p") == "a and b changed"
    assert because(["/q/a"], "/p") == "../q/a changed"
    assert because(["/r/s/a"], "/p/q") == "/r/s/a changed"
    assert because([f"/p/{n}" for n in range(10_000)], "/p") == "10 000 files changed"


MOUNTS = r"""22 1 259:1 / / rw - ext4 /dev/root rw
30 22 0:40 / /home/me/shared\040folder rw,relatime shared:1 - nfs4 server:/x rw
31 30 0:41 / /home/me/shared\040folder/local rw - tmpfs tmpfs rw"""


def test_the_file_system_is_that_of_the_innermost_mount() -> None:
    assert file_system("/home/me/shared folder/src", MOUNTS) in FOREIGN
    assert file_system("/home/me/shared folder/local/x", MOUNTS) == "tmpfs"
    assert file_system("/home/me/shared folders", MOUNTS) == "ext4"
    assert file_system("/x", "nonsense") == ""
