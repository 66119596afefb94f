"""A web server whose page shows what was saved last: it is restarted, and the open page asks again."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template

from greeting import GREETING

HERE = Path(__file__).parent
PAGE = HERE / "data" / "page.html"
PORT = int(os.environ.get("PORT", "8090"))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/wait":
            threading.Event().wait()  # until this server ends
        body = "fine" if self.path == "/healthz" else Template(PAGE.read_text()).safe_substitute(greeting=GREETING)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the health check requests a page every second."""


class Server(ThreadingHTTPServer):
    daemon_threads = True


if not PAGE.exists():
    subprocess.run([sys.executable, str(HERE / "build.py")], check=True)
print(f"{GREETING}: http://127.0.0.1:{PORT}/")
Server(("127.0.0.1", PORT), Handler).serve_forever()
