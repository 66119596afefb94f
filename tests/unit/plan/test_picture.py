"""Pictures of dependencies: everything is in them once, also what several processes need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.plan.picture import branches, dot, mermaid, needs_of, to_json, tree
from tests.unit.plan.plan_worlds import COMPLETED, STARTED, need, process, project

SHOP = project(
    process("@setup1"),
    process("db", [need("@setup1", COMPLETED)]),
    process("cache"),
    process("migrate", ["db"]),
    process("web", [need("migrate", COMPLETED), need("cache", STARTED, required=False), "db"]),
    process("worker", ["migrate"]),
    process("alone"),
)
NEEDS = needs_of(SHOP, SHOP.processes())


def test_below_a_process_stands_what_it_needs_and_that_is_expanded_once() -> None:
    assert tree(branches(NEEDS)) == [
        "web",
        "├── migrate (completed)",
        "│   └── db (ready)",
        "├── cache (started, if wanted)",
        "└── db (ready)",
        "worker",
        "└── migrate (ready) (see above)",
        "alone",
    ]
    assert tree(branches(NEEDS), ascii_only=True)[1:3] == ["|-- migrate (completed)", "|   `-- db (ready)"]


def test_an_arrow_leads_to_what_is_needed() -> None:
    lines = dot(NEEDS, 'a "shop"')
    assert lines[0] == 'digraph "a \\"shop\\"" {'
    assert '  "web" -> "migrate" [label="completed"];' in lines
    assert '  "web" -> "cache" [label="started", style=dashed];' in lines
    assert lines[-1] == "}"
    assert mermaid(needs_of(SHOP, [process("db"), process("migrate", ["db"])])) == [
        "flowchart LR",
        '  p1["db"]',
        '  p2["migrate"]',
        "  p2 -->|ready| p1",
    ]


def test_programs_get_every_process_with_its_needs() -> None:
    found = {row["process"]: row["needs"] for row in to_json(NEEDS)}
    assert list(found) == ["db", "cache", "migrate", "web", "worker", "alone"]
    assert found["worker"] == [{"process": "migrate", "condition": "ready", "required": True}]


def test_equal_names_in_two_sandboxes_have_their_sandbox() -> None:
    both = project(process("web"), process("web", sandbox="other"), process("x", ["web"]))
    assert tree(branches(needs_of(both, both.processes()))) == ["x", "└── main/web (ready)", "other/web"]


@given(st.lists(st.lists(st.integers(0, 30), max_size=4, unique=True), max_size=12))
def test_every_process_is_in_the_tree(given_needs: list[list[int]]) -> None:
    processes = [
        process(f"p{number}", [f"p{other}" for other in wanted if other < number])
        for number, wanted in enumerate(given_needs)
    ]
    shop = project(*processes) if processes else SHOP
    needs = needs_of(shop, shop.processes())
    shown = {line.lstrip("│├└─ ").partition(" ")[0] for line in tree(branches(needs))}
    assert shown == set(needs)


def test_a_long_chain_is_drawn() -> None:
    chain = project(*(process(f"p{number}", [f"p{number - 1}"] if number else []) for number in range(3_000)))
    assert len(tree(branches(needs_of(chain, chain.processes())))) == 3_000
