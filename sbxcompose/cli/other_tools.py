"""What commands and options of other tools are called here: for the hints below errors. Imported only when needed."""

from __future__ import annotations

COMMANDS_ELSEWHERE = {
    **dict.fromkeys(("list", "status", "state", "jlist", "images"), "`sbxcompose ps` lists what runs"),
    "stat": "`sbxcompose stats` shows CPU and memory",
    "projects": "`sbxcompose ls` lists all projects",
    **dict.fromkeys(("build", "pull", "push", "create"), "nothing has to be prepared: `sbxcompose up` starts"),
    **dict.fromkeys(("rm", "remove", "delete", "destroy"), "`sbxcompose down` stops, `down --terminate` also deletes"),
    **dict.fromkeys(("shutdown", "quit", "halt"), "`sbxcompose down` stops the project"),
    **dict.fromkeys(("ssh", "sh", "bash", "enter", "console"), "`sbxcompose shell` opens a shell"),
    **dict.fromkeys(("tail", "output", "echo"), "`sbxcompose logs -f` follows the output"),
    **dict.fromkeys(("check", "validate", "lint", "show"), "`sbxcompose config` checks and shows the file"),
    **dict.fromkeys(("import", "migrate"), "`sbxcompose convert` converts the files of other tools"),
    **dict.fromkeys(("reload", "update", "apply", "deploy", "reread"), "`sbxcompose up` applies the file as it is now"),
    **dict.fromkeys(("diff", "dry-run"), "`sbxcompose plan` shows what `up` would do"),
    **dict.fromkeys(("resume", "unfreeze"), "`sbxcompose unpause` resumes"),
    **dict.fromkeys(("suspend", "freeze"), "`sbxcompose pause` suspends"),
    **dict.fromkeys(("inspect", "describe", "explain"), "`sbxcompose why` explains the state of a process"),
    **dict.fromkeys(("forward", "port-forward", "tunnel"), "`sbxcompose port` forwards a port"),
    **dict.fromkeys(("signal", "send"), "`sbxcompose kill -s` sends a signal"),
    **dict.fromkeys(("serve", "daemon", "server"), "`sbxcompose host serve` runs the host"),
    **dict.fromkeys(("save", "resurrect"), "nothing has to be saved: `sbxcompose up` starts what the file names"),
    "flush": "logs are limited in size, and `sbxcompose down --terminate` deletes them with the sandboxes",
    **dict.fromkeys(("connect", "fg"), "`sbxcompose attach` connects to a process"),
    **dict.fromkeys(("monit", "ui"), "`sbxcompose top` shows everything on the whole screen"),
    **dict.fromkeys(("env", "printenv"), "`sbxcompose exec PROCESS env` shows the variables of a process"),
    "analyze": "`sbxcompose why --timings` shows what the last `up` waited for",
    "copy": "`sbxcompose cp` copies files",
    "help": "`sbxcompose --help` lists the commands, `sbxcompose COMMAND --help` explains one",
    "info": "`sbxcompose doctor` shows the configuration",
    "process": "commands take names at once, for example `sbxcompose restart PROCESS`",
    "project": "`sbxcompose up` applies the file, `sbxcompose down` stops the project",
    "namespace": "`sbxcompose stop 'NAME/*'` means all processes of a sandbox, `--profile NAME` those of a profile",
    "is-ready": "`sbxcompose wait` waits until processes are ready",
    **dict.fromkeys(("commit", "export", "volumes"), "`sbxcompose cp` copies files out of a sandbox"),
    "networks": "`sbxcompose port` forwards a port of a sandbox",
    **dict.fromkeys(("dependencies", "deps", "tree"), "`sbxcompose graph` shows which process needs which"),
    **dict.fromkeys(
        ("compose", "docker", "docker-compose", "process-compose", "foreman", "honcho", "overmind"),
        "leave it out: `sbxcompose up` starts",
    ),
    # The second words of process-compose.
    "process list": "`sbxcompose ps` lists processes",
    "process get": "`sbxcompose ps --json PROCESS` shows a process",
    "process ports": "`sbxcompose ps -l` shows ports",
    "process start": "`sbxcompose start PROCESS` starts processes",
    "process stop": "`sbxcompose stop PROCESS` stops processes",
    "process restart": "`sbxcompose restart PROCESS` restarts processes",
    "process logs": "`sbxcompose logs PROCESS` shows output, `-f` follows it",
    "process scale": "`sbxcompose scale PROCESS=2` sets the number of replicas",
    "process update": "`sbxcompose up -d PROCESS` applies the file to one process and what it needs",
    "process signal": "`sbxcompose kill -s HUP PROCESS` sends a signal",
    "project state": "`sbxcompose ls` shows how many processes of each project run",
    "project update": "`sbxcompose up -d` applies the file as it is now; what has not changed is kept",
    "project is-ready": "`sbxcompose wait` waits until processes are ready",
}

