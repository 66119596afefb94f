from __future__ import annotations

import pytest
from msgspec.structs import replace

from sbxcompose.engine.reload import check_place
from sbxcompose.errors import SpecError
from tests.unit.plan.plan_worlds import process, project


def test_the_file_of_another_project_above_a_deleted_one_is_named() -> None:
    before = replace(project(process("web")), directory="/a/b", files=("/a/b/sbxcompose.yaml",))
    above = replace(before, name="other", directory="/a", files=("/a/sbxcompose.yaml",))
    with pytest.raises(SpecError, match=r"/a/b/sbxcompose\.yaml no longer exists, and /a/sbxcompose\.yaml is the file"):
        check_place(before, above)
    with pytest.raises(SpecError, match="the name has changed"):
        check_place(before, replace(before, name="other"))
    check_place(before, before)
