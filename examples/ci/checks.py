"""What the CI job wants to know."""

from __future__ import annotations

import os
import unittest
import urllib.request
from urllib.error import HTTPError

GATEWAY = os.environ.get("GATEWAY", "")


class GatewayChecks(unittest.TestCase):
    """The gateway and the store behind it."""

    def get(self, key: str) -> str:
        with urllib.request.urlopen(f"{GATEWAY}/{key}", timeout=5) as answer:
            return str(answer.read().decode())

    def test_a_value_of_the_store_comes_through(self) -> None:
        self.assertEqual(self.get("greeting"), "hello")

    def test_a_value_put_is_the_value_got(self) -> None:
        request = urllib.request.Request(f"{GATEWAY}/colour", b"green", method="PUT")
        with urllib.request.urlopen(request, timeout=5) as answer:
            self.assertEqual(answer.status, 204)
        self.assertEqual(self.get("colour"), "green")

    def test_an_unknown_key_is_not_found(self) -> None:
        with self.assertRaises(HTTPError) as caught:
            self.get("nothing")
        self.assertEqual(caught.exception.code, 404)
        caught.exception.close()
