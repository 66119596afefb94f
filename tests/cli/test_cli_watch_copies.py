"""Watching where the files of the project are copied: what has changed is there before anything is restarted."""

from __future__ import annotations

import pytest

from tests.cli.conftest import CloudSbx
from tests.cli.looking import FOREVER, order_of, runs
from tests.cli.test_cli_watch import save, watching
from tests.support.command import Sbx

SPEC = """
sandboxes:
  app:
    {place}
    files: [site]
    processes:
      web: {{command: "cat site/page; {forever}", watch: [{{path: site/page, action: sync+restart}}]}}
      reader:
        command: "while ! cat site/extra 2>/dev/null; do sleep 0.01; done; {forever}"
        watch: [{{path: site, action: sync, ignore: [page]}}]
"""


def changes_arrive(sbx: Sbx, place: str) -> None:
    sbx.write("one\n", "site/page")
    up = watching(sbx, SPEC.format(place=place, forever=FOREVER))
    up.wait_for(r"web +\| one")
    save(sbx, "two\n")
    shown = up.wait_for(r"web +\| two")
    order_of(shown, "copied 1 file", "web is restarting (run 2): site/page changed", "web stopped")
    save(sbx, "more\n", "site/extra")
    up.wait_for(r"reader +\| more")
    assert runs(sbx)["reader"] == 1
    (sbx.project / "site" / "extra").unlink()
    up.wait_for("1 deleted")
    save(sbx, SPEC.format(place=place, forever=FOREVER).replace("cat site", "echo edited; cat site"), "sbxcompose.yaml")
    up.wait_for(r"web +\| edited\n(.*\n)*web +\| two")
    up.interrupt()
    assert up.wait().code == 130


def test_changes_are_copied_into_a_sandbox_of_this_machine(sbx: Sbx) -> None:
    changes_arrive(sbx, "workspace: copy")


@pytest.mark.time_limit(300)
def test_changes_are_copied_into_a_cloud(cloud: CloudSbx) -> None:
    changes_arrive(cloud, f"workspace: {cloud.project}-there")
