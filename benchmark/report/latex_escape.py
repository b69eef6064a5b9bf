"""Any text as LaTeX that prints it, in every font encoding and input encoding."""

from __future__ import annotations

import re
import unicodedata

_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "∞": r"$\infty$",
    "†": r"$^\dagger$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
# combining characters and LaTeX's accent commands
_ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308", "`'^~=u.\""))
_ACCENTS.update(zip("\u030a\u030b\u030c\u0323\u0327", "rHvdc"))


def escape(text: str) -> str:
    """``text`` with LaTeX's special characters made literal and accents as commands.

    A character that standard fonts lack is written as its code point, like [U+0394]: an ugly name
    is better than a wrong one.
    """
    text = unicodedata.normalize("NFC", re.sub(r"\s+", " ", text))
    # two hyphens would join to a dash
    return re.sub(r"-(?=-)", "-{}", "".join(_escaped(character) for character in text))


def _escaped(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if unicodedata.category(character).startswith("C"):  # control characters
        return ""
    if character.isascii():
        return character
    base, *marks = list(unicodedata.normalize("NFKD", character))
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        return f"\\{_ACCENTS[marks[0]]}{{{base}}}"
    plain = "".join([base, *marks])
    if plain.isascii():  # ligatures and the like
        return "".join(_SPECIAL.get(c, c) for c in plain)
    return f"[U+{ord(character):04X}]"
