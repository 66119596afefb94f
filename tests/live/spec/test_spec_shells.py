"""What is said of quotes that are never closed, against the shells of this machine."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from sbxcompose.spec.shell_quotes import unclosed_quote

PIECES = (
    *("'", '"', "\\", "\n", " ", "#", "a", "it's", "<<EOF\n", "EOF\n", "`", "$", "${x}", "${x:-y}", "${", "}"),
    *("$(", ")", "(", ";", "|", "&", "$'", "$((1<<2))", "<<<", "exec", "''", '""', "case a in b)", "esac", "\t"),
    *("${x#'}", "\\'"),
)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_what_is_refused_is_refused_by_every_shell(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    chance = random.Random(shell)
    texts = ("".join(chance.choices(PIECES, k=chance.randint(1, 9))) for _ in range(250))
    said = [text for text in texts if unclosed_quote(text) is not None]
    assert len(said) > 10
    for text in said:
        done = subprocess.run([program, "-n", "-c", text], capture_output=True, check=False)
        assert done.returncode != 0, repr(text)
