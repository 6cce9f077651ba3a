"""Answer bodies as templates that are learnt from the dialect, which remains the only place that knows their shape.

A template is made by writing an answer with sentinel values, and splitting it where they stand. It is used only if it
also predicts an answer with other values: a dialect that writes more of a job than a template knows has none.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from qwenmock.mockserver.dialects import Dialect
from qwenmock.mockserver.models import Job, Result, Task
from qwenmock.schemas.models import Endpoint

Fill = Callable[[tuple[str | int, ...]], str]
"""Returns the body for the values of the fields; texts must be plain, as they stand in JSON."""


class Blank(NamedTuple):
    """Values that stand for those of a request: `fields` can be found in any text; of the job, none may be seen."""

    number: int
    fields: tuple[str | int, ...]


def success_template(dialect: Dialect, job: Job) -> Fill | None:
    """Return the body of a success, by request id, created, width, height and one URL for each image.

    Args:
        dialect: It writes the body.
        job: The model, the number of images, and whether there are input images are those of all its requests.

    """

    def write(blank: Blank) -> bytes:
        request_id, created, width, height, *urls = blank.fields
        body = dialect.success(
            Result(
                job=_job(job, blank),
                request_id=str(request_id),
                created=int(created),
                urls=tuple(map(str, urls)),
                width=int(width),
                height=int(height),
            )
        )
        return orjson.dumps(body)

    return _learn(write, *(_blank(number, ("", 0, 0, 0, *[""] * job.n)) for number in (1, 2)))


def created_template(dialect: Dialect, endpoint: Endpoint, job: Job, cost: Decimal) -> Fill | None:
    """Return the body that answers the creation of a task, by request id, created, width, height and task id.

    Args:
        dialect: It writes the body.
        endpoint: It is called.
        job: As for `success_template`.
        cost: What is reserved.

    """

    def write(blank: Blank) -> bytes:
        request_id, created, width, height, task_id = blank.fields
        seen = _job(job, blank)
        task = Task(
            id=str(task_id),
            provider=job.provider.slug,
            endpoint=endpoint.name,
            variant=job.variant.name,
            key=seen.prompt,
            request_id=str(request_id),
            model=job.model,
            prompt=seen.prompt,
            prompt_extend=seen.prompt_extend,
            # Where the part of a second is written too, the other blank's answer is not predicted.
            created=int(created) + blank.number / 4,
            starts=float(blank.number),
            ends=float(blank.number + 1),
            urls=(seen.prompt,) * job.n,
            width=int(width),
            height=int(height),
            failed=0,
            failure=None,
            callback_url=seen.callback_url,
            callback_fault=None,
            reserved=cost,
            input_images=len(job.images),
        )
        return orjson.dumps(dialect.created(job.provider, task))

    return _learn(write, *(_blank(number, ("", 0, 0, 0, "")) for number in (1, 2)))


def _blank(number: int, kinds: Sequence[str | int]) -> Blank:
    fields = [f"@{number}.{at}@" if kind == "" else 7_310_000_000 + 1000 * number + at for at, kind in enumerate(kinds)]
    return Blank(number, tuple(fields))


def _job(job: Job, blank: Blank) -> Job:
    """Return a job whose values differ from blank to blank, but for those that a template is made for."""
    text = f"@{blank.number}@"
    return job._replace(
        prompt=text,
        negative_prompt=text,
        size=(blank.number, blank.number),
        seed=blank.number,
        watermark=blank.number == 1,
        prompt_extend=blank.number == 1,
        images=(text,) * len(job.images),
        callback_url=text,
    )


def _learn(write: Callable[[Blank], bytes], known: Blank, check: Blank) -> Fill | None:
    places = {str(value): at for at, value in enumerate(known.fields)}
    pieces = re.split(f"({'|'.join(map(re.escape, places))})", write(known).decode())
    form = "%s".join(piece.replace("%", "%%") for piece in pieces[::2])
    order = [places[piece] for piece in pieces[1::2]]
    pick: Callable[[tuple[str | int, ...]], Any] = itemgetter(*order, 0, 0)  # of two or more it makes a tuple

    def fill(values: tuple[str | int, ...]) -> str:
        return form % pick(values)[:-2]

    return fill if fill(check.fields).encode() == write(check) else None
