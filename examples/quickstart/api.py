"""A job queue over HTTP, kept in SQLite.

POST /jobs        {"number": 1386}  a new job; answers its id
GET  /jobs/next                     the oldest waiting job, for whoever asks; 204 if none comes for a while
PUT  /jobs/{id}   {"result": "…"}   the job is done
GET  /healthz                       fine as long as the database answers
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DATABASE = "data/jobs.db"
LONGEST_WAIT = 5.0
"""Seconds that a worker is kept waiting for a job."""

arrived = threading.Condition()
"""Notified when a job has been filed; its lock also makes sure that no job is taken twice."""


def query(statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own; returns its rows."""
    with closing(sqlite3.connect(DATABASE)) as database, database:
        return database.execute(statement, values).fetchall()


def take_job() -> tuple[Any, ...] | None:
    """The oldest waiting job as (id, number), waiting for one if there is none."""
    take = "update jobs set state = 'taken' where id = (select min(id) from jobs where state = 'waiting')"
    with arrived:
        rows = query(f"{take} returning id, number")
        if not rows and arrived.wait(LONGEST_WAIT):
            rows = query(f"{take} returning id, number")
    return rows[0] if rows else None


class Api(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        match self.path:
            case "/healthz":
                query("select 1 from jobs limit 1")
                self.answer(200, {"healthy": True})
            case "/jobs/next":
                job = take_job()
                self.answer(204) if job is None else self.answer(200, {"id": job[0], "number": job[1]})
            case _:
                self.answer(404, {"error": f"nothing at {self.path}"})

    def do_POST(self) -> None:
        number = int(self.body()["number"])
        with arrived:
            ((job,),) = query("insert into jobs (number) values (?) returning id", number)
            arrived.notify()
        self.answer(201, {"id": job})

    def do_PUT(self) -> None:
        job = int(self.path.rpartition("/")[2])
        query("update jobs set state = 'done', result = ? where id = ?", self.body()["result"], job)
        self.answer(200, {"id": job})
        if job % 5 == 0:
            ((done, waiting),) = query("select sum(state = 'done'), sum(state = 'waiting') from jobs")
            print(f"{done} jobs done, {waiting} waiting")

    def body(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return content

    def answer(self, status: int, content: object = None) -> None:
        data = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay silent: the health check alone would print a line a second."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Api)

    def shut_down(*_: object) -> None:
        # `shutdown` waits for `serve_forever`, which this handler interrupts: so from another thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, shut_down)
    signal.signal(signal.SIGINT, shut_down)
    print(f"serving http://127.0.0.1:{server.server_port}")
    server.serve_forever()
    server.server_close()
    print("closed")


if __name__ == "__main__":
    main()
