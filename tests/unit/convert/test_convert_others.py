"""supervisord, mprocs and pm2 files -> ours, and what is told of any file."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies

from sbxcompose.convert.convert import convert
from sbxcompose.convert.detect import detect
from sbxcompose.convert.draft import NoteKind, ProjectDraft
from sbxcompose.convert.values import get, pairs, strings, text
from sbxcompose.convert.write import render
from sbxcompose.errors import InvalidSpec, Mistake, UsageError
from sbxcompose.spec.nodes import Document
from sbxcompose.spec.yaml import read_yaml
from tests.support.cases import each_case


def converted(source: str, text: str, name: str = "file") -> ProjectDraft:
    return convert(Document(name, "", "/p", text), source, lambda path: None)


def subjects(draft: ProjectDraft, kind: NoteKind) -> list[str]:
    return [note.subject for note in draft.notes if note.kind is kind]


def test_a_supervisord_file_that_only_includes_others_names_them() -> None:
    with pytest.raises(UsageError) as caught:
        converted("supervisord", "[supervisord]\n[include]\nfiles = conf.d/*.conf\n")
    assert "convert conf.d/*.conf one by one" in (caught.value.hint or "")


def test_a_pm2_file_of_json_may_have_comments() -> None:
    found = converted("pm2", '{\n/* two\nlines */\n"pm2": [{"script": "a.js", "uid": 1}]}', "pm2.json")
    assert found.processes["app1"]["command"] == "node a.js"
    assert [(note.subject, note.line) for note in found.notes] == [("app1.uid", 4)]


SUPERVISORD = """\
[supervisord]
nodaemon=true
[program:web app]
command=%(ENV_HOME)s/run --n=%(process_num)02d --p=50%% ; a comment
directory=/srv
environment=A="1,2",B=two
autostart=false
autorestart=true
startretries=7
numprocs=2
exitcodes=0,2
stopsignal=QUIT
stopwaitsecs=15
stdout_logfile=/var/log/x
priority=10
"""


def test_supervisord() -> None:
    found = converted("supervisord", SUPERVISORD)
    assert found.processes["web-app"] == {
        "command": "$${HOME:-}/run --n=$${SBXCOMPOSE_REPLICA:-} --p=50%",
        "workdir": "/srv",
        "env": {"A": "1,2", "B": "two"},
        "replicas": 2,
        "autostart": False,
        "restart": {"policy": "always", "max_restarts": 7},
        "stop": {"signal": "SIGQUIT", "grace": "15s"},
        "success_exit_codes": [0, 2],
    }
    assert subjects(found, NoteKind.MANUAL) == ["web-app.priority"]


MPROCS = """\
procs:
  web: {shell: run $X, cwd: src, env: {A: b}, autostart: false}
  a b: {cmd: [x, y], stop: SIGINT}
