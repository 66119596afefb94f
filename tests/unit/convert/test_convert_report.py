"""What the report of `convert` says about several notes that are the same."""

from __future__ import annotations

from sbxcompose.cli.convert import place_and_subjects
from sbxcompose.convert.draft import ConvertNote, NoteKind


def _notes(*subjects_and_lines: tuple[str, int]) -> list[ConvertNote]:
    return [ConvertNote(NoteKind.MANUAL, subject, "text", line, "f.yaml") for subject, line in subjects_and_lines]


def test_a_line_to_which_an_anchor_leads_several_times_is_named_once() -> None:
    assert place_and_subjects(_notes(("a.image", 3), ("b.image", 3)), "f.yaml") == ("f.yaml:3: ", "a.image, b.image: ")


def test_at_most_ten_lines_and_keys_are_named() -> None:
    many = _notes(*((f"s{number}", number) for number in range(1, 2001)))
    place, about = place_and_subjects(many, "f.yaml")
    assert place == "f.yaml:1,2,3,4,5,6,7,8,9,10 and 1990 more: "
    assert about == "s1, s2, s3, s4, s5, s6, s7, s8, s9, s10 and 1990 more: "
    assert place_and_subjects(many[:10], "f.yaml")[0] == "f.yaml:1,2,3,4,5,6,7,8,9,10: "


def test_a_note_on_the_file_itself_names_it_once() -> None:
    assert place_and_subjects(_notes(("f.yaml", 3)), "f.yaml") == ("f.yaml:3: ", "")
    assert place_and_subjects([ConvertNote(NoteKind.MANUAL, "web", "text")], "f.yaml") == ("", "web: ")
