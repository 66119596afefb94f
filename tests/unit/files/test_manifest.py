"""The record in the sandbox: whatever is cut, it never claims more than is true."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.files.changes import compare
from sbxcompose.files.manifest import (
    Manifest,
    ManifestEntry,
    digest_bytes,
    fingerprint,
    read_record,
    write_change,
    write_whole,
)
from tests.support.cases import each_case

A = ManifestEntry("file", 0o644, 1, digest_bytes(b"a"))
B = ManifestEntry("file", 0o755, 1, digest_bytes(b"b"))
FOLDER = ManifestEntry("dir", 0o755)
LINK = ManifestEntry("link", 0o777, 0, b"", b"a\xff")


def test_a_record_is_what_was_written_last() -> None:
    data = write_whole({"a": A, "d": FOLDER}) + write_change({"bad\udcff": B, "l": LINK}, ["a"])
    record = read_record(data)
    assert record.entries == {"d": FOLDER, "bad\udcff": B, "l": LINK}
    assert (record.size, record.worn) == (len(data), False)
    assert read_record(data + write_whole({"a": B})).entries == {"a": B}


def test_no_record_is_an_empty_one() -> None:
    assert read_record(b"").entries == {}
    assert not read_record(b"").worn


@each_case("at", range(0, 120, 7))
def test_a_record_that_is_cut_or_damaged_ends_there_and_is_replaced(at: int) -> None:
    first, second = write_whole({"a": A}), write_change({"b": B})
    whole = first + second
    cut = read_record(whole[:at])
    assert cut.entries in ({}, {"a": A}, {"a": A, "b": B})
    assert cut.worn == (at not in (0, len(first)) and at < len(whole))
    damaged = bytearray(whole)
    damaged[at % len(whole)] ^= 1
    assert read_record(bytes(damaged)).entries in ({}, {"a": A})
    assert read_record(bytes(damaged)).worn


def test_a_record_of_many_changes_is_worn() -> None:
    assert read_record(write_whole({"a": A}) + write_change({"b": B}) * 2000).worn


def test_fingerprints_tell_every_difference_and_no_order() -> None:
    one: Manifest = {"a": A, "d": FOLDER, "l": LINK}
    assert fingerprint(one) == fingerprint(dict(reversed(list(one.items()))))
    others: list[Manifest] = [
        {"a": B, "d": FOLDER, "l": LINK},
        {"a": A, "d": FOLDER},
        {"a": A, "d": ManifestEntry("dir", 0o700), "l": LINK},
        {"a": A, "d": FOLDER, "l": ManifestEntry("link", 0o777, 0, b"", b"b")},
        {"b": A, "d": FOLDER, "l": LINK},
    ]
    assert len({fingerprint(value) for value in (one, *others)}) == 6


ENTRIES = st.sampled_from([A, B, FOLDER, LINK, ManifestEntry("file", 0o600, 1, A.digest)])
TREES = st.dictionaries(st.sampled_from("abcd"), ENTRIES)


@given(there=TREES, here=TREES, cut=st.integers(0, 3))
def test_a_change_that_is_cut_leaves_all_it_may_have_touched_in_doubt(
    there: dict[str, ManifestEntry], here: dict[str, ManifestEntry], cut: int
) -> None:
    """In the order of the script: doubt is written, each path is changed, the truth is written."""
    changes = compare(here, there)
    record = write_whole(there) + write_change({path: ManifestEntry("file", -1) for path in changes.touched})
    world = dict(there)
    for number, path in enumerate(changes.touched):
        if number == cut:
            break
        if path in here:
            world[path] = here[path]
        else:
            world.pop(path, None)
    for path, entry in read_record(record).entries.items():
        assert not entry.known or world.get(path) == entry
    again = compare(here, read_record(record).entries)
    assert {*again.touched} >= {path for path in {*world, *here} if world.get(path) != here.get(path)}
