"""The smallest and the largest request, one for each model, and the requests that the documents print."""

from collections.abc import Iterable

from qwenmock.pytest_plugin.examiner.bodies import example, largest
from qwenmock.pytest_plugin.examiner.checks.single_request import accept
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant
from qwenmock.schemas.vocabulary import JSON


def accept_smallest(examiner: Examiner, variant: Variant) -> None:
    """Send the smallest valid body."""
    accept(examiner, variant, example(variant))


def accept_largest(examiner: Examiner, variant: Variant) -> None:
    """Send a body with every member, the most images in and the most images out."""
    accept(examiner, variant, largest(variant.request.schema))


def accept_every_model(examiner: Examiner, variant: Variant) -> None:
    """Send the smallest valid body for each model."""
    for model in variant.models:
        accept(examiner, variant, example(variant, model))


def accept_documented(examiner: Examiner, variant: Variant, requests: Iterable[JSON]) -> None:
    """Send the printed requests that keep the rules in force."""
    for request in requests:
        if not broken_rules(variant.request, request):
            accept(examiner, variant, request)
