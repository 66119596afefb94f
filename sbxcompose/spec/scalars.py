"""What a YAML scalar without quotes means: the core schema of YAML 1.2.2 (section 10.3.2); pure.

So `no`, `on` and `12:30` are text, `0o17` is a number, and there are no dates.
"""

from __future__ import annotations

import re

from sbxcompose.spec.nodes import ScalarValue

_WORDS: dict[str, ScalarValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_LOOKS_NUMERIC = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?[0-9]{1,300}", re.ASCII)
_OCTAL = re.compile(r"0o([0-7]{1,300})", re.ASCII)
_HEX = re.compile(r"0x([0-9a-fA-F]{1,300})", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,300}|[0-9]{1,300}(?:\.[0-9]{0,300})?)(?:[eE][-+]?[0-9]{1,9})?", re.ASCII)


def resolve(text: str) -> ScalarValue:
    """Return the value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _LOOKS_NUMERIC:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if found := _OCTAL.fullmatch(text):
        return int(found[1], 8)
    if found := _HEX.fullmatch(text):
        return int(found[1], 16)
    return float(text) if _FLOAT.fullmatch(text) else text


_TAGGED = {
    "tag:yaml.org,2002:str": (str,),
    "tag:yaml.org,2002:null": (type(None),),
    "tag:yaml.org,2002:bool": (bool,),
    "tag:yaml.org,2002:int": (int,),
    "tag:yaml.org,2002:float": (int, float),
}


def resolve_tagged(tag: str, text: str) -> ScalarValue:
    """Return the value of a scalar with an explicit tag such as `!!str`. Raises `ValueError`."""
    types = _TAGGED.get(tag)
    if types is None:
        raise ValueError(f"unknown tag `{tag}`")
    if types == (str,):
        return text
    value = resolve(text)
    if type(value) not in types:
        raise ValueError(f"`{text}` is not of the type that its tag says")
    return float(value) if isinstance(value, int) and float in types else value
