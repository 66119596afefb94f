"""Well-known server images, and the native programs that do the same; pure.

A program is used if it is installed; its data goes to a folder of the project. Versions and defaults are those of the
official images: the same variables create the same users and databases.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field


class Request(Struct, frozen=True):
    """What a service asks of an image: its data folder, the port to listen on, variables, arguments, mounted files."""

    name: str
    data: str
    port: int
    env: Mapping[str, str | None]
    arguments: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """Mounted files and folders: path in the container -> path in the project."""


class Daemon(Struct, frozen=True):
    """The native counterpart: a command, its ready check, and what has to be installed."""

    command: str
    program: str
    health_check: dict[str, Any] | None = None
    note: str = ""


def command_of(request: Request, image: str) -> Daemon | None:
    """Return the native counterpart of an image; None if none is known."""
    build = _KNOWN.get(family(image))
    return build(request) if build is not None else None


def default_port(image: str) -> int | None:
    """Return the port on which the daemon of an image listens by default."""
    return _PORTS.get(family(image))


def is_known(image: str | None) -> bool:
    """Return whether an image has a native counterpart."""
    return image is not None and family(image) in _KNOWN


def family(image: str) -> str:
    """Return the well-known name of an image: `docker.io/library/postgres:16-alpine` -> `postgres`."""
    name = re.split(r"[:@]", image.strip().rpartition("/")[2])[0].lower()
    name = re.sub(r"\$\{?\w+:?-?([^}]*)\}?", r"\1", name)
    return _ALIASES.get(name, name)


_ALIASES = {
    "postgis": "postgres", "pgvector": "postgres", "timescaledb": "postgres", "postgresql": "postgres",
    "redis-stack": "redis", "redis-stack-server": "redis", "valkey": "valkey",
    "mysql-server": "mysql", "percona": "mysql", "mongodb-community-server": "mongo", "mongodb": "mongo",
    "axllent": "mailpit",
}  # fmt: skip
_PORTS = {
    "postgres": 5432, "redis": 6379, "valkey": 6379, "mysql": 3306, "mariadb": 3306, "nats": 4222, "rabbitmq": 5672,
    "nginx": 80, "prometheus": 9090, "memcached": 11211, "mongo": 27017, "minio": 9000, "mailpit": 1025,
    "mailhog": 1025, "caddy": 80, "etcd": 2379, "consul": 8500, "vault": 8200,
}  # fmt: skip


def _postgres(request: Request) -> Daemon:
    env = request.env
    user = env.get("POSTGRES_USER") or "postgres"
    database = env.get("POSTGRES_DB") or user
    password = _password(env, "POSTGRES_PASSWORD")
    trusted = env.get("POSTGRES_HOST_AUTH_METHOD") == "trust" or password is None
    lines = [
        "set -e",
        'PATH="$$PATH:$$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)"',
        f"mkdir -p {request.data}",
        'run=""',
        'if [ "$$(id -u)" = 0 ]; then  # postgres refuses to run as root',
        f"  chown postgres {request.data}",
        '  run="setpriv --reuid=postgres --regid=postgres --init-groups"',
        "fi",
        f"if [ ! -s {request.data}/PG_VERSION ]; then",
        *_initdb(request.data, user, None if trusted else password),
    ]
    if database != "postgres":
        lines.append(f"  echo 'CREATE DATABASE \"{database}\"' | $$run postgres --single -D {request.data} postgres")
    socket = f'-k "$$(cd {request.data} && pwd)"'
    extra = _arguments(request, "postgres")
    lines += ["fi", f"exec $$run postgres -D {request.data} -p {request.port} {socket}{extra}"]
    scripts = [source for target, source in request.files.items() if target.startswith("/docker-entrypoint-initdb.d")]
    note = f"{', '.join(scripts)} is not run at the first start: run it with psql" if scripts else ""
    return Daemon("\n".join(lines) + "\n", "postgres", {"tcp": request.port}, note)


def _initdb(data: str, user: str, password: str | None) -> list[str]:
    if password is None:
        return [f"  $$run initdb -D {data} -U {user} --auth=trust"]
    return [
        f'  (umask 077; printf "%s" "{password}" > {data}.password)',
        f'  [ -z "$$run" ] || chown postgres {data}.password',
        f"  $$run initdb -D {data} -U {user} --auth=scram-sha-256 --pwfile={data}.password",
        f"  rm {data}.password",
    ]


def _password(env: Mapping[str, str | None], name: str) -> str | None:
    """Return how a shell gets at a password: from its variable, or from the file that NAME_FILE names."""
    if name in env:
        return f"$${name}"
    file = env.get(f"{name}_FILE")
    return f"$$(cat {shlex.quote(file)})" if file else None


def _redis(request: Request, server: str = "redis-server") -> Daemon:
    given = [word for word in request.arguments if word != server]
    config = next((request.files[word] for word in given if word in request.files), None)
    words = [shlex.quote(config if word in request.files and config else word) for word in given]
    command = " ".join([server, *words, f"--port {request.port}", f"--dir {request.data}"])
    return Daemon(f"mkdir -p {request.data} && exec {command}", server, {"tcp": request.port})


def _mysql(request: Request) -> Daemon:
    env = request.env
    data = request.data
    statements = []
    if (password := _password(env, "MYSQL_ROOT_PASSWORD")) is not None:
        statements.append(f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';")
    if (database := env.get("MYSQL_DATABASE")) is not None:
        statements.append(f"CREATE DATABASE IF NOT EXISTS {database};")
    if (user := env.get("MYSQL_USER")) is not None:
        statements.append(
            f"CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{_password(env, 'MYSQL_PASSWORD') or ''}';"
        )
        if database:
            statements.append(f"GRANT ALL ON {database}.* TO '{user}'@'%';")
    lines = [
        "set -e",
        f'mkdir -p {data}; data="$$(cd {data} && pwd)"',
        'as=""; if [ "$$(id -u)" = 0 ]; then chown mysql "$$data"; as="--user=mysql"; fi',
        'if [ ! -d "$$data/mysql" ]; then',
        '  mysqld --initialize-insecure $$as --datadir="$$data" || mysql_install_db $$as --datadir="$$data"',
        "fi",
    ]
    init = ""
    if statements:
        lines += ['cat > "$$data/init.sql" <<END', *statements, "END"]
        init = ' --init-file="$$data/init.sql"'
    lines.append(
        f'exec mysqld $$as --datadir="$$data" --port={request.port} --socket="$$data/mysqld.sock"'
        f" --bind-address=127.0.0.1{init}{_arguments(request, 'mysqld', 'mariadbd')}"
    )
    return Daemon("\n".join(lines) + "\n", "mysqld", {"tcp": request.port})


def _mariadb(request: Request) -> Daemon:
    env = {name.replace("MARIADB_", "MYSQL_"): value for name, value in request.env.items()}
    found = _mysql(Request(request.name, request.data, request.port, env, request.arguments, request.files))
    command = found.command.replace("exec mysqld", "exec mariadbd")
    for name in request.env:
        if name.startswith("MARIADB_"):
            command = command.replace(f"$${name.replace('MARIADB_', 'MYSQL_')}", f"$${name}")
    return Daemon(command, "mariadbd", found.health_check, found.note)


def _nats(request: Request) -> Daemon:
    arguments = [word for word in request.arguments if word != "nats-server"]
    words = ["nats-server", f"-p {request.port}", *(shlex.quote(_mounted(request, word)) for word in arguments)]
    if {"-js", "--jetstream"} & set(arguments) and not {"-sd", "--store_dir"} & set(arguments):
        words.append(f"-sd {request.data}")
    return Daemon("exec " + " ".join(words), "nats-server", {"tcp": request.port})


def _rabbitmq(request: Request) -> Daemon:
    data = request.data
    lines = [
        f'mkdir -p {data}; data="$$(cd {data} && pwd)"',
        'export RABBITMQ_MNESIA_BASE="$$data/mnesia" RABBITMQ_LOG_BASE="$$data/log"',
        f"export RABBITMQ_NODE_PORT={request.port} RABBITMQ_NODENAME={request.name}@localhost",
        "exec rabbitmq-server",
    ]
    return Daemon("\n".join(lines) + "\n", "rabbitmq-server", {"tcp": request.port})


def _nginx(request: Request) -> Daemon:
    config = next((source for target, source in request.files.items() if target.endswith(".conf")), None)
    given = f' -c "$$PWD/{config.removeprefix("./")}"' if config is not None else ""
    command = f"mkdir -p {request.data}/logs && exec nginx -p {request.data}/{given} -g 'daemon off;'"
    note = f"{config or 'its configuration'} must listen on port {request.port} and use paths of this machine"
    return Daemon(command, "nginx", {"tcp": request.port}, note)


def _prometheus(request: Request) -> Daemon:
    given = (word.removeprefix("--config.file=") for word in request.arguments if word.startswith("--config.file="))
    config = _mounted(request, next(given, "/etc/prometheus/prometheus.yml"))
    words = [
        "exec prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={request.data}",
        f"--web.listen-address=127.0.0.1:{request.port}",
    ]
    check = {"http": {"port": request.port, "path": "/-/ready"}}
    return Daemon(" ".join(words), "prometheus", check, "its targets must be addresses of this machine")


def _simple(command: str, program: str) -> Callable[[Request], Daemon]:
    def build(request: Request) -> Daemon:
        filled = command.format(port=request.port, data=request.data, console=request.port + 1)
        return Daemon(filled + _arguments(request, program, "server"), program, {"tcp": request.port})

    return build


def _caddy(request: Request) -> Daemon:
    config = next((source for target, source in request.files.items() if target.endswith("Caddyfile")), "Caddyfile")
    note = f"{config} must listen on port {request.port}"
    return Daemon(f"exec caddy run --config {config}", "caddy", {"tcp": request.port}, note)


_KNOWN: dict[str, Callable[[Request], Daemon]] = {
    "postgres": _postgres,
    "redis": _redis,
    "valkey": lambda request: _redis(request, "valkey-server"),
    "mysql": _mysql,
    "mariadb": _mariadb,
    "nats": _nats,
    "rabbitmq": _rabbitmq,
    "nginx": _nginx,
    "prometheus": _prometheus,
    "caddy": _caddy,
    "memcached": _simple("exec memcached -l 127.0.0.1 -p {port}", "memcached"),
    "mongo": _simple("mkdir -p {data} && exec mongod --bind_ip 127.0.0.1 --port {port} --dbpath {data}", "mongod"),
    "minio": _simple(
        "mkdir -p {data} && exec minio server {data} --address :{port} --console-address :{console}", "minio"
    ),
    "mailpit": _simple("exec mailpit --smtp 127.0.0.1:{port}", "mailpit"),
    "mailhog": _simple("exec mailhog -smtp-bind-addr 127.0.0.1:{port}", "mailhog"),
    "etcd": _simple("exec etcd --data-dir {data}", "etcd"),
    "consul": _simple("exec consul agent -dev", "consul"),
    "vault": _simple("exec vault server -dev", "vault"),
}


_SUBCOMMANDS = frozenset(("minio", "consul", "vault"))


def _arguments(request: Request, *programs: str) -> str:
    """Return the service's own arguments, without the program's name."""
    if _SUBCOMMANDS.intersection(programs):  # their arguments begin with a subcommand, which is ours already
        return ""
    words = [word for word in request.arguments if word not in programs]
    return "".join(f" {shlex.quote(_mounted(request, word))}" for word in words)


def _mounted(request: Request, word: str) -> str:
    for target, source in request.files.items():
        if word == target or word.startswith(target.rstrip("/") + "/"):
            return source + word[len(target.rstrip("/")) :] if word != target else source
    return word
