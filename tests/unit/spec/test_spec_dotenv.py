from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.errors import Mistake
from sbxcompose.spec.dotenv import parse_dotenv
from sbxcompose.spec.nodes import Document
from tests.support.cases import each_case

ENV = {"HOME": "/home/me", "SAME": "environment"}


def read(text: str) -> tuple[dict[str, str], list[str]]:
    found: list[Mistake] = []
    values = parse_dotenv(Document(".env", "/.env", "/", text), ENV.get, found)
    return values, [f"{item.line}:{item.column}: {item.message}" for item in found]


@each_case(
    "text,values",
    [
        ("A=1", {"A": "1"}),
        ("A=1\nB=2\n\n# no\n  C = 3  ", {"A": "1", "B": "2", "C": "3"}),
        ("export A=1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A= # a comment", {"A": ""}),
        ("A=x#y z # a comment", {"A": "x#y z"}),
        ("A='x # y' # a comment", {"A": "x # y"}),
        ('A="a\\tb\\n\\"c\\" \\\\ \\$HOME \\x"', {"A": 'a\tb\n"c" \\ $HOME \\x'}),
        ("A='$HOME \\n'", {"A": "$HOME \\n"}),
        ("A=$HOME/x", {"A": "/home/me/x"}),
        ('A="${HOME}/${NONE:-y}"', {"A": "/home/me/y"}),
        ("A=1\nB=${A}2\nA=3", {"A": "3", "B": "12"}),
        ("SAME=file\nB=$SAME", {"SAME": "file", "B": "environment"}),
        ("A='one\ntwo'\nB=3", {"A": "one\ntwo", "B": "3"}),
        ('A="one\r\ntwo"\r\nB=3\r\n', {"A": "one\ntwo", "B": "3"}),
        ("A=x=y", {"A": "x=y"}),
        ("A=it's", {"A": "it's"}),
        ("HOME\nNONE", {"HOME": "/home/me"}),
        ("A.b-c=1", {"A.b-c": "1"}),
        ("CHANNEL=#alerts", {"CHANNEL": "#alerts"}),
        ("COLOUR=#fff # white", {"COLOUR": "#fff"}),
        ("A='It\\'s'\nB=1", {"A": "It's", "B": "1"}),
        ("A='It\\'s' # a comment", {"A": "It's"}),
        ("A='C:\\x\\'\nB='y'", {"A": "C:\\x\\", "B": "y"}),
        ("A=see `ls` there", {"A": "see `ls` there"}),
    ],
)
def test_lines(text: str, values: dict[str, str]) -> None:
    assert read(text) == (values, [])


@each_case(
    "text,mistakes",
    [
        ("A=1\nnot a line\nB=$", ["2:1: a line must be `NAME=value`"]),
        ("1A=2", ["1:1: a line must be `NAME=value`"]),
        ("A='x\ny", ["1:3: the quote is never closed (')"]),
        ("A='x' y\nB=1", ["1:6: something follows the closing quote"]),
        ("A=1\nB=$NONE", ["2:3: the variable `NONE` is not set"]),
        ('A="x\n${NONE}"', ["2:1: the variable `NONE` is not set"]),
    ],
)
def test_mistakes(text: str, mistakes: list[str]) -> None:
    assert read(text)[1] == mistakes


@each_case(
    "text,hint",
    [
        ("KEY: a value", "write `KEY=a value`"),
        ("export KEY : 'x'", "write `KEY='x'`"),
        ("3X=1", "`3X` cannot be a name: letters, digits and `_`, and no digit first"),
        ("MY KEY=1", "`MY KEY` cannot be a name: letters, digits and `_`, and no digit first"),
        ("A=`x`", "write '...' or \"...\""),
        ("nonsense here", None),
    ],
)
def test_mistakes_show_the_remedy(text: str, hint: str | None) -> None:
    found: list[Mistake] = []
    parse_dotenv(Document(".env", "/.env", "/", text), ENV.get, found)
    assert [item.hint for item in found] == [hint]


def test_variables_of_earlier_files_can_be_used() -> None:
    document = Document("b.env", "/b.env", "/", "B=$A\nHERE=x\nC=$HERE\nD=$SAME")
    values = parse_dotenv(document, ENV.get, [], earlier={"A": "1", "HERE": "no", "SAME": "no"})
    assert values == {"B": "1", "HERE": "x", "C": "x", "D": "environment"}


def test_literal_values_keep_their_dollar_signs() -> None:
    text = "A=pa$$word\nB=\"${X} \\$ \\n\" # c\nC='$Y'\nD=`x`"
    found: list[Mistake] = []
    values = parse_dotenv(Document(".env", "/.env", "/", text), ENV.get, found, literal=True)
    assert (values, found) == ({"A": "pa$$word", "B": "${X} $ \n", "C": "$Y", "D": "`x`"}, [])


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_]{1,5}", fullmatch=True),
        st.text().map(lambda text: text.replace("'", "").replace("\r", "")),
    )
)
def test_quoted_values_are_read_back(values: dict[str, str]) -> None:
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    assert read(text) == (values, [])


@given(st.text(alphabet="AB= '\"\\$#{}\n:-x"))
def test_any_text_is_read(text: str) -> None:
    values, _ = read(text)
    assert all(isinstance(value, str) for value in values.values())
