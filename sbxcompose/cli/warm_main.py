"""The fork server's program: import what commands need, then listen.

Started by `warm/leave.py`. Everything here happens after the command that has left it, beside whatever comes next.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
from contextlib import suppress

from sbxcompose.cli import entry
from sbxcompose.clock import wall_ns
from sbxcompose.warm import files
from sbxcompose.warm.listen import listen
from sbxcompose.warm.server import IDLE, ForkServer

PRELOADED = """
    cli.entry cli.main cli.apply cli.attached cli.async_main cli.background_up cli.bring_up cli.confirm cli.examples
    cli.find_running cli.foreground cli.keys cli.known_projects cli.ps cli.publish cli.reader_gone cli.show_logs
    cli.up_request cli.wait cli.write_all
    cli.commands.up_ cli.commands.down_ cli.commands.start_ cli.commands.stop_ cli.commands.restart_ cli.commands.run_
    cli.commands.exec_ cli.commands.ps_ cli.commands.logs_ cli.commands.why_ cli.commands.plan_ cli.commands.wait_
    cli.commands.kill_ cli.commands.ls_
    cli.view.announce cli.view.copying cli.view.drawn cli.view.drawn_errors cli.view.errors cli.view.held_up
    cli.view.plan cli.view.ps cli.view.projects cli.view.report cli.view.status_block cli.view.stream
    cli.view.suspended cli.view.table cli.view.wait_report cli.view.why
    client.commands client.new_output client.output client.plan_options client.processes client.signal_processes
    client.verdict client.process_filter cli.moments cli.view.template engine.event_record engine.left_sandboxes
    engine.apply_loop engine.attached_up engine.contract.rows engine.listing engine.local_host.launch
    engine.observed_names engine.one_off engine.one_offs_seen engine.projects engine.read_logs engine.ready_now
    engine.session engine.stop_left api.contract_follow api.follow api.silent_run api.undone logs.match plan.why
    spec.cache spec.open
"""
"""Modules that the commonest commands come to need, and what these import: not what reads a changed file (pydantic) or
goes to a cloud (httpx), which would double the server's memory. `cli.view.drawn` brings rich: 2.3 MB, and 21 ms of CPU
less for each command that draws on a terminal.
"""


def main(idle: float = IDLE) -> None:
    """Become the fork server of these circumstances, unless there is one; it ends after `idle` seconds without use."""
    began = wall_ns()
    os.chdir("/")
    preload()
    if files.newest(files.stamps(files.loaded())) >= began:
        return  # being installed right now: what is loaded may be of two versions
    listener = listen()
    if listener is None:
        return
    # A collection in a fork writes to the objects that it visits, which copies the pages shared with the server.
    gc.collect()
    gc.freeze()
    gc.disable()
    ForkServer(listener, _command, idle).run()


def preload() -> None:
    """Import everything that a fork should find, and make what each would make anew."""
    for name in PRELOADED.split():
        importlib.import_module(f"sbxcompose.{name}")
    for name in ("difflib", "shutil"):  # click's, for each `-d` that might be a long option; the size of a terminal
        importlib.import_module(name)
    from sbxcompose.spec.cache import entry_decoder

    entry_decoder()


def _command() -> int:
    """Run the command whose arguments are in `sys.argv`, and return its exit code whatever happens."""
    try:
        return entry.code_of()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()


if __name__ == "__main__":
    try:
        main()
    except OSError:
        sys.exit(1)
