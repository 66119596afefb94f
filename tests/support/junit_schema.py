"""What the schemas of Ant (`JUnit.xsd`) and of the xunit plugin of Jenkins (`junit-10.xsd`) ask of a report.

Typed from what both have in common for the elements that we write: where they differ, the stricter one counts.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

TOKEN = r"\S+( \S+)*"
"""An `xs:token` that is not empty."""
TEXT = r"[\s\S]*"
WHOLE = r"\d+"
SECONDS = r"\d{1,3}(,?\d{3})*(\.\d*)?"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"


@dataclass(frozen=True)
class Element:
    """`children` is a regular expression over the names of the elements inside, each followed by a space."""

    children: str = ""
    required: dict[str, str] = field(default_factory=dict)
    optional: dict[str, str] = field(default_factory=dict)
    has_text: bool = False


ELEMENTS = {
    "testsuite": Element(
        "properties (testcase )*system-out system-err ",
        {"name": TOKEN, "timestamp": MOMENT, "hostname": TOKEN, "tests": WHOLE, "failures": WHOLE, "errors": WHOLE,
         "time": SECONDS},
        {"skipped": WHOLE},
    ),
    "properties": Element(),
    "testcase": Element("((skipped|error|failure) )?", {"name": TOKEN, "classname": TOKEN, "time": SECONDS}),
    "failure": Element("", {"type": TEXT}, {"message": TEXT}, has_text=True),
    "skipped": Element("", {}, {"type": TEXT, "message": TEXT}, has_text=True),
    "system-out": Element(has_text=True),
    "system-err": Element(has_text=True),
}  # fmt: skip


def validated(text: str | bytes) -> ElementTree.Element:
    """Parse a report. Raises `AssertionError` where a schema would complain, or where counts are wrong."""
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuite"
    for element in root.iter():
        _check(element)
    cases = root.findall("testcase")
    assert int(root.attrib["tests"]) == len(cases)
    assert int(root.attrib["failures"]) == len(root.findall("testcase/failure"))
    assert int(root.attrib["skipped"]) == len(root.findall("testcase/skipped"))
    return root


def _check(element: ElementTree.Element) -> None:
    rule = ELEMENTS[element.tag]
    children = "".join(f"{child.tag} " for child in element)
    assert re.fullmatch(rule.children, children), f"{element.tag} holds {children or 'nothing'}"
    missing = rule.required.keys() - element.attrib.keys()
    assert not missing, f"{element.tag} lacks {missing}"
    for name, value in element.attrib.items():
        pattern = {**rule.required, **rule.optional}[name]
        assert re.fullmatch(pattern, value), f"{element.tag} {name}={value!r}"
    assert rule.has_text or not (element.text or "").strip(), f"text in {element.tag}"
