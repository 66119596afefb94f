"""Create the database. Runs once, before everything else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

DATABASE = Path("data/jobs.db")
TABLE = """
create table if not exists jobs (
  id integer primary key,
  number integer not null,
  state text not null default 'waiting' check (state in ('waiting', 'taken', 'done')),
  taken_at real,
  result text
)
"""


def main() -> None:
    DATABASE.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(DATABASE)) as database, database:
        database.execute(TABLE)
        (waiting,) = database.execute("select count(*) from jobs where state = 'waiting'").fetchone()
    print(f"{DATABASE} is ready, {waiting} jobs waiting")


if __name__ == "__main__":
    main()
