"""The keys of an examination, and how they are kept out of what is printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from qwenmock.pytest_plugin.examiner.defaults import key_variable
from qwenmock.pytest_plugin.examiner.results import NotExaminable

LIMITED = frozenset({"limited", "throttled"})
"""Purposes of keys that run into a rate limit."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A provider's keys.

    Attributes:
        slug: The provider.
        key: The key that pays; None if there is none.
        special: Keys that cause an error, by purpose: `expired`, `empty`, `forbidden`, `limited`, `broken`.
        may_limit_rate: Whether a rate limit may be provoked.

    """

    slug: str
    key: str | None
    special: Mapping[str, str]
    may_limit_rate: bool = True

    def paying_key(self) -> str:
        """Return the key that pays.

        Raises:
            NotExaminable: There is none.

        """
        if self.key is None:
            raise NotExaminable(f"{key_variable(self.slug)} is not set")
        return self.key

    def key_for(self, purpose: str) -> str:
        """Return the key that causes an error.

        Raises:
            NotExaminable: There is none, or it may not be used.

        """
        if purpose not in self.special:
            variable = key_variable(self.slug, purpose)
            raise NotExaminable(f"this error needs a key made for it: {variable} is not set")
        if purpose in LIMITED and not self.may_limit_rate:
            raise NotExaminable("a rate limit is provoked only with --live-allow rate-limit")
        return self.special[purpose]

    def headers(self, key: str | None = None) -> dict[str, str]:
        """Return the headers of a JSON request, with the key that pays unless another is given."""
        return {"Authorization": f"Bearer {key or self.paying_key()}", "Content-Type": "application/json"}

    def mask_bytes(self, content: bytes) -> bytes:
        """Replace keys in a body of any encoding."""
        return self.mask(content.decode("latin-1")).encode("latin-1")

    def mask(self, text: str) -> str:
        """Replace keys by the names of their environment variables, as a shell reads them."""
        names = {key: key_variable(self.slug, purpose) for purpose, key in self.special.items()}
        names |= {self.key: key_variable(self.slug)} if self.key else {}
        for key in sorted(names, key=len, reverse=True):
            text = re.sub(rf"{re.escape(key)}(?=\w)", f"${{{names[key]}}}", text).replace(key, f"${names[key]}")
        for key, name in names.items():
            # The other forms in which wrong keys are tried.
            for form, masked in ((key.upper(), f"${{{name}^^}}"), (key[1:], f"${{{name}#?}}")):
                text = text.replace(form, masked) if len(form) > 3 else text
        return text
