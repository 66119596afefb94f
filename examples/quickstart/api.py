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
import time
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DATABASE = "data/jobs.db"
LONGEST_WAIT = 5.0
"""Seconds that a worker is kept waiting for a job."""
LEASE = 30.0
"""Seconds after which an unfinished job is given to another worker: the first one has died."""
OLDEST = "select id, number from jobs where state = 'waiting' or (state = 'taken' and taken_at < ?) limit 1"

arrived = threading.Condition()
"""Notified when a job has been filed; its lock also makes sure that no job is taken twice."""


def query(statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own; returns its rows."""
    with closing(sqlite3.connect(DATABASE)) as database, database:
        return database.execute(statement, values).fetchall()


def file_job(number: int) -> int:
    """Add a job; returns its id."""
    with arrived:
        query("insert into jobs (number) values (?)", number)
        ((job,),) = query("select max(id) from jobs")
        arrived.notify()
    return int(job)


def take_job() -> dict[str, int] | None:
    """The oldest waiting job, waiting for one if there is none."""
    with arrived:
        rows = query(OLDEST, time.time() - LEASE)
        if not rows and arrived.wait(LONGEST_WAIT):
            rows = query(OLDEST, time.time() - LEASE)
        for job, number in rows:
            query("update jobs set state = 'taken', taken_at = ? where id = ?", time.time(), job)
            return {"id": job, "number": number}
    return None


class Api(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever asked has gone
            super().handle()

    def do_GET(self) -> None:
        match self.path:
            case "/healthz":
                query("select 1 from jobs limit 1")
                self.answer(200, {"healthy": True})
            case "/jobs/next":
                job = take_job()
                self.answer(204 if job is None else 200, job)
            case _:
                self.answer(404, {"error": f"nothing at {self.path}"})

    def do_POST(self) -> None:
        self.answer(201, {"id": file_job(int(self.body()["number"]))})

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
