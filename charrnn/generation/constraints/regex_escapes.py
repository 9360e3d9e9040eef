"""Read escapes in a regular expression: a backslash and the characters after it."""

import re
import unicodedata

from charrnn.generation.constraints.character_class import (
    CATEGORIES,
    MINOR_CATEGORIES,
    CharacterClass,
)
from charrnn.generation.constraints.regex_reader import PatternReader

SHORTHANDS = frozenset("dDwWsS")
CONTROL = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "f": "\f",
    "v": "\v",
    "a": "\a",
}
ANCHORS = ("A", "b", "B", "Z")

CATEGORY = re.compile(r"\{([A-Z][a-z]?)\}")
HEX_DIGITS = {"x": 2, "u": 4, "U": 8}  # how many follow each of these letters
HEX = re.compile("[0-9a-fA-F]*")
MAX_CODE_POINT = 0x10FFFF
OCTAL = re.compile("[0-7]{1,3}")
MAX_OCTAL = 0o377
MAX_NAME_SHOWN = 60  # characters of a Unicode name that an error message repeats


def read_escape(reader: PatternReader, *, in_class: bool) -> str | CharacterClass:
    """The meaning of an escape whose backslash has been read.

    Args:
        reader: at the character after the backslash.
        in_class: whether it is inside of ``[...]``.

    Raises:
        ConfigError: the escape is malformed or not supported.
    """
    if reader.at_end:
        raise reader.wrong("ends with a backslash; write \\\\ for a literal backslash")
    char = reader.next()
    if char in SHORTHANDS:
        return CharacterClass(shorthands=frozenset(char))
    if char in ("p", "P"):
        return _category(reader, negated=char == "P")
    if char in HEX_DIGITS:
        return _hexadecimal(reader, char)
    if char == "N":
        return _named(reader)
    if char in "0123456789":
        return _octal(reader, char, in_class=in_class)
    if char == "b" and in_class:
        return "\b"
    if char in ANCHORS and not in_class:
        raise reader.wrong(
            f"has \\{char}, which is not supported; remove it, "
            "since the whole text is always matched"
        )
    if char in CONTROL:
        return CONTROL[char]
    if char.isascii() and char.isalnum():
        raise reader.wrong(f"has \\{char}, which is not a known escape")
    return char


def _category(reader: PatternReader, *, negated: bool) -> CharacterClass:
    """Unicode's general categories, as in ``\\p{Lu}`` or, for all letters, ``\\p{L}``."""
    name = CATEGORY.match(reader.pattern, reader.place)
    members = set[str]()
    if name:
        members = {category for category in CATEGORIES if category.startswith(name[1])}
    if not name or not members:
        raise reader.wrong(
            f"has \\p without a category, as in \\p{{Lu}}; the categories are {_category_names()}"
        )
    reader.place = name.end()
    if negated:
        members = set(CATEGORIES) - members
    return CharacterClass(categories=frozenset(members))


def _category_names() -> str:
    names = list[str]()
    for major, minors in MINOR_CATEGORIES.items():
        names.append(major)
        names += [major + minor for minor in minors]
    return " ".join(names)


def _hexadecimal(reader: PatternReader, letter: str) -> str:
    """A character by its code point, as in ``\\xe9``."""
    count = HEX_DIGITS[letter]
    end = reader.place + count
    match = HEX.match(reader.pattern, reader.place, end)
    assert match  # it may be empty
    digits = match[0]
    reader.place += len(digits)
    if len(digits) < count:
        raise reader.wrong(f"has \\{letter}{digits}, which needs {count} hexadecimal digits")
    code = int(digits, 16)
    if code > MAX_CODE_POINT:
        raise reader.wrong(
            f"has \\{letter}{digits}, which is not a code point; the last is \\U0010ffff"
        )
    return chr(code)


def _named(reader: PatternReader) -> str:
    """A character by its Unicode name, as in ``\\N{EM DASH}``."""
    end = reader.pattern.find("}", reader.place)
    if not reader.take("{") or end < 0:
        raise reader.wrong("has \\N without a name, as in \\N{EM DASH}")
    name = reader.pattern[reader.place : end]
    reader.place = end + 1
    try:
        char = unicodedata.lookup(name)
    except (KeyError, ValueError):  # a lone surrogate in a name is a ValueError
        char = ""
    if len(char) != 1:  # Unicode also names sequences of characters
        raise reader.wrong(
            f"has \\N with {name[:MAX_NAME_SHOWN]!r}, which is not the name of a character"
        )
    return char


def _octal(reader: PatternReader, first: str, *, in_class: bool) -> str:
    """A character by its octal code; ``first`` is the digit that has been read.

    Outside of a class, a number that neither begins with 0 nor has three octal digits refers to a
    group, as in Python.
    """
    begin = reader.place - 1
    match = OCTAL.match(reader.pattern, begin)
    if match and (in_class or first == "0" or len(match[0]) == 3):
        digits = match[0]
        reader.place = match.end()
        code = int(digits, 8)
        if code > MAX_OCTAL:
            raise reader.wrong(f"has \\{digits}, but octal escapes end at \\{MAX_OCTAL:o}")
        return chr(code)
    if in_class:
        raise reader.wrong(f"has \\{first}, which is not an octal number")
    raise reader.wrong(
        f"has \\{first}, a back-reference, which is not supported; "
        "write \\x and two digits for a character by its code"
    )
