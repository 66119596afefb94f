"""Plans and explanations as trees on a terminal."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.cli.style import text_of
from sbxcompose.cli.view.plan import plan_tree
from sbxcompose.cli.view.tree_row import TreeRow
from sbxcompose.cli.view.why import explanation_tree
from sbxcompose.plan.diff import plan
from sbxcompose.plan.observed import Exit, Instance, Observed, Phase
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Await, Plan
from sbxcompose.plan.why import why
from sbxcompose.spec.project import Project
from tests.unit.plan.plan_worlds import CHECK, COMPLETED, NEVER, V2, need, process, project, row, seen, world

SHOP = project(
    process("db", check=CHECK),
    process("migrate", ["db"], restart=NEVER),
    process("web", [need("migrate", COMPLETED), "db"]),
)


def rows(tree: list[TreeRow], depth: int = 0) -> list[str]:
    """The lines of a tree, indented."""
    return [
        line
        for branch in tree
        for line in ("  " * depth + "".join(map(text_of, branch.label)), *rows(branch.below, depth + 1))
    ]


def shown(wanted: Project, observed: Observed, options: PlanOptions | None = None) -> list[str]:
    return rows(plan_tree(plan(wanted, observed, Intent.UP, options or PlanOptions())))


def test_nothing_has_no_rows() -> None:
    assert plan_tree(Plan()) == []


def test_a_new_sandbox_has_its_processes_below_it_and_waits_are_words() -> None:
    assert shown(SHOP, Observed()) == [
        "+ main (create): does not exist",
        "  + db: not running",
        "  + migrate: not running; after db is ready",
        "  + web: not running; after db is ready, migrate is completed",
    ]


def test_a_sandbox_that_is_there_is_a_heading_and_a_replaced_process_one_row() -> None:
    observed = world(row("db", check=True), row("web", digest=V2), row("migrate", Phase.EXITED, exit=Exit(code=3)))
    assert shown(SHOP, observed) == [
        "main",
        "  + migrate: exited with code 3",
        "  ~ web: definition changed; after migrate is completed",
    ]


def test_what_stops_is_removed_and_orphans_are_too() -> None:
    observed = world(row("db", check=True), row("old"))
    alone = project(process("db", check=CHECK))
    assert shown(alone, observed, PlanOptions(remove_orphans=True)) == ["main", "  - old: not in the file"]


def test_a_wait_that_no_row_names_has_its_own() -> None:
    wanted = project(process("web", digest=V2, check=CHECK, update="start-first"))
    assert shown(wanted, world(row("web", check=True))) == [
        "main",
        "  ~ web: definition changed",
        "    wait until web is ready: the old one stays until then",
    ]


def test_what_another_sandbox_needs_is_named() -> None:
    wanted = project(
        process("db", sandbox="data", check=CHECK), process("web", [need("db", sandbox="data")], sandbox="app")
    )
    assert shown(wanted, Observed()) == [
        "+ data (create): does not exist",
        "  + db: not running",
        "+ app (create): does not exist",
        "  + web: not running; after db is ready",
    ]


def test_every_step_is_in_the_tree() -> None:
    for observed in (Observed(), world(), world(row("db", check=True), row("web", digest=V2), row("old"))):
        for options in (PlanOptions(), PlanOptions(remove_orphans=True, force_recreate=True)):
            made = plan(SHOP, observed, Intent.UP, options)
            text = "\n".join(rows(plan_tree(made)))
            for step in made:
                words = f"{step.subject} is {step.action.condition}" if isinstance(step.action, Await) else step.reason
                assert step.subject in text
                assert words in text


def test_why_is_a_tree_in_which_what_holds_up_is_below_what_it_holds_up() -> None:
    chain = project(
        process("db", check=CHECK), process("api", ["db"], check=CHECK), process("web", ["api"]), process("job", ["db"])
    )
    observed = Observed((seen(replace(row("db", Phase.STARTING, check=True), run=1)),))
    answer = why(chain, observed, Instance("main", "web"), 1_000.0)
    assert rows([explanation_tree(answer, None, str)]) == [
        "web has not been started: it is held up",
        "  web waits until api is ready; api has not been started",
        "    api waits until db is ready; db is starting",
    ]


def test_the_root_of_a_long_chain_is_below_what_is_left_out() -> None:
    names = [f"p{number}" for number in range(40)]
    chain = project(
        *(process(name, names[number - 1 : number] if number else [], check=CHECK) for number, name in enumerate(names))
    )
    answer = why(chain, world(), Instance("main", "p39"), 1_000.0)
    found = rows([explanation_tree(answer, None, str)])
    assert [line.strip() for line in found] == list(answer.lines)
    assert [len(line) - len(line.lstrip()) for line in found] == [2 * depth for depth in range(10)]


def test_a_replica_is_held_up_by_what_holds_up_its_process() -> None:
    wanted = project(process("db", check=CHECK), process("web", ["db"], replicas=2, description="the front end"))
    answer = why(wanted, world(), Instance("main", "web", 2), 1_000.0)
    assert rows([explanation_tree(answer, None, str)]) == [
        "web.2 has not been started: it is held up",
        "  the front end",
        "  web waits until db is ready; db has not been started",
    ]
