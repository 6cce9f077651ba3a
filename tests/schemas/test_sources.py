"""Whether what the contract calls documented stands in the document and section that it cites."""

import importlib.util
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType

import proofs
import pytest
from proofs import Claim

from qwenmock.schemas import catalog
from qwenmock.schemas.models import Provider
from qwenmock.schemas.sources import SourcePage, cited, known_pages

CATALOG = catalog.load()
DOCUMENTS = proofs.folder()
FILE = "000_16f51b091c80eb26.txt"
PAGE = """1. Limits#

Number of pictures: 2-5
File Size: Not exceeding 7MB

1.1 Members#

Parameter NameTypeRequiredExample Value
colourstringYes"red"
depthintegerNo3

2. Answer#

{
 "code": 200,   // the status
 "items": [{"link": "https://a.example/x.png"}]
}
"""

needs_documents = pytest.mark.skipif(
    DOCUMENTS is None, reason=f"{proofs.VARIABLE} does not name the folder with the documents"
)


@pytest.fixture(name="documents", scope="session")
def documents_() -> Path:
    assert DOCUMENTS is not None
    return DOCUMENTS


@needs_documents
def test_what_is_documented_stands_in_the_section_it_cites(documents: Path) -> None:
    found = list(proofs.verdicts(documents))
    assert not [
        f"{claim.id}: {claim.source}: {verdict}" for claim, verdict in found if verdict not in {"found", "explained"}
    ]
    counts = Counter(verdict for _, verdict in found)
    print(f"{counts.total()} documented, {counts['explained']} of them explained")
    assert counts["explained"] < 0.05 * counts.total()


@needs_documents
def test_no_explanation_is_given_for_what_the_section_says(documents: Path) -> None:
    assert not [c.id for c, verdict in proofs.verdicts(documents) if verdict == "found" and c.comment]


@needs_documents
def test_another_number_is_not_found(documents: Path) -> None:
    """Shows that the spellings are narrow: what the section does not say is not found in it."""
    for provider in CATALOG:
        for claim in proofs.claims(provider):
            if type(claim.value) is int and claim.value > 1:
                factor = 7 if claim.keyword == "maxBytes" else 1
                other = replace(claim, value=claim.value * factor + 1, comment="")
                assert proofs.verdict(other, documents) == "not found", claim.id


@pytest.mark.parametrize("provider", list(CATALOG), ids=lambda provider: provider.slug)
def test_documented_rules_cite_the_providers_own_documents(provider: Provider) -> None:
    for claim in proofs.claims(provider):
        file, _, section = claim.source.partition("#")
        assert file in provider.documents, claim.id
        assert file in proofs.SOURCES["documents"], claim.id
        assert section, claim.id


def page(folder: Path) -> Path:
    (folder / FILE).write_text(PAGE, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("keyword", "value", "heading", "path"),
    [
        ("minItems", 2, "1. Limits", ("items",)),
        ("maxItems", 5, "1. Limits", ("items",)),
        ("maxBytes", 7 * 2**20, "1. Limits", ("picture",)),
        ("type", "string", "1.1 Members", ("colour",)),
        ("required", True, "1.1 Members", ("colour",)),
        ("type", "integer", "1.1 Members", ("depth",)),
        ("const", 200, "2. Answer", ("code",)),
        ("type", "string", "2. Answer", ("items", "*", "link")),
        ("required", True, "2. Answer", ("items",)),
        ("minItems", 1, "2. Answer", ("items",)),
    ],
)
def test_usual_spellings_are_found(
    tmp_path: Path, keyword: str, value: object, heading: str, path: tuple[str, ...]
) -> None:
    claim = Claim("id", keyword, value, f"{FILE}#{heading}", path, is_answer=True)
    assert proofs.verdict(claim, page(tmp_path)) == "found"


@pytest.mark.parametrize(
    ("keyword", "value", "heading", "path", "comment", "expected"),
    [
        ("maxItems", 6, "1. Limits", ("items",), "", "not found"),
        ("maxItems", 6, "1. Limits", ("items",), "It follows.", "explained"),
        ("maxItems", 5, "2. Answer", ("items",), "", "not found"),
        ("type", "string", "1. Limits", ("colour",), "", "not found"),
        ("required", True, "1.1 Members", ("depth",), "", "not found"),
        ("type", "object", "1.1 Members", ("colour",), "", "not found"),
        (
            "maxItems",
            5,
            "3. Nothing",
            ("items",),
            "It follows.",
            'no section: expected one section "3. Nothing", got 0',
        ),
    ],
)
def test_what_the_section_does_not_say_is_not_found(
    tmp_path: Path, keyword: str, value: object, heading: str, path: tuple[str, ...], comment: str, expected: str
) -> None:
    claim = Claim("id", keyword, value, f"{FILE}#{heading}", path, must_be_said=True, comment=comment)
    assert proofs.verdict(claim, page(tmp_path)) == expected


def test_parameter_ends_where_the_next_begins() -> None:
    text = "Parameters\nsizestringOptionalAt most 5negative_sizestringOptionalAt most 6colourstringRequired"
    assert proofs.narrowed(text, ["Parameters"], "Parameters, size") == "sizestringOptionalAt most 5"
    assert proofs.narrowed(text, ["Parameters"], "Parameters, negative_size, At most") == "At most 6"


@pytest.fixture(name="writer", scope="module")
def writer_() -> ModuleType:
    file = Path(__file__).parents[2] / "docs" / "sources.py"
    spec = importlib.util.spec_from_file_location("sources", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_of_sources_is_up_to_date(writer: ModuleType) -> None:
    assert writer.PAGE.read_text("utf-8") == writer.page(), "docs/sources.md is out of date; `make sources` writes it"


def test_public_pages_have_address_and_date_and_are_cited(writer: ModuleType) -> None:
    pages = proofs.SOURCES["pages"]
    assert {name for provider in CATALOG for name in writer.pages_of(provider)} == pages.keys()
    for name, entry in pages.items():
        assert entry["addresses"], name
        assert all(address.startswith("https://") for address in entry["addresses"]), name
        assert type(entry["read"]) is date, name
    assert known_pages() == tuple(
        SourcePage(name, tuple(entry["addresses"]), entry["read"]) for name, entry in pages.items()
    )


def test_documents_are_those_of_the_providers() -> None:
    assert {file for provider in CATALOG for file in provider.documents} == proofs.SOURCES["documents"].keys()


@pytest.mark.parametrize("provider", list(CATALOG), ids=lambda provider: provider.slug)
def test_people_read_the_names_of_documents(provider: Provider) -> None:
    for source in {claim.source for claim in proofs.claims(provider)}:
        file, _, section = source.partition("#")
        assert cited(source) == f"{proofs.SOURCES['documents'][file]['name']}, {section}"


@pytest.mark.parametrize(
    "source", ["published: Acme, API reference", "observed: production", "007_0123456789abcdef.txt#3"]
)
def test_what_is_not_listed_keeps_its_text(source: str) -> None:
    assert cited(source) == source
