"""JSON as the service takes and gives it.

Python reads whole numbers exactly. Where more is wanted, the text of a member can be had character for character.
"""

from __future__ import annotations

import json
import re
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")


def _integer(digits: str) -> int | float:
    # Python refuses to read numbers of more than 4,300 digits.
    try:
        return int(digits)
    except ValueError:
        return float(digits)


_decoder = json.JSONDecoder(parse_int=_integer)


def read(text: str | bytes) -> Any:
    return json.loads(text, parse_int=_integer)


def write(value: object) -> str:
    """JSON that is valid Unicode. `ValueError` or `TypeError`: it has no JSON, as NaN or an object of a class."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    if is_unicode(text):
        return text
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def member(text: str, name: str) -> str | None:
    """The text of one member of an object that `read` has accepted."""
    at = _space(text, text.index("{") + 1)
    while text[at] == '"':
        key, at = _decoder.raw_decode(text, at)
        start = _space(text, _space(text, at) + 1)
        _, end = _decoder.raw_decode(text, start)
        if key == name:
            return text[start:end]
        at = _space(text, end)
        if text[at] != ",":
            return None
        at = _space(text, at + 1)
    return None


def depth(value: object) -> int:
    """How deep arrays and objects are nested."""
    deepest, level = 0, [value]
    while True:
        outer = [each for each in level if isinstance(each, (dict, list, tuple))]
        if not outer:
            return deepest
        deepest += 1
        level = [inner for each in outer for inner in (each.values() if isinstance(each, dict) else each)]


def is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8: half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
