"""A certificate for this machine that nobody trusts unless SSL_CERT_FILE names it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def make_certificate(directory: Path) -> Path:
    """Make a certificate for `localhost` and two addresses, its key in the same file; skip without openssl."""
    path = directory / "localhost.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2"
    more = ["-addext", names, "-keyout", str(path), "-out", f"{path}.crt"]
    try:
        subprocess.run([*made.split(), *more], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the command openssl, to make a certificate")
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path
