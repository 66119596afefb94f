"""Examples at the end of each command's help; a test parses every one of them."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "up": (
        ("up", "start everything and follow the logs"),
        ("up -d --wait", "start in the background; return when all is ready"),
        ("up --ui", "the same, in the full-screen view of `top`"),
        ("up --exit-code-from tests", "in CI: run the tests, stop, return their exit code"),
    ),
    "down": (
        ("down", "stop everything"),
        ("down --remove-orphans", "also stop processes that are no longer in the file"),
    ),
    "start": (
        ("start web", "start web and its dependencies"),
        ("start --no-deps web", "start web alone"),
    ),
    "stop": (
        ("stop web", "stop web; everything else keeps running"),
        ("stop 'api/*'", "stop all processes of the sandbox api"),
        ("stop -t 1 web worker", "kill them if they have not stopped after 1 s"),
    ),
    "restart": (
        ("restart web", "restart web with the definition now in the file"),
        ("restart web.2", "restart the second replica only"),
        ("restart '*-worker'", "restart all processes whose names match"),
    ),
    "scale": (
        ("scale web=3", "run three replicas of web"),
        ("scale web=1 worker=0", "one web, no worker"),
    ),
    "watch": (
        ("watch", "watch the files of all processes"),
        ("watch web", "watch web and its dependencies"),
    ),
    "kill": (
        ("kill web", "send SIGKILL to web"),
        ("kill -s HUP web", "make web reload its configuration"),
    ),
    "pause": (
        ("pause", "suspend all sandboxes"),
        ("pause app", "suspend the sandbox app"),
        ("pause 'api-*'", "suspend all sandboxes whose names match"),
    ),
    "unpause": (
        ("unpause", "resume all sandboxes"),
        ("unpause app", "resume the sandbox app"),
    ),
    "run": (
        ("run migrate", "run migrate now, after its dependencies"),
        ("run web python manage.py shell", "run a command in the place of web"),
    ),
    "exec": (
        ("exec db psql", "open psql where db is running"),
        ("exec -T db pg_dump app > dump.sql", "without a terminal, for pipes and files"),
    ),
    "attach": (
        ("attach web", "follow web and type into it"),
        ("attach --no-stdin web", "follow web only"),
    ),
    "shell": (
        ("shell", "open a shell in the only sandbox"),
        ("shell web", "open a shell with the environment of web"),
    ),
    "port": (
        ("port web", "forward the only port that the file names for web"),
        ("port web 8080", "forward 127.0.0.1:8080 to port 8080 of web's sandbox"),
        ("port web 8080 --listen 9090", "forward 127.0.0.1:9090 instead"),
    ),
    "cp": (
        ("cp dump.sql db:/tmp/", "copy a file into the sandbox of db"),
        ("cp web:logs ./logs", "copy a directory out"),
        ("cp app:config.json - | jq .", "print a file"),
        ("tar -c site | sbxcompose cp - app:/srv/", "unpack a tar archive into /srv"),
    ),
    "ls": (
        ("ls", "list all projects, with their folders and how many processes run"),
        ("ls --json", "the same as JSON"),
    ),
    "ps": (
        ("ps -a", "also list processes of inactive profiles, and orphans that have ended"),
        ("ps 'api/*'", "list the processes of the sandbox api"),
        ("ps --json web", "print web as JSON"),
        ("ps --filter status=exited", "list what has exited"),
        ("ps --format '{{.Name}} {{.State}}'", "print only these fields"),
    ),
    "top": (
        ("top", "show the project; ? lists the keys"),
        ("top web", "begin with web and its logs"),
        ("-p shop top", "show another project of this machine"),
    ),
    "stats": (
        ("stats", "watch CPU and memory of all processes"),
        ("stats --no-stream --json web", "one result for web, for scripts"),
    ),
    "logs": (
        ("logs -f web", "follow web"),
        ("logs --since 10m -t", "the last ten minutes of all processes, with times"),
        ("logs --all --tail 100", "the last 100 lines of each process, of earlier runs, too"),
        ("logs -i --grep error 'web*' -x web.2", "lines with an error of some processes"),
    ),
    "why": (
        ("why web", "explain the state of web"),
        ("why", "explain all problems"),
        ("why --timings", "show what the last `up` waited for"),
    ),
    "plan": (
        ("plan", "show what `up` would do"),
        ("plan --exit-code", "exit with code 5 if there is something to do"),
    ),
    "graph": (
        ("graph", "draw what each process needs"),
        ("graph --format dot | dot -Tsvg > graph.svg", "draw a picture with Graphviz"),
    ),
    "events": (
        ("events", "follow events"),
        ("events --since 1h --until 0s --json", "the last hour, for programs"),
    ),
    "wait": (
        ("wait web --timeout 30s", "wait until web is ready"),
        ("wait --for exit tests", "wait for tests; return its exit code"),
    ),
    "config": (
        ("config", "print the file in resolved form"),
        ("config -q", "validate only"),
    ),
    "init": (
        ("init", "write sbxcompose.yaml"),
        ("init --stdout", "only show what it would write"),
    ),
    "convert": (
        ("convert -o sbxcompose.yaml", "convert the file in this directory"),
        ("convert docker-compose.yml", "print the result"),
    ),
    "schema": (
        ("schema > sbxcompose.schema.json", "save the schema for an editor"),
        ("schema", "print the schema"),
    ),
    "host serve": (
        ("host serve -d --port 8900", "serve SDKs and `tl` in the background"),
        ("host serve", "run in the foreground"),
    ),
    "host status": (
        ("host status", "show what is running"),
        ('eval "$(sbxcompose host status --env)"', "set the variables of the SDKs and `tl`"),
    ),
    "host stop": (
        ("host stop", "stop the host if nothing is running"),
        ("host stop --force", "stop all processes, then the host"),
    ),
    "mcp": (
        ("mcp", "serve the project in this directory on stdin and stdout"),
        ("(cd /src/shop && sbxcompose mcp)", "serve the project of another directory"),
    ),
    "doctor": (
        ("doctor", "check everything"),
        ("doctor --json", "check everything, for scripts"),
    ),
    "version": (
        ("version --short", "print only the number"),
        ("version --json", "print JSON"),
    ),
}


def typed(command: str) -> str:
    """Return an example as it is typed: one without the command's own name gets that in front."""
    return command if "sbxcompose " in command else f"sbxcompose {command}"


def epilog(name: str) -> str | None:
    """Return the examples of a command as click shows them below its options; None if it has none."""
    examples = EXAMPLES.get(name)
    if examples is None:
        return None
    commands = [typed(command) for command, _ in examples]
    return "\n".join(["\b", "Examples:", *_lines(commands, [meaning for _, meaning in examples])])


def _lines(commands: list[str], meanings: list[str]) -> list[str]:
    """Put each meaning beside its command, or below it if 80 columns are too few for one of them."""
    width = max(map(len, commands))
    beside = [f"  {command:{width}}  {meaning}" for command, meaning in zip(commands, meanings, strict=True)]
    if all(len(line) <= 78 for line in beside):
        return beside
    return [f"  {command}\n      {meaning}" for command, meaning in zip(commands, meanings, strict=True)]