MISSING_ELSEWHERE = {
    "attach": "`sbxcompose top` shows all processes, `sbxcompose attach PROCESS` connects to one",
    "exec": "`sbxcompose exec PROCESS COMMAND` runs a command, `sbxcompose shell PROCESS` opens a shell",
    "run": "`sbxcompose run PROCESS` runs a process, `sbxcompose run PROCESS COMMAND` another command in its place",
}
"""What commands without their argument are in other tools, and how they are completed."""

_NO_VOLUMES = "leave it out; `sbxcompose down --terminate` deletes the sandboxes with their data"
_NO_IMAGES = "leave it out: there are no images here"
_NOTHING_BUILT = "leave it out: nothing is built here"
_FILES_IN_PLACE = "leave it out: processes see the files of the project"
_OWN_PORTS = "leave it out: a process listens on its port itself; `sbxcompose port` forwards one of a sandbox"
_REPLICA = "a name with its number means one replica, for example `web.2`"
_ORPHANS = "`sbxcompose up --remove-orphans` stops processes that are no longer in the file"
_RESOLVED = "leave it out: the file is always shown in resolved form"
_FINDS_HOST = "leave it out: every command finds the host of this machine"
_PROFILES = "`sbxcompose --profile NAME up` starts the processes of a profile"
_ALL_KEPT = "leave it out: output is kept, and `sbxcompose logs` shows it"
_SHOWN = "leave it out: `sbxcompose top` shows processes and logs on the whole screen"
LINES_OR_SCREEN = "leave it out: `up` prints lines, and `--ui` shows the whole screen"
_SCALE = "`sbxcompose up --scale web=2 --scale worker=3` sets the numbers of replicas"
_NAMES = "names of processes select them, for example `sbxcompose up web worker`"

