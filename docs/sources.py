"""Write sources.md: what each provider's rules cite. `make sources` runs this.

Read the data in `schemas/sources.toml` and the provider folders; nothing stands here.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from qwenmock.schemas.catalog import HERE, load
from qwenmock.schemas.models import Provider

PAGE = Path(__file__).with_name("sources.md")
PUBLISHED = "published: "
HEAD = """# Sources

What the rules of each provider cite. Public pages have the day on which they were read, from stored copies that may be
older. After reading a page again, change its date in `schemas/sources.toml` and run `make sources`, which writes this
page.

The documents are those that the contract was written from. They are not part of the repository: see
[Contract files](contract.md#sources).
"""


def listed() -> dict[str, Any]:
    """Return the documents and pages of sources.toml."""
    return tomllib.loads((HERE / "sources.toml").read_text("utf-8"))


def pages_of(provider: Provider) -> list[str]:
    """Return the names of the public pages that a provider's folder and the rules of every provider cite."""
    files = sorted(file for file in provider.file.parent.iterdir() if file.suffix in {".json", ".toml"})
    cited = {name for file in files for name in re.findall(rf'"{PUBLISHED}([^"]+)"', file.read_text("utf-8"))}
    return sorted(cited | {r.source.removeprefix(PUBLISHED) for r in provider.rules if r.source.startswith(PUBLISHED)})


def page() -> str:
    """Return the text of sources.md."""
    known = listed()
    lines = [HEAD]
    for provider in load():
        lines += [f"## {provider.name}", ""]
        if provider.documents:
            lines += ["| document | title | file |", "|---|---|---|"]
            for file in provider.documents:
                entry = known["documents"][file]
                lines.append(f"| {entry['name']} | {entry['title']} | `{file}` |")
            lines.append("")
        lines += ["| page | address | read |", "|---|---|---|"]
        for name in pages_of(provider):
            entry = known["pages"][name]
            addresses = "<br>".join(f"<{address}>" for address in entry["addresses"])
            lines.append(f"| {name} | {addresses} | {entry['read']} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
