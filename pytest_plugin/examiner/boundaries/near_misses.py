"""Strings that are nearly a valid one: careless parsers accept them."""

FULL_WIDTH = str.maketrans("0123456789*x", "０１２３４５６７８９＊ｘ")
ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def near_misses(value: str) -> list[str]:
    """Return strings that are nearly the same: another separator, digits of another script, blanks, letter case."""
    candidates = [
        value.replace("*", "x"),
        value.replace("*", "×"),
        value.replace("*", "X"),
        value.replace("*", "-"),
        value + " ",
        " " + value,
        value + "\n",
        value.replace("*", " * "),
        value + "0",
        value + "*1",
        "x" + value,
        value[:-1],
        value.upper(),
        value.capitalize(),
        value.translate(FULL_WIDTH),
        value.translate(ARABIC_INDIC),
        value + "\N{ZERO WIDTH SPACE}",
        value.replace("-", "_"),
        "",
    ]
    candidates += _size_near_misses(value) if "*" in value else []
    return [candidate for candidate in dict.fromkeys(candidates) if candidate != value]


def _size_near_misses(value: str) -> list[str]:
    width, _, height = value.partition("*")
    return [
        f"{height}*{width}",
        f"0{value}",
        f"+{value}",
        f"{int(width) + 1}*{height}",
        f"{width}*{int(height) - 1}",
        f"{width}.0*{height}",
        f"{width}*{height}px",
        f"{width}*",
        f"*{height}",
        width,
        f"{width}**{height}",
    ]
