"""Names and patterns that select instances."""

from __future__ import annotations

import pytest

from sbxcompose.engine.listing import named_listing
from sbxcompose.engine.pause import chosen
from sbxcompose.errors import UnknownName, UnknownPattern, UsageError
from sbxcompose.plan.names import ProcessNames, resolve_all
from sbxcompose.plan.observed import Instance, Observed
from sbxcompose.plan.selection import select
from sbxcompose.plan.targets import resolve_place
from sbxcompose.spec.scale import Scale
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import process, project, row, seen

PROJECT = project(process("web", replicas=2), process("worker"), process("db"))
NAMES = ProcessNames(PROJECT)
OLD = Instance("main", "old")
WEB = [Instance("main", "web", replica) for replica in (1, 2)]
KNOWN = [*WEB, Instance("main", "worker"), Instance("main", "db"), OLD]


def selected(*texts: str) -> list[str]:
    return [NAMES.instance(instance) for instance in select(KNOWN, texts, NAMES, NAMES.instance)]


def test_names_patterns_and_orphans() -> None:
    assert selected("web") == ["web.1", "web.2"]
    assert selected("w*") == ["web.1", "web.2", "worker"]
    assert selected("*.2", "db") == ["web.2", "db"]
    assert selected("[dx]b") == ["db"]
    assert selected("main/w?rker") == ["worker"]
    assert selected("old") == ["old"]
    assert selected("web.2", "w*") == ["web.2", "web.1", "worker"], "each once"


def test_the_first_of_several_replicas_that_run_has_a_number_whatever_the_file_says() -> None:
    names = ProcessNames(project(process("web")), Observed((seen(row("web"), row("web", replica=2)),)))
    assert names.instance(Instance("main", "web")) == "web.1"
    names = ProcessNames(project(process("web")))
    names.include([Instance("main", "web", 2)])
    assert names.instance(Instance("main", "web")) == "web.1"


def test_a_setup_command_has_a_name_that_no_process_can_have() -> None:
    names = ProcessNames(project(process("@setup1"), process("@setup2"), process("web")))
    known = [Instance("main", name) for name in ("@setup1", "@setup2", "web")]

    def found(text: str) -> list[str]:
        return [names.instance(instance) for instance in select(known, [text], names, names.instance)]

    assert found("setup:2") == found("@setup2") == found("main/setup:2") == ["setup:2"]
    assert found("set*") == ["setup:1", "setup:2"]
    with pytest.raises(UnknownName) as caught:
        names.resolve("setup:3")
    assert caught.value.hint == "did you mean `setup:1` or `setup:2`?"


def test_the_name_of_a_sandbox_is_answered_with_its_processes() -> None:
    shop = project(process("web"), process("db"), process("web", sandbox="ui"))
    with pytest.raises(UnknownName, match="no process named `main`") as caught:
        ProcessNames(shop).resolve("main")
    assert caught.value.hint == "`main` is a sandbox; `main/*` means its processes (`main/web`, `db`)"
    with pytest.raises(UnknownName) as place:
        resolve_place(shop, "nope")
    assert place.value.hint == "the file defines `db`, `main`, `main/web`, `ui`, `ui/web`"
    for text, meant in (("wbe", "main/web` or `ui/web"), ("mian", "main"), ("bd", "db")):
        with pytest.raises(UnknownName, match=f"no process or sandbox named `{text}`") as near:
            resolve_place(shop, text)
        assert near.value.hint == f"did you mean `{meant}`?"
    with pytest.raises(UnknownName) as scaled:
        Scale({"nope": 2}, [("main", "web"), ("main", "db"), ("ui", "web")])
    assert scaled.value.hint == "the file defines `db`, `main/web`, `ui/web`"


def test_what_selects_nothing_is_an_error() -> None:
    with pytest.raises(UnknownName, match="no process named `wen`"):
        selected("wen")
    with pytest.raises(UsageError, match=r"no process matches `x\*`"):
        selected("db", "x*")


def targets(*texts: str, observed: Observed | None = None) -> set[str]:
    """Return what the arguments of a command that starts or stops mean: `main/web`, or `main/web.2`."""
    found = resolve_all(SHOP, texts, observed) or ()
    return {f"{target.sandbox}/{target.process}{f'.{target.replica}' if target.replica else ''}" for target in found}


