"""`qwenmock provider`: make a provider's folder from an OpenAPI document, and explain what is wrong with one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qwenmock.mockserver.commands import parameters as types
from qwenmock.mockserver.commands.base import Command, Group

if TYPE_CHECKING:
    from qwenmock.mockserver.provider_folders.new import MadeProvider

MY_SCHEMAS = Path("my-schemas")
WRONG = 1


@dataclass(frozen=True)
class NewOptions:
    """What to make a provider from.

    Attributes:
        slug: The provider's name, and that of its folder.
        openapi: Path or URL of the document.
        schemas: The folder that gets the provider's folder.

    """

    slug: str
    openapi: str
    schemas: Path


@dataclass(frozen=True)
class CheckOptions:
    """What to check.

    Attributes:
        folder: The provider's folder.

    """

    folder: Path


def new_provider(options: NewOptions) -> int:
    """Make a provider's folder, and say what could not be taken over."""
    from qwenmock.mockserver.provider_folders.files import check_place
    from qwenmock.mockserver.provider_folders.new import check_slug, made_from

    check_slug(options.slug)
    folder = options.schemas / options.slug
    check_place(folder)
    made = made_from(options.openapi)
    made.write(folder)
    _tell(made, folder)
    return 0


def _tell(made: "MadeProvider", folder: Path) -> None:
    from qwenmock.mockserver.provider_folders.reading import printable

    print(f"{printable(str(folder))}: {made.title}")
    for name, endpoint in made.table["endpoints"].items():
        print(f"  {name}: {endpoint['method']} {printable(endpoint['path'])}")
    for heading, notes in (
        ("not taken over", made.notes.left_out),
        ("assumed, because the document does not say it", made.notes.assumed),
    ):
        if notes:
            print(f"\n{heading}:")
            print("\n".join(f"  {note}" for note in notes))
    print(f"\nnext: qwenmock provider check {printable(str(folder))}")
    print(f"      qwenmock serve --schemas {printable(str(folder.parent))}")
    print(f"      qwenmock check --schemas {printable(str(folder.parent))}")


def check_provider(options: CheckOptions) -> int:
    """Print what is wrong with a provider's folder, and what is still assumed."""
    from qwenmock.mockserver.provider_folders.check import examine
    from qwenmock.mockserver.provider_folders.reading import printable
    from qwenmock.schemas.wording import counted

    found = examine(options.folder)
    for mistake in found.mistakes:
        print(mistake)
    for text in found.assumed if not found.mistakes else ():
        print(f"assumed: {text}")
    print(f"{printable(str(options.folder))}: {counted(len(found.mistakes), 'mistake')}")
    return WRONG if found.mistakes else 0


command = Group(
    "provider",
    [
        Command(
            "new",
            new_provider,
            NewOptions,
            params=[
                click.Argument(["slug"], type=types.TEXT, metavar="SLUG"),
                click.Option(
                    ["--openapi"],
                    type=types.Parsed("text", types.parse_text, files="file"),
                    metavar="FILE|URL",
                    required=True,
                    help="The gateway's OpenAPI 3 document, in JSON, or in YAML if PyYAML is installed.",
                ),
                click.Option(
                    ["--schemas"],
                    type=types.FOLDER,
                    metavar="DIR",
                    default=MY_SCHEMAS,
                    show_default=True,
                    help="Folder of the catalogue that gets the provider's folder.",
                ),
            ],
            help="""Make the folder of a provider from its OpenAPI document, and say what could not be taken over.

            Only the document itself is read: what it refers to elsewhere is not fetched.
            """,
            example="qwenmock provider new acme --openapi acme.openapi.json",
        ),
        Command(
            "check",
            check_provider,
            CheckOptions,
            params=[click.Argument(["folder"], type=types.FOLDER, metavar="DIR")],
            help="""Explain what is wrong with the folder of a provider, with file and place, and what is still assumed.

            Exit code 0: nothing is wrong; 1: something is.
            """,
            example="qwenmock provider check my-schemas/acme",
        ),
    ],
    metavar="ACTION",
    help="Make the folder of a provider, and check it.",
    example="qwenmock provider new acme --openapi acme.openapi.json",
)
