"""Well-known server images, and the native programs that do the same; pure.

A program is used if it is installed; its data goes to a folder of the project. Versions and defaults are those of the
official images.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from sbxcompose.convert.daemon_base import Daemon, Request, mounted, own_arguments, slow_check
from sbxcompose.convert.databases import mariadb, mysql, postgres
from sbxcompose.convert.web_servers import caddy, haproxy, nginx, traefik


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


def is_other_program(image: str, first: str) -> bool:
    """Return whether a command that begins with `first` runs something else than the server of an image.

    Images of many servers pass options on to the server, and run any other command as it is.
    """
    servers = _SERVERS.get(family(image))
    if servers is None or not first or first.startswith(("-", "$")) or first.endswith((".conf", ".cnf")):
        return False
    return first.rpartition("/")[2] not in (*servers, "docker-entrypoint.sh")


def makes_users(image: str) -> bool:
    """Return whether the variables of an image's server name users and databases to create."""
    return family(image) in ("postgres", "mysql", "mariadb")


def is_configured_by_file(image: str) -> bool:
    """Return whether the ports of an image's server come from a file of the project."""
    return family(image) in ("nginx", "caddy", "haproxy", "traefik")


def entry_point(image: str) -> str | None:
    """Return the program that takes the command of an image as its arguments, where it is known."""
    name = family(image)
    language = re.match(r"(node|python3?|java)(?=js|\d|$|-)", name)  # images without a shell begin with the interpreter
    return language[1] if "distroless" in image and language is not None else _ENTRY_POINTS.get(name)


def family(image: str) -> str:
    """Return the well-known name of an image: `docker.io/library/postgres:16-alpine` -> `postgres`."""
    plain = _DEFAULTED.sub(r"\1", image.strip().lower())
    name = re.split(r"[:@]", plain.rpartition("/")[2])[0]
    return _ALIASES.get(name, name)


_DEFAULTED = re.compile(r"\$\{?\w+(?::?[-?+])?([^}]*)\}?")
"""A variable, of which the default counts."""
_ALIASES = {
    **dict.fromkeys(("postgis", "pgvector", "timescaledb", "timescaledb-ha", "postgresql"), "postgres"),
    **dict.fromkeys(("redis-stack", "redis-stack-server", "redismod"), "redis"),
    **dict.fromkeys(("mysql-server", "percona"), "mysql"),
    **dict.fromkeys(("mongodb-community-server", "mongodb"), "mongo"),
    **dict.fromkeys(("grafana-oss", "grafana-enterprise"), "grafana"),
    **dict.fromkeys(("all-in-one", "jaegertracing"), "jaeger"),
    **dict.fromkeys(("opentelemetry-collector", "opentelemetry-collector-contrib"), "otelcol"),
    **dict.fromkeys(("eclipse-mosquitto",), "mosquitto"),
    **dict.fromkeys(("nginx-unprivileged",), "nginx"),
    **dict.fromkeys(("clickhouse",), "clickhouse-server"),
    "axllent": "mailpit",
    "auto-setup": "temporal",
    "nats-streaming": "nats",
}
_ENTRY_POINTS = {
    "keycloak": "kc.sh", "mc": "mc", "migrate": "migrate", "hydra": "hydra", "kratos": "kratos", "keto": "keto",
    "oathkeeper": "oathkeeper", "flyway": "flyway", "liquibase": "liquibase", "curl": "curl", "ngrok": "ngrok",
    "cloudflared": "cloudflared", "stripe-cli": "stripe", "ollama": "ollama", "aws-cli": "aws",
    "cockroach": "cockroach", "dbmate": "dbmate", "atlas": "atlas", "n8n": "n8n", "localstack": "localstack",
    "flog": "flog", "k6": "k6", "toxiproxy": "toxiproxy-server", "cli": "mockoon-cli", "redpanda": "rpk",
}  # fmt: skip


def _redis(request: Request, server: str = "redis-server") -> Daemon:
    given = [word for word in request.arguments if word != server]
    config = next((request.files[word] for word in given if word in request.files), None)
    words = [shlex.quote(config if word in request.files and config else word) for word in given]
    command = " ".join([server, *words, f"--port {request.port}", f"--dir {request.data}"])
    return Daemon(f"mkdir -p {request.data} && exec {command}", server, {"tcp": request.port})


def _nats(request: Request) -> Daemon:
    arguments = [word for word in request.arguments if word != "nats-server"]
    words = ["nats-server", f"-p {request.port}", *(shlex.quote(mounted(request, word)) for word in arguments)]
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
    return Daemon("\n".join(lines) + "\n", "rabbitmq-server", slow_check(request.port))


def _prometheus(request: Request) -> Daemon:
    given = (word.removeprefix("--config.file=") for word in request.arguments if word.startswith("--config.file="))
    config = mounted(request, next(given, "/etc/prometheus/prometheus.yml"))
    words = [
        "exec prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={request.data}",
        f"--web.listen-address=127.0.0.1:{request.port}",
    ]
    check = {"http": {"port": request.port, "path": "/-/ready"}}
    return Daemon(" ".join(words), "prometheus", check, "its targets must be addresses of this machine")


def _elasticsearch(request: Request, server: str = "elasticsearch") -> Daemon:
    settings = {name: value for name, value in request.env.items() if "." in name and value is not None}
    settings = {"discovery.type": "single-node", **settings, "http.port": str(request.port)}
    words = [f"-E{name}={shlex.quote(value)}" for name, value in settings.items()]
    lines = [
        f'mkdir -p {request.data}; data="$$(cd {request.data} && pwd)"',
        " ".join([f'exec {server} -Epath.data="$$data" -Epath.logs="$$data/logs"', *words]),
    ]
    return Daemon("\n".join(lines) + "\n", server, slow_check(request.port), "it refuses to run as root")