DEBUG = process("debug", sandbox="api")
SHOP = project(
    process("@setup1"), process("web", replicas=2), process("db"), process("web", sandbox="api"), inactive=(DEBUG,)
)


@each_case(
    "texts, found",
    [
        (["main/*"], {"main/web", "main/db"}),
        (["*/web"], {"main/web", "api/web"}),
        (["w*", "db"], {"main/web", "api/web", "main/db"}),
        (["*.2"], {"main/web.2"}),
        (["main/web.[2-9]"], {"main/web.2"}),
        (["*"], {"main/web", "main/db", "api/web"}),
        (["de*"], {"api/debug"}),
        (["api/*"], {"api/web"}),
        (["setup:*"], {"main/@setup1"}),
    ],
)
def test_patterns_mean_what_starts_by_itself_before_they_mean_anything_else(texts: list[str], found: set[str]) -> None:
    assert targets(*texts) == found


def test_patterns_mean_what_runs_whatever_the_file_says() -> None:
    there = Observed(
        (
            seen(row("old"), row("@setup1"), row("db", replica=3), name="main"),
            seen(row("debug", sandbox="api"), name="api"),
        )
    )
    assert targets("api/*", observed=there) == {"api/web", "api/debug.1"}
    assert targets("o*", "s*", observed=there) == {"main/old.1", "main/@setup1.1"}
    assert targets("*.3", observed=there) == {"main/db.3"}


def test_a_pattern_that_matches_nothing_has_one_error_everywhere() -> None:
    defined = "the file defines `api/web`, `db`, `debug`, `main/web`, `setup:1`"
    there = Observed((seen(name="main"),))
    for use in (
        lambda: targets("x*"),
        lambda: select(KNOWN, ["x*"], ProcessNames(SHOP), NAMES.instance),
        lambda: named_listing(SHOP, there, ["x*"]),
        lambda: named_listing(SHOP, there, ["x*"], everything=True),
    ):
        with pytest.raises(UnknownPattern, match=r"^no process matches `x\*`$") as caught:
            use()
        assert caught.value.hint == defined


def test_a_listing_has_what_is_hidden_only_for_a_pattern_that_matches_nothing_else() -> None:
    def listed(*names: str, everything: bool = False) -> list[str]:
        return [entry.label for entry in named_listing(SHOP, Observed(()), names, everything=everything)]

    assert listed("api/*") == ["api/web"]
    assert listed("api/*", everything=True) == ["api/web", "debug"]
    assert listed("d*") == ["db"]
    assert listed("deb*") == listed("debug") == ["debug"]


def test_a_pattern_is_refused_where_one_process_is_expected() -> None:
    with pytest.raises(UnknownName) as caught:
        ProcessNames(SHOP).resolve("w*")
    assert caught.value.hint == "one process is expected here, and not a pattern"


def test_a_pattern_scales_all_processes_that_it_matches_and_a_name_takes_precedence() -> None:
    known = [("main", "web"), ("main", "db"), ("api", "worker")]
    assert Scale({"main/web": 3, "w*": 2, "all": 1}, known).replicas == {
        ("main", "web"): 3,
        ("main", "db"): 1,
        ("api", "worker"): 2,
    }
    with pytest.raises(UnknownPattern, match=r"no process matches `x\*`") as caught:
        Scale({"x*": 2}, known)
    assert caught.value.hint == "the file defines `db`, `web`, `worker`"


def test_patterns_name_sandboxes() -> None:
    assert [sandbox.name for sandbox in chosen(SHOP, ["a*"])] == ["api"]
    assert [sandbox.name for sandbox in chosen(SHOP, ["*", "api"])] == ["main", "api"]
    with pytest.raises(UnknownPattern, match=r"no sandbox matches `x\*`") as caught:
        chosen(SHOP, ["x*"])
    assert caught.value.hint == "the file defines `api`, `main`"


def test_names_are_separated_by_blanks() -> None:
    with pytest.raises(UnknownName) as caught:
        ProcessNames(project(process("web"), process("db"))).resolve("web,db")
    assert caught.value.hint == "separate names by blanks"
