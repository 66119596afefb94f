"""Exit with 0 if the URL answers with success."""

from __future__ import annotations

import sys
import urllib.request

try:
    with urllib.request.urlopen(sys.argv[1], timeout=2):
        pass
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error}")