OPTIONS_ELSEWHERE = {
    "--rm": "leave it out: a command that was run leaves nothing behind",
    **dict.fromkeys(("--build", "--no-build", "--quiet-build"), _NOTHING_BUILT),
    **dict.fromkeys(("--pull", "--quiet-pull"), "leave it out: nothing is pulled here"),
    **dict.fromkeys(("--rmi", "config --images", "--resolve-image-digests", "--lock-image-digests"), _NO_IMAGES),
    **dict.fromkeys(("--renew-anon-volumes", "up -V", "config --volumes"), "leave it out: there are no volumes here"),
    **dict.fromkeys(("down --volumes", "down -v"), _NO_VOLUMES),
    "--index": _REPLICA,
    "--remove-orphans": _ORPHANS,
    "--follow": "`up` follows the output unless `-d` is given; `sbxcompose logs -f` follows it later",
    "--dry-run": "`sbxcompose plan` shows what `up` would do",
    "--config": "`sbxcompose -f FILE` names the file",
    "--verbose": "`sbxcompose why` explains, `SBXCOMPOSE_DEBUG=1` shows tracebacks",
    "sbxcompose -v": "`-V` shows the version",
    "--ansi": "`--color never` turns colors off",
    "--progress": "leave it out: progress is drawn on terminals only",
    "--parallel": "leave it out: what does not wait for anything is started at the same time",
    "attach --detach-keys": "leave it out: a second Ctrl-C detaches",
    "config --format": "`--json` writes JSON",
    "config --environment": "`sbxcompose exec PROCESS env` shows the variables of a process",
    "config --hash": "`sbxcompose ps --json` has the digest of each process",
    "config --networks": "leave it out: there are no networks here",
    **dict.fromkeys(
        (f"config --no-{what}" for what in ("interpolate", "normalize", "path-resolution", "env-resolution")), _RESOLVED
    ),
    **dict.fromkeys(("config --output", "config -o"), "`sbxcompose config > FILE` writes it to a file"),
    "cp --all": _REPLICA,
    "events --filter": "names of processes select events, for example `sbxcompose events web`",
    "exec --privileged": "`-u root` runs the command as root",
    "port --protocol": "leave it out: connections over TCP are forwarded",
    "ps --no-trunc": "`sbxcompose ps | cat` prints whole commands",
    "ps --orphans": "`--filter orphan=true` shows only orphans, `orphan=false` leaves them out",
    "ps -o": "`-l` shows more, `--format` and `--json` set the format",
    "run --entrypoint": "the command behind the name takes its place: `sbxcompose run PROCESS COMMAND`",
    "run --name": "leave it out: with `-d`, `sbxcompose ps` shows it by the name of its process",
    "run --env-from-file": "`-e KEY=VALUE` sets a variable, `env_file` in the project's file reads a file",
    **dict.fromkeys(("run -p", "run --publish", "run -P", "run --service-ports", "run --use-aliases"), _OWN_PORTS),
    **dict.fromkeys(("run -v", "run --volume"), _FILES_IN_PLACE),
    **dict.fromkeys(("run --cap-add", "run --cap-drop"), "`-u USER` sets the user of the command"),
    **dict.fromkeys(("stats -a", "stats --all"), "`sbxcompose ps -a` also lists stopped processes"),
    "up --abort-on-container-failure": "`stop_all_on: failure` of a process in the file does that",
    "up --attach-dependencies": "leave it out: the output of dependencies is shown, too",
    "up --menu": "leave it out: `h` shows the keys",
    "up --no-start": "`sbxcompose plan` shows what `up` would start",
    **dict.fromkeys(("up --yes", "up -y"), "leave it out: `up` asks only before it destroys data"),
    **dict.fromkeys(("version --format", "version -f"), "`--json` writes JSON"),
    "wait --down-project": "`sbxcompose up --exit-code-from PROCESS` stops everything when it exits",
    "watch --no-up": "leave it out: `watch` starts nothing",
    # Options of process-compose and of Procfile runners.
    "up --keep-project": "`-d` runs everything in the background until `sbxcompose down`",
    **dict.fromkeys(("up -D", "sbxcompose -D"), "`sbxcompose up -d` runs everything in the background"),
    "up --detach-on-success": "`--wait` returns once everything is ready, and leaves it running",
    "up --detached-with-tui": "`sbxcompose up -d` runs everything in the background, then `sbxcompose top` shows it",
    **dict.fromkeys(("--tui", "sbxcompose -t"), LINES_OR_SCREEN),
    "--keep-tui": "`--ui` shows the whole screen until you leave it with `q`",
    **dict.fromkeys(("--namespace", "up -n", "sbxcompose -n"), _PROFILES),
    **dict.fromkeys(("--env", "up -e", "sbxcompose -e"), "`sbxcompose --env-file FILE up` reads variables from a file"),
    "--disable-dotenv": "`sbxcompose --env-file /dev/null up` reads no `.env`",
    **dict.fromkeys(("--no-server", "--use-uds", "--unix-socket", "--address", "--token-file"), _FINDS_HOST),
    **dict.fromkeys(
        ("up -U", "up -u", "up --port", "sbxcompose -U", "sbxcompose -u", "sbxcompose --port"), _FINDS_HOST
    ),
    **dict.fromkeys(("--log-file", "up -L", "sbxcompose -L", "--logs-truncate"), _ALL_KEPT),
    **dict.fromkeys(("--theme", "--sort", "--reverse", "--ref-rate", "--shortcuts", "--hide-disabled"), _SHOWN),
    "--ordered-shutdown": "leave it out: dependents are always stopped before what they need",
    **dict.fromkeys(("up -l", "up --only"), _NAMES),
    **dict.fromkeys(("start -c", "start -m", "up -m", "--formation", "--concurrency"), _SCALE),
    # Those of pm2.
    "logs --lines": "`-n 5` shows the last five lines of each process",
    **dict.fromkeys(("logs --nostream", "logs --raw-stream"), "leave it out: `logs` ends unless `-f` is given"),
}
"""By option, or by command and option; the root's options have the command `sbxcompose`."""
