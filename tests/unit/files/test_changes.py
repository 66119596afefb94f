"""What is sent, deleted and given another mode, from two manifests alone."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.files.changes import PathChanges, compare, parents, parts
from sbxcompose.files.manifest import ManifestEntry, digest_bytes


def file(contents: str = "x", mode: int = 0o644) -> ManifestEntry:
    return ManifestEntry("file", mode, len(contents), digest_bytes(contents.encode()))


def link(target: str) -> ManifestEntry:
    return ManifestEntry("link", 0o777, 0, b"", target.encode())


FOLDER = ManifestEntry("dir", 0o755)


def test_equal_trees_need_nothing() -> None:
    tree = {"a": file(), "d": FOLDER, "d/l": link("../a")}
    assert not compare(tree, dict(tree))


def test_new_changed_and_gone() -> None:
    there = {"same": file(), "changed": file("old"), "gone": file(), "d": FOLDER, "d/gone": file()}
    here = {"same": file(), "changed": file("new"), "new": file(), "e": FOLDER}
    assert compare(here, there) == PathChanges(
        send=("changed", "new"), directories=("e",), deleted=("gone", "d/gone", "d")
    )


def test_a_mode_alone_sends_nothing() -> None:
    assert compare({"a": file(mode=0o755)}, {"a": file()}) == PathChanges(modes=("a",))
    assert compare({"d": ManifestEntry("dir", 0o700)}, {"d": FOLDER}) == PathChanges(directories=("d",))


def test_unknown_files_are_sent_again() -> None:
    assert compare({"a": file()}, {"a": ManifestEntry("file", -1)}) == PathChanges(send=("a",))
    assert compare({"a": file()}, {"a": ManifestEntry("file", 0o644, 1)}) == PathChanges(send=("a",))
    assert compare({}, {"a": ManifestEntry("file", -1)}) == PathChanges(deleted=("a",))


def test_what_is_in_the_way_goes_first_and_the_rest_last() -> None:
    there = {"a": FOLDER, "a/b": FOLDER, "a/b/c": file(), "f": file(), "z": file()}
    here = {"a": file(), "f": FOLDER, "f/x": file()}
    changes = compare(here, there)
    assert changes.cleared == ("f", "a/b/c", "a/b", "a")
    assert changes.deleted == ("z",)
    assert (changes.send, changes.directories) == (("a", "f/x"), ("f",))


def test_a_link_and_a_file_take_each_others_place_at_once() -> None:
    assert compare({"a": link("b")}, {"a": file()}) == PathChanges(send=("a",))
    assert compare({"a": file()}, {"a": link("b")}) == PathChanges(send=("a",))


def test_parts_keep_a_folder_with_the_first_thing_in_it() -> None:
    here = {"a": FOLDER, "a/1": file("x" * 60), "a/2": file("x" * 60), "b": FOLDER, "b/1": file("x" * 60)}
    first, second, third = parts(compare(here, {"old": file()}), here, 100)
    assert (first.directories, first.send) == (("a",), ("a/1",))
    assert (second.directories, second.send) == (("b",), ("a/2",))
    assert (third.send, third.deleted) == (("b/1",), ("old",))


def test_there_is_always_a_part() -> None:
    assert parts(PathChanges(), {}, 10) == [PathChanges()]


ENTRIES = st.sampled_from([file(), file("y"), file(mode=0o600), link("a"), FOLDER, FOLDER])
PATHS = st.lists(st.sampled_from("ab-"), min_size=1, max_size=3).map("/".join)


def whole(tree: dict[str, ManifestEntry]) -> dict[str, ManifestEntry]:
    """A tree in which everything lies in folders."""
    kept: dict[str, ManifestEntry] = {}
    for path in sorted(tree, key=lambda item: item.count("/")):
        if all(kept.setdefault(above, FOLDER).kind == "dir" for above in reversed([*parents(path)])):
            kept[path] = tree[path]
    return kept


TREES = st.dictionaries(PATHS, ENTRIES, max_size=8).map(whole)


def carried_out(
    changes: Iterable[PathChanges], here: dict[str, ManifestEntry], there: dict[str, ManifestEntry]
) -> dict[str, ManifestEntry]:
    """What becomes of `there`; each step is one that a file system takes."""
    world = dict(there)
    for piece in changes:
        for path in piece.cleared:
            _remove(world, path)
        for path in sorted([*piece.directories, *piece.send]):
            for above in parents(path):
                assert world.get(above) is None or world[above].kind == "dir" or above in piece.directories
            assert not (here[path].kind != "dir" and any(one_path.startswith(path + "/") for one_path in world))
            world[path] = here[path]
        for path in piece.modes:
            world[path] = here[path]
        for path in piece.deleted:
            _remove(world, path)
    return world


def _remove(world: dict[str, ManifestEntry], path: str) -> None:
    assert not any(one_path.startswith(path + "/") for one_path in world), f"{path} is not empty"
    del world[path]


@given(here=TREES, there=TREES, limit=st.integers(1, 4))
def test_carried_out_in_parts_it_makes_one_tree_of_the_other(
    here: dict[str, ManifestEntry], there: dict[str, ManifestEntry], limit: int
) -> None:
    pieces = parts(compare(here, there), here, limit)
    world = carried_out(pieces, here, there)
    assert world == here
    assert not compare(here, world)
