"""Signatures of callbacks, also compared with the official package of Standard Webhooks."""

import base64
from datetime import UTC, datetime

import pytest
import standardwebhooks

from qwenmock.mockserver.net.webhook_signatures import MAX_DIGITS, TOLERANCE_SECONDS, headers, key_of, problem

SECRET = "whsec_" + base64.b64encode(b"a secret for tests").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret").decode()
NOW = 1_700_000_000
BODY = '{"id": "task-1", "text": "猫"}'.encode()
NOT_NEAR = "more than 300 s from now"
FORGED = "its signature is not that of its content"


def signed(**changes: str) -> dict[str, str]:
    return headers(SECRET, "msg_1", NOW, BODY) | {name.replace("_", "-"): value for name, value in changes.items()}


def judged(received: dict[str, str], body: bytes = BODY, now: float = NOW, secret: str = SECRET) -> str | None:
    return problem(secret, received, body, now)


def test_key() -> None:
    assert key_of(SECRET) == b"a secret for tests"


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!", "whsec_YQ", SECRET.removeprefix("whsec_"), "whsec YQ==", "whsec_YW\nFh"]
)
def test_what_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="expected whsec_ followed by base64"):
        key_of(secret)


def test_own_signature_is_right() -> None:
    assert signed()["webhook-timestamp"] == str(NOW)
    assert judged(signed()) is None


@pytest.mark.parametrize("offset", [-TOLERANCE_SECONDS, -1, 1, TOLERANCE_SECONDS])
def test_stamps_near_now_are_right(offset: int) -> None:
    assert judged(signed(), now=NOW - offset) is None


@pytest.mark.parametrize("offset", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1, 10**9])
def test_stamps_of_the_past_and_the_future_are_refused(offset: int) -> None:
    stamp = NOW + offset
    assert NOT_NEAR in str(judged(headers(SECRET, "msg_1", stamp, BODY)))


@pytest.mark.parametrize("stamp", ["x", "-1", "1e9", "１７", " 1700000000", "1700000000.0", "9" * 5000])
def test_what_is_no_stamp_is_refused(stamp: str) -> None:
    found = str(judged(signed(webhook_timestamp=stamp)))
    assert NOT_NEAR in found
    assert len(found) < 100


def test_stamp_of_most_digits() -> None:
    assert MAX_DIGITS == 20
    longest = str(NOW).zfill(MAX_DIGITS)
    assert judged(signed(webhook_timestamp=longest)) == FORGED
    assert NOT_NEAR in str(judged(signed(webhook_timestamp="0" + longest)))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_header_that_is_missing_or_empty(name: str) -> None:
    without = {key: value for key, value in signed().items() if key != name}
    assert judged(without) == "it is not signed"
    assert judged(signed() | {name: ""}) == "it is not signed"


def test_every_changed_part_is_noticed() -> None:
    assert judged(signed(webhook_id="msg_2")) == FORGED
    assert judged(signed(webhook_timestamp=str(NOW + 1))) == FORGED
    assert judged(signed(), secret=OTHER) == FORGED
    for place in range(len(BODY)):
        assert judged(signed(), BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]) == FORGED
    signature = signed()["webhook-signature"]
    for place in range(3, len(signature) - 2):
        changed = signature[:place] + ("A" if signature[place] != "A" else "B") + signature[place + 1 :]
        assert judged(signed(webhook_signature=changed)) == FORGED


@pytest.mark.parametrize("signature", ["v1,", "v1", "v1a,{0}", "v2,{0}", "{0}", "v1,{0},v1", "v1,é"])
def test_what_is_no_signature(signature: str) -> None:
    value = signature.format(signed()["webhook-signature"].removeprefix("v1,"))
    assert judged(signed(webhook_signature=value)) == FORGED


def test_one_right_signature_among_several_is_enough() -> None:
    wrong = headers(OTHER, "msg_1", NOW, BODY)["webhook-signature"]
    both = f"v2,x {wrong} {signed()['webhook-signature']}"
    assert judged(signed(webhook_signature=both)) is None


def test_official_package_accepts_these_signatures_and_makes_the_same() -> None:
    now = datetime.now(UTC)
    official = standardwebhooks.Webhook(SECRET)
    made = headers(SECRET, "msg_1", int(now.timestamp()), BODY)
    assert official.verify(BODY, made) == {"id": "task-1", "text": "猫"}
    assert official.sign("msg_1", now, BODY.decode()) == made["webhook-signature"]
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        official.verify(BODY + b" ", made)
