"""Regular expressions for the strings of a contract that JSON Schema has no keyword for: images, sizes, callbacks.

They are for other people's tools, which read them in an OpenAPI document. Those in JavaScript, Java and Python know
lookaheads. A `^` begins and a `$` ends each of them.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping

from qwenmock.schemas.vocabulary import Schema

USER = r"(?:[A-Za-z0-9._~!$&'()*+,;=:%-]*@)?"
LETTERS = ("À-ɏ", "Α-Ρ", "Σ-Ͽ", "Ѐ-ԯ", "ぁ-ゖ", "ァ-ヺ", "㐀-䶿", "一-鿿", "가-힣")
"""Ranges of letters outside ASCII that a URL may have: Latin, Greek, Cyrillic, kana, Han, Hangul."""
LONGEST_SIDE = 999_999
"""Sides of sizes have at most six digits."""
OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
PRIVATE = (
    r"0\.|10\.|127\.|100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|169\.254\.|172\.(?:1[6-9]|2[0-9]|3[01])\."
    r"|192\.(?:168|0\.[02])\.|198\.(?:1[89]|51\.100)\.|203\.0\.113\.|2(?:2[4-9]|[345][0-9])\."
)
"""How the addresses begin that are not public."""
INTERNAL = ("localhost", "local", "internal", "home.arpa")
BASE64 = "[A-Za-z0-9+/]*={0,2}"
"""Not in groups of four: JavaScript's stack is too small for as many as a picture has."""
UPLOADED = "[a-z-]+/[0-9a-f]{32}/"
"""How the address of an uploaded image goes on: a folder, and one that is made for the upload."""

BEGINNINGS: Mapping[str, str] = {
    "image/png": "iVBORw0KGg",
    "image/jpeg": "/9j/",
    "image/bmp": "Qk[0-3]",
    "image/tiff": "SUkq|TU0A",
    "image/webp": "UklGR",
    "image/gif": "R0lGOD",
}
"""How the bytes of each format begin in Base64."""


def _rest(letters: str) -> str:
    """Return the pattern of a port, and of what follows a host."""
    return rf"(?::[0-9]{{1,5}})?(?:[/?#][!-~{letters}]*)?"


def image_patterns(spec: Schema) -> Iterator[Schema]:
    """Yield schemas that an image must all keep: its scheme, the beginning of its bytes, and the form of its URL."""
    yield {"pattern": f"^(?:{'|'.join(_image(scheme, spec) for scheme in spec['schemes'])})$"}
    if "urlPattern" in spec:
        own = {"pattern": spec["urlPattern"]}
        others = [scheme for scheme in spec["schemes"] if scheme not in {"http", "https"}]
        yield {"anyOf": [*({"pattern": f"^{_any_case(scheme)}:"} for scheme in others), own]} if others else own


def _image(scheme: str, spec: Schema) -> str:
    if scheme == "data":
        known = "|".join(BEGINNINGS[kind] for kind in spec.get("mediaTypes", BEGINNINGS))
        return f"{_any_case(scheme)}:[^,]*;base64,{_beginning(known)}{BASE64}"
    if scheme == "oss":
        return f"{_any_case(scheme)}://{_beginning(UPLOADED)}[!-~]+"
    letters = "".join(each for each in LETTERS if _may_have(each, spec.get("urlPattern", "")))
    return f"{_any_case(scheme)}://{USER}[A-Za-z0-9._~{letters}-]+{_rest(letters)}"


def _may_have(letters: str, pattern: str) -> bool:
    """Return whether a URL with any of a range of letters may match a pattern."""
    return all(re.search(pattern, f"https://example.com/{letter}.png") for letter in (letters[0], letters[-1]))


def _beginning(pattern: str) -> str:
    """Return a lookahead for a pattern.

    It is a double negation, because tools that make strings from a pattern make what a positive lookahead says: they
    would make damaged images, and uploads that were never made.
    """
    return f"(?!(?!{pattern}))"


def callback_pattern(schemes: Iterable[str]) -> str:
    """Return the pattern of a URL that a provider calls: no internal name and no private address, and no IPv6."""
    letters = "".join(LETTERS)
    internal = "|".join(_any_case(name).replace(".", r"\.") for name in INTERNAL)
    # The last part of a name begins with no digit: resolvers read 0x7f.1 as an address.
    part = f"[A-Za-z0-9_{letters}-]"
    name = rf"(?![^/?#:]*\b(?:{internal})\.?(?:[:/?#]|$))(?:{part}+\.)*[A-Za-z{letters}]{part}*"
    address = rf"(?!{PRIVATE}){OCTET}(?:\.{OCTET}){{3}}"
    return f"^(?:{'|'.join(map(_any_case, schemes))})://(?:{name}|{address}){_rest(letters)}$"


def size_pattern(spec: Mapping[str, int], separator: str) -> str:
    """Return the pattern of `W*H` with both sides in a range.

    It cannot say what their product is. So that tools that make strings from it make valid sizes, its first alternative
    has the sides whose product is right, whatever the two are, and the second one begins as `_beginning` says.
    """
    if "minSide" in spec:
        return f"^{_size(spec['minSide'], spec['maxSide'], separator)}$"
    ratio, least, most = spec.get("maxRatio", LONGEST_SIDE), spec["minArea"], spec["maxArea"]
    longest = math.isqrt(most)
    surely = _size(max(math.isqrt(least - 1) + 1, -(-longest // ratio)), longest, separator)
    perhaps = _size(math.isqrt(least // ratio), math.isqrt(most * ratio), separator)
    return f"^(?:{surely}|{_beginning(f'{perhaps}$')}.+)$"


def _size(least: int, most: int, separator: str) -> str:
    side = integer_pattern(max(least, 1), min(most, LONGEST_SIDE))
    return f"{side}{separator.replace('*', '[*]')}{side}"


def integer_pattern(least: int, most: int) -> str:
    """Return a pattern of the integers in a range, without leading zeros."""
    lengths = range(len(str(least)), len(str(most)) + 1)
    bounds = ((max(least, 10 ** (n - 1)), min(most, 10**n - 1)) for n in lengths)
    return f"(?:{'|'.join(_digits(str(low), str(high)) for low, high in bounds)})"


def _digits(low: str, high: str) -> str:
    """Return a pattern of the numbers between two that have as many digits."""
    if low[:1] == high[:1]:
        return low[:1] + _digits(low[1:], high[1:]) if low else ""
    rest = len(low) - 1
    first, last, found = int(low[0]), int(high[0]), list[str]()
    if low[1:].strip("0"):
        found.append(low[0] + _digits(low[1:], "9" * rest))
        first += 1
    if high[1:].strip("9"):
        found.append(high[0] + _digits("0" * rest, high[1:]))
        last -= 1
    if first <= last:
        found.append(f"[{first}-{last}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return f"(?:{'|'.join(found)})"


def task_id_pattern(prefix: str) -> str:
    """Return the pattern of the ids of tasks."""
    # Not re.escape: JavaScript refuses an escaped hyphen.
    literal = re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\1", prefix)
    return f"^{literal}[^/]+$"


def _any_case(word: str) -> str:
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in word)
