"""Commands that put themselves into the background: what to say of them, and what to run instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sbxcompose.plan.observed import ObservedRow, Phase
from sbxcompose.spec.project import Process

FOREGROUND = {
    "apache2": "`apache2 -D FOREGROUND`",
    "apache2ctl": "`apache2ctl -D FOREGROUND`",
    "apachectl": "`apachectl -D FOREGROUND`",
    "caddy": "`caddy run` instead of `caddy start`",
    "docker": "`docker run` without `-d`",
    "haproxy": "`haproxy -db`",
    "httpd": "`httpd -D FOREGROUND`",
    "memcached": "`memcached` without `-d`",
    "mongod": "`mongod` without `--fork`",
    "mysqld": "`mysqld` without `--daemonize`",
    "nginx": "`nginx -g 'daemon off;'`",
    "pg_ctl": "`postgres -D DIRECTORY` instead of `pg_ctl start`",
    "php-fpm": "`php-fpm -F`",
    "postgres": "`postgres -D DIRECTORY` instead of `pg_ctl start`",
    "rabbitmq-server": "`rabbitmq-server` without `-detached`",
    "redis-server": "`redis-server --daemonize no`",
    "sshd": "`sshd -D`",
    "supervisord": "`supervisord -n`",
}
"""How well-known servers are kept in the foreground."""
_SHOWN = 3


def background(row: ObservedRow) -> str | None:
    """Return what a row's latest run left in the background when it exited with code 0; None if nothing."""
    if not row.left_behind or row.phase not in (Phase.EXITED, Phase.BACKING_OFF):
        return None
    if row.exit is None or not row.exit.success:
        return None
    counts = Counter(programs(row))
    names = [f"`{name}`" + (f" ({count} processes)" if count > 1 else "") for name, count in counts.items()]
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    listed = " and ".join([", ".join(names[:_SHOWN]), *more])
    return f"it left {listed} in the background, which was killed"


def foreground_hint(row: ObservedRow, process: Process | None) -> str:
    """Return how to run the command so that it stays in the foreground."""
    words = [] if process is None else [word for text in process.command for word in text.split()]
    names = [_base(word) for word in words] + programs(row)
    known = next((FOREGROUND[name] for name in names if name in FOREGROUND), None)
    if known is None:
        return "run it in the foreground: most servers have an option such as `--foreground` or `--no-daemon`"
    return f"run it in the foreground: {known}"


def programs(row: ObservedRow) -> list[str]:
    """Return the names of the programs that were left behind, without their arguments, which may hold secrets."""
    return [_program(process) for process in row.left_behind]


def _program(left: str) -> str:
    """Return the name of the program of a "pid command" text: `73 postgres: checkpointer` -> `postgres`."""
    _, _, command = left.partition(" ")
    words: Sequence[str] = command.split()
    return _base(words[0]).rstrip(":") if words else "?"


def _base(path: str) -> str:
    return path.rpartition("/")[2]
