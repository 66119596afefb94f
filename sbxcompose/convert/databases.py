"""Database servers with users and databases to create: native programs for their images; pure.

The same variables create the same users and databases as in the official images.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from sbxcompose.convert.daemon_base import Daemon, Request, own_arguments, slow_check


def postgres(request: Request) -> Daemon:
    """Return postgres with a cluster of its own, which the first start creates."""
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
    extra = own_arguments(request, "postgres")
    lines += ["fi", f"exec $$run postgres -D {request.data} -p {request.port} {socket}{extra}"]
    scripts = [source for target, source in request.files.items() if target.startswith("/docker-entrypoint-initdb.d")]
    note = f"{', '.join(scripts)} is not run at the first start: run it with psql" if scripts else ""
    return Daemon("\n".join(lines) + "\n", "postgres", slow_check(request.port), note)


def _initdb(data: str, user: str, password: str | None) -> list[str]:
    if password is None:
        return [f"  $$run initdb -D {data} -U {shlex.quote(user)} --auth=trust"]
    return [
        f'  (umask 077; printf "%s" "{password}" > {data}.password)',
        f'  [ -z "$$run" ] || chown postgres {data}.password',
        f"  $$run initdb -D {data} -U {shlex.quote(user)} --auth=scram-sha-256 --pwfile={data}.password",
        f"  rm {data}.password",
    ]


def _password(env: Mapping[str, str | None], name: str) -> str | None:
    """Return how a shell gets at a password: from its variable, or from the file that NAME_FILE names."""
    if name in env:
        return f"$${name}"
    file = env.get(f"{name}_FILE")
    return f"$$(cat {shlex.quote(file)})" if file else None


def mysql(request: Request) -> Daemon:
    """Return mysqld with a data folder of its own, which the first start creates."""
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
        f" --bind-address=127.0.0.1{init}{own_arguments(request, 'mysqld', 'mariadbd')}"
    )
    return Daemon("\n".join(lines) + "\n", "mysqld", slow_check(request.port))


def mariadb(request: Request) -> Daemon:
    """Return mariadbd: like mysqld, whose variables it also takes."""
    env = {name.replace("MARIADB_", "MYSQL_"): value for name, value in request.env.items()}
    found = mysql(Request(request.name, request.data, request.port, env, request.arguments, request.files))
    command = found.command.replace("exec mysqld", "exec mariadbd")
    for name in request.env:
        if name.startswith("MARIADB_"):
            command = command.replace(f"$${name.replace('MARIADB_', 'MYSQL_')}", f"$${name}")
    return Daemon(command, "mariadbd", found.health_check, found.note)
