"""What `qwenmock listen` answers and lists."""

import asyncio

import httpx
import pytest

from qwenmock.pytest_plugin.testkit.callback_receiver import create_listener


def posted(*urls: str) -> tuple[list[int], list[dict[str, object]]]:
    """Return the statuses that callbacks to these URLs get, and the list afterwards."""

    async def post() -> tuple[list[int], list[dict[str, object]]]:
        transport = httpx.ASGITransport(create_listener(None, 0, lambda _: None))
        async with httpx.AsyncClient(transport=transport, base_url="http://hooks.example.com") as client:
            statuses = [(await client.post(url, json={"id": "a"})).status_code for url in urls]
            return statuses, (await client.get("/")).json()

    return asyncio.run(post())


def test_callbacks_are_answered_as_their_url_says() -> None:
    first, other = "/hook?callback=1&answers=500,503", "/hook?callback=2&answers=404"
    statuses, listed = posted(first, other, first, first, "/plain")
    assert statuses == [500, 404, 503, 200, 200]
    assert [entry["status"] for entry in listed] == statuses
    assert listed[0]["url"] == f"http://hooks.example.com{first}"
    assert (listed[0]["method"], listed[0]["body"]) == ("POST", '{"id":"a"}')
    assert isinstance(listed[0]["headers"], dict)
    assert isinstance(listed[0]["at"], float)


@pytest.mark.parametrize("answers", ["", "x", "99", "600", "-1", "5000", "٥٠٠", "1" * 5000, ","])
def test_answers_that_are_no_statuses_are_a_200(answers: str) -> None:
    assert posted(f"/?answers={answers}")[0] == [200]