def _simple(command: str, *replaced: str) -> Callable[[Request], Daemon]:
    """Return what makes a daemon of a command, and of the service's own arguments without the options `replaced`."""
    program = command.split()[0]
    begin = f"mkdir -p {{data}} && exec {command}" if "{data}" in command else f"exec {command}"

    def build(request: Request) -> Daemon:
        filled = begin.format(port=request.port, data=request.data, console=request.port + 1)
        more = own_arguments(request, program, "server", without=replaced)
        return Daemon(filled + more, program, {"tcp": request.port})

    return build


def _fixed(command: str) -> Callable[[Request], Daemon]:
    """Return what makes a daemon of a command alone: the service's own begin with a subcommand, which is there."""
    made = _simple(command)
    return lambda request: made(Request(request.name, request.data, request.port, request.env))


_SERVERS = {
    "postgres": ("postgres",), "mysql": ("mysqld", "mysqld_safe"), "redis": ("redis-server",),
    "valkey": ("valkey-server",), "keydb": ("keydb-server",), "mongo": ("mongod", "mongos"),
    "mariadb": ("mariadbd", "mysqld", "mariadbd-safe", "mysqld_safe"), "memcached": ("memcached",),
    "nginx": ("nginx", "nginx-debug"), "rabbitmq": ("rabbitmq-server",), "mosquitto": ("mosquitto",),
}  # fmt: skip
"""Images whose entry point runs any command: the programs that are their servers."""
_PORTS = {
    "postgres": 5432, "redis": 6379, "valkey": 6379, "keydb": 6379, "mysql": 3306, "mariadb": 3306, "nats": 4222,
    "rabbitmq": 5672, "nginx": 80, "caddy": 80, "haproxy": 80, "traefik": 80, "prometheus": 9090, "memcached": 11211,
    "mongo": 27017, "minio": 9000, "mailpit": 1025, "mailhog": 1025, "etcd": 2379, "consul": 8500, "vault": 8200,
    "elasticsearch": 9200, "opensearch": 9200, "grafana": 3000, "loki": 3100, "node-exporter": 9100,
    "alertmanager": 9093, "pushgateway": 9091, "blackbox-exporter": 9115, "meilisearch": 7700, "mosquitto": 1883,
    "clickhouse-server": 8123, "temporal": 7233, "influxdb": 8086, "victoria-metrics": 8428, "cadvisor": 8080,
    "maildev": 1025,
}  # fmt: skip
_KNOWN: dict[str, Callable[[Request], Daemon]] = {
    "postgres": postgres,
    "redis": _redis,
    "valkey": lambda request: _redis(request, "valkey-server"),
    "keydb": lambda request: _redis(request, "keydb-server"),
    "mysql": mysql,
    "mariadb": mariadb,
    "nats": _nats,
    "rabbitmq": _rabbitmq,
    "nginx": nginx,
    "caddy": caddy,
    "haproxy": haproxy,
    "traefik": traefik,
    "prometheus": _prometheus,
    "elasticsearch": _elasticsearch,
    "opensearch": lambda request: _elasticsearch(request, "opensearch"),
    "memcached": _simple("memcached -l 127.0.0.1 -p {port}"),
    "mongo": _simple("mongod --bind_ip 127.0.0.1 --port {port} --dbpath {data}", "bind_ip", "port", "bind_ip_all"),
    "minio": _fixed("minio server {data} --address 127.0.0.1:{port} --console-address 127.0.0.1:{console}"),
    "mailpit": _simple("mailpit --smtp 127.0.0.1:{port}", "smtp"),
    "mailhog": _simple("mailhog -smtp-bind-addr 127.0.0.1:{port}"),
    "maildev": _simple("maildev --smtp {port}", "smtp"),
    "etcd": _fixed("etcd --data-dir {data} --listen-client-urls http://127.0.0.1:{port}"
                   " --advertise-client-urls http://127.0.0.1:{port}"),
    "consul": _fixed("consul agent -dev -http-port {port}"),
    "vault": _fixed("vault server -dev -dev-listen-address 127.0.0.1:{port}"),
    "grafana": _simple('grafana server --homepath /usr/share/grafana cfg:paths.data="$$PWD/{data}"'
                       " cfg:server.http_port={port}"),
    "loki": _simple("loki -server.http-listen-port={port}"),
    "node-exporter": _simple("node_exporter --web.listen-address=127.0.0.1:{port}", "web.listen-address"),
    "alertmanager": _simple(
        "alertmanager --storage.path={data} --web.listen-address=127.0.0.1:{port}", "storage.path", "web.listen-address"
    ),
    "pushgateway": _simple("pushgateway --web.listen-address=127.0.0.1:{port}", "web.listen-address"),
    "blackbox-exporter": _simple("blackbox_exporter --web.listen-address=127.0.0.1:{port}", "web.listen-address"),
    "meilisearch": _fixed("meilisearch --db-path {data} --http-addr 127.0.0.1:{port}"),
    "mosquitto": _simple("mosquitto -p {port}"),
    "clickhouse-server": _fixed("clickhouse server -- --path={data}/ --http_port={port}"),
    "temporal": _fixed("temporal server start-dev --port {port} --db-filename {data}/temporal.db"),
    "influxdb": _fixed("influxd --bolt-path {data}/influxd.bolt --engine-path {data}/engine"
                       " --http-bind-address 127.0.0.1:{port}"),
    "victoria-metrics": _simple("victoria-metrics -storageDataPath={data} -httpListenAddr=127.0.0.1:{port}",
                                "storageDataPath", "httpListenAddr"),
    "cadvisor": _simple("cadvisor -port={port}", "port"),
}  # fmt: skip
"""Native counterparts by image."""
