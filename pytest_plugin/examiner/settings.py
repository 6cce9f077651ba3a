"""Settings of an examination: how much is tried, and what may be done to the target."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qwenmock.pytest_plugin.examiner.defaults import PICTURE


@dataclass(frozen=True, slots=True)
class Profile:
    """How much is tried. The bodies for each rule are listed, and all are sent: what they find is found every time.

    Attributes:
        examples: Random examples for each generated test.

    """

    examples: int


PROFILES: Mapping[str, Profile] = {
    "smoke": Profile(examples=10),
    "ci": Profile(examples=50),
    "deep": Profile(examples=1000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """Settings of one examination.

    Attributes:
        ledger: URL of a request's billing record, with `{request_id}` in it; None if the target has none.
        control: URL of the double's control API; None for a target without one.
        live: Whether requests cost real money.
        assume_limits: Whether values beyond a limit that is only documented must be refused, on a live target too.
        pace: Seconds between requests.
        image: URL of an image that a live target can fetch.
        profile: Name of the profile.
        seed: Of the random requests.
        deadline: When to stop, on the monotonic clock; None for no limit.
        bodies: Folder for the bodies of requests that failed and are long; None for a temporary folder.

    """

    ledger: str | None = None
    control: str | None = None
    live: bool = False
    assume_limits: bool = False
    pace: float = 0.0
    image: str = PICTURE
    profile: str = "ci"
    seed: int = 0
    deadline: float | None = None
    bodies: Path | None = None


DEFAULTS = SessionSettings()