"""


def test_mprocs() -> None:
    found = converted("mprocs", MPROCS)
    assert found.processes["web"] == {
        "command": "run $$X",
        "workdir": "src",
        "env": {"A": "b"},
        "tty": True,
        "stdin": "pipe",
        "restart": "never",
        "autostart": False,
    }
    assert found.processes["a-b"]["command"] == ["x", "y"]
    assert found.processes["a-b"]["stop"] == {"signal": "SIGINT"}


PM2 = """\
// the services
module.exports = {
  apps: [
    {name: 'web', script: './server.js', instances: 2, args: '--port 80', env: {URL: 'http://x//y'}, watch: ['src']},
    {name: "job", script: "job.py", autorestart: false, kill_timeout: 1500, /* no */ max_memory_restart: '1G'},
  ],
};
"""


def test_pm2() -> None:
    found = converted("pm2", PM2, "ecosystem.config.js")
    assert found.processes["web"] == {
        "command": "node ./server.js --port 80",
        "env": {"URL": "http://x//y"},
        "replicas": 2,
        "restart": "always",
        "watch": ["src"],
    }
    assert found.processes["job"]["command"] == "python3 job.py"
    assert found.processes["job"]["restart"] == "never"
    assert subjects(found, NoteKind.MANUAL) == ["job.max_memory_restart"]


def test_patterns_that_pm2_watches_become_their_directories() -> None:
    found = converted(
        "pm2",
        '{"apps": [{"name": "a", "script": "a.js", "watch": ["src/**/*.js", "src/*.css", "lib/[id]"]}]}',
        "pm2.json",
    )
    assert found.processes["a"]["watch"] == ["src", "lib/[id]"]
    assert subjects(found, NoteKind.CHANGED) == ["a.watch"]


@pytest.mark.parametrize("script", ["const x = require('os'); module.exports = {apps: []}", "apps.push(1)"])
def test_javascript_that_computes_is_not_run(script: str) -> None:
    with pytest.raises(UsageError, match="computes what it exports, and is not run"):
        converted("pm2", script, "ecosystem.config.js")


@each_case(
    "source, text",
    [
        ("compose", "services: [\n"),
        ("compose", "- a\n"),
        ("process-compose", "processes: {web: {command: [}}"),
        ("supervisord", "command=x\n"),
        ("mprocs", "just text"),
    ],
)
def test_a_broken_file_is_a_mistake_with_its_place(source: str, text: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        converted(source, text)
    assert caught.value.mistakes[0].line >= 1


@pytest.mark.parametrize("source, text", [("compose", "services: {}"), ("procfile", "# nothing"), ("compose", "")])
def test_a_file_without_processes_is_refused(source: str, text: str) -> None:
    with pytest.raises(UsageError, match=r"defines no processes|is empty"):
        converted(source, text)


@each_case(
    "name, text, expected",
    [
        ("docker-compose.prod.yml", "", "compose"),
        ("process-compose.yaml", "", "process-compose"),
        ("Procfile.dev", "", "procfile"),
        ("supervisord.conf", "", "supervisord"),
        ("ecosystem.config.cjs", "", "pm2"),
        ("mprocs.yaml", "", "mprocs"),
        ("stack.yaml", "services:\n  a: {}\n", "compose"),
        ("x.yaml", "processes:\n  a: {}\n", "process-compose"),
        ("compose.yaml", "processes:\n  a: {readiness_probe: {}}\n", "process-compose"),
        ("x.ini", "[program:a]\n", "supervisord"),
        ("x", "web: run\n", "procfile"),
    ],
)
def test_the_format_is_recognized(name: str, text: str, expected: str) -> None:
    assert detect(name, Document(name, "", "/p", text)) == expected


def test_our_own_file_is_not_converted_again() -> None:
    text = "processes:\n  a: {command: echo $$HOME}\n"
    with pytest.raises(UsageError, match="not a file of another tool"):
        detect("sbxcompose.yaml", Document("sbxcompose.yaml", "", "/p", text))


def test_an_unknown_format_names_the_option() -> None:
    with pytest.raises(UsageError) as caught:
        detect("x.txt", Document("x.txt", "", "/p", "hello\n"))
    with pytest.raises(UsageError):
        detect("notes.txt", Document("notes.txt", "", "/p", "to do: buy milk\nand bread\n"))
    assert "--from" in (caught.value.hint or "")


def test_the_result_is_written_for_people() -> None:
    draft = converted("compose", "name: shop\nservices: {web: {image: acme/web, environment: {A: '080', B: c}}}\n")
    assert render(draft, "From compose.yaml.").splitlines()[1:] == [
        "# From compose.yaml.",
        "",
        "name: shop",
        "",
        "processes:",
        "  # TODO command: write what image acme/web runs",
        "  web:",
        "    command: 'echo ''web: replace this command in sbxcompose.yaml (what image acme/web runs)'' >&2; exit 1'",
        "    env:",
        '      A: "080"',
        "      B: c",
        "    restart: never",
    ]


def test_a_name_of_a_foreign_file_stays_inside_its_comment() -> None:
    draft = converted("compose", 'services: {web: {image: "a\\nb: c\\x0c"}}\n')
    assert "# TODO command: write what image a b: c runs" in render(draft)


@each_case("value", ["1e999", ".nan", "9" * 5000, "-1", "0x10"])
def test_numbers_that_no_file_would_hold_are_left_out(value: str) -> None:
    health = f"{{test: 'curl localhost:{value}', retries: {value}, interval: {value}}}"
    keys = f"scale: {value}, ports: ['{value}:80'], healthcheck: {health}, environment: {{PORT: {value}}}"
    assert render(converted("compose", f"services: {{a: {{command: x, restart: 'on-failure:{value}', {keys}}}}}"))
    pc = f"processes: {{a: {{command: x, replicas: {value}, shutdown: {{timeout_seconds: {value}}}}}}}"
    assert render(converted("process-compose", pc))
    assert render(converted("supervisord", f"[program:a]\ncommand=x\nnumprocs={value}\nexitcodes=2\n"))


@each_case(
    "text, words",
    [
        ("a: &x {b: *x}", "refers to itself"),
        ("a:\n\tb: 1", "cannot start any token"),
        ("a: " + "[" * 5000, "nest"),
        ("a: 1\n---\nb: 2", "a second document begins here"),
        ("a: b\0", "U+0000 is not allowed"),
    ],
)
def test_broken_yaml_of_any_name_is_shown_where_it_breaks(text: str, words: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        detect("x.yaml", Document("x.yaml", "", "/p", text))
    assert words in caught.value.mistakes[0].message
    assert caught.value.mistakes[0].line >= 1


def test_a_file_that_holds_nothing_is_called_empty() -> None:
    with pytest.raises(UsageError, match="is empty"):
        detect("x.yaml", Document("x.yaml", "", "/p", " \n"))


def test_a_key_that_is_given_twice_is_reported() -> None:
    found = converted("compose", "services:\n  a: {command: x}\n  a: {command: y}\n")
    assert [(note.line, note.text) for note in found.notes] == [(3, "the key `a` is given twice")]


LAUGHS = "x-a: &a {k: 1, l: 2}\n" + "".join(
    f"x-{name}: &{name} {{{', '.join(f'k{n}: *{base}' for n in range(9))}}}\n"
    for base, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_aliases_that_multiply_cost_no_time_or_memory() -> None:
    text = f"{LAUGHS}services: {{v: *i, w: {{command: x, extends: v, environment: *i, healthcheck: *i, deploy: *i}}}}"
    assert len(render(converted("compose", text))) < 10_000


WORDS = strategies.one_of(
    strategies.text(max_size=12),
    strategies.sampled_from(
        ["yes", "08", "1e3", "null", "~", "-x", "#x", "a: b", "$X", "${X}", "$$", "x\ny", "x\na: null\n", "'", '"']
    ),
)


@given(command=WORDS, name=WORDS, value=WORDS, words=strategies.lists(WORDS, max_size=3))
def test_what_is_written_is_read_as_the_same(command: str, name: str, value: str, words: list[str]) -> None:
    draft = ProjectDraft()
    process = draft.process("web")
    process.keys.update(command=command, env={name: value}, labels={"a": value}, entry=words)
    process.todo("command", value)
    draft.comments["web"] = value
    mistakes: list[Mistake] = []
    read = read_yaml(Document("x.yaml", "", "/p", render(draft, name)), mistakes)
    web = get(read, "processes", "web")
    assert mistakes == []
    assert (text(get(web, "command")), strings(get(web, "entry"))) == (command, words)
    assert pairs(get(web, "env")) == {name: value}
