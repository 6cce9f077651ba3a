"""Every rule of every request, on both sides of its boundary."""

from collections.abc import Iterator
from itertools import islice

from qwenmock.pytest_plugin.examiner.bodies import example, put, smallest
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.checks.single_request import accept, reject
from qwenmock.pytest_plugin.examiner.json_values import as_object
from qwenmock.pytest_plugin.examiner.results import SIDES, NotExaminable, Side
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.session import Examiner, Tried
from qwenmock.schemas.models import Rule, Variant
from qwenmock.schemas.vocabulary import JSON, select, walk

UNDOCUMENTED = "undocumented"
"""A member that no document names."""


def examine_rule(examiner: Examiner, variant: Variant, rule: Rule) -> None:
    """Try a rule on both sides of its boundary: one body that must be accepted, then all that must be refused.

    A refusal counts only beside an accepted twin: a server may refuse for another reason.

    Raises:
        ContractViolation: The rule does not hold.
        NotExaminable: No request breaks or keeps only this rule, or none could be sent.

    """
    accepted, refused = witnesses(examiner, variant, rule)
    if not accepted and not refused:
        raise NotExaminable("no request keeps or breaks only this rule")
    unaffordable: OverBudget | None = None
    undecided: NotExaminable | None = None
    tried = False
    for edit, body in accepted[:1]:
        try:
            accept(examiner, variant, body, edit)
            tried = True
        except OverBudget as error:
            unaffordable = error
        except NotExaminable as error:
            # Without its twin a refusal proves nothing. An accepted wrong body is a violation all the same.
            undecided = error
    for edit, body in refused:
        try:
            reject(examiner, variant, body, edit)
            tried = True
        except OverBudget as error:
            unaffordable = error
    if undecided is not None:
        raise undecided
    if unaffordable is not None and not tried:
        raise unaffordable


def examine_accepted_values(examiner: Examiner, variant: Variant, rule: Rule) -> None:
    """Try the other values that keep a rule: each format, each listed value, each script.

    Raises:
        ContractViolation: One of them is not accepted.

    """
    accepted, _ = witnesses(examiner, variant, rule)
    for edit, body in accepted[1:]:
        accept(examiner, variant, body, edit)


def examine_rule_of_other_models(examiner: Examiner, variant: Variant, rule: Rule) -> None:
    """Try a rule on both sides of its boundary with each model but the first, and every value of a list.

    Raises:
        ContractViolation: It does not hold for one of them.
        NotExaminable: The variant has one model, or the rule is about the model.

    """
    if len(variant.models) == 1 or rule.path == ("model",):
        raise NotExaminable("this rule concerns one model, which is tried elsewhere")
    for model in variant.models[1:]:
        # Listed values, and numbers of parts, are few and each can be wrong; so are the types of a value.
        accepted = found_edits(examiner, variant, rule, "accept", model)
        for edit, body in accepted if rule.keyword == "enum" or "." in rule.keyword else islice(accepted, 1):
            accept(examiner, variant, body, edit, max_pictures=0)
        refused = found_edits(examiner, variant, rule, "reject", model)
        for edit, body in refused if rule.keyword == "type" else islice(refused, 1):
            reject(examiner, variant, body, edit)


def found_edits(
    examiner: Examiner, variant: Variant, rule: Rule, side: Side, model: str | None = None
) -> Iterator[tuple[Edit, JSON]]:
    """Yield the bodies of a model that keep a rule, or those that break it and no other."""
    base = example(variant, model)
    for edit in examiner.edits_of(examiner.provider, variant, rule):
        may_be_sent = not (edit.possibly_billable and examiner.live)
        if edit.side == side and may_be_sent:
            body = edit.change(base)
            if _is_as_meant(edit, broken_rules(variant.request, body)):
                yield edit, body


def witnesses(examiner: Examiner, variant: Variant, rule: Rule) -> tuple[Tried, Tried]:
    """Return the bodies that keep a rule, and those that break it and no other."""
    known = examiner.witnesses.get(rule.id)
    if known is None:
        accepted, refused = (list(found_edits(examiner, variant, rule, side)) for side in SIDES)
        known = examiner.witnesses[rule.id] = accepted, refused
    return known


def _is_as_meant(edit: Edit, broken: set[Rule]) -> bool:
    """Return whether a body breaks what an edit must break, and nothing that gets another answer."""
    if edit.may_break_others:
        return edit.rule in broken and {rule.error for rule in broken} == {edit.rule.error}
    return broken == ({edit.rule} if edit.side == "reject" else set())


def accept_undocumented(examiner: Examiner, variant: Variant) -> None:
    """Add a member that no document names to each object of a body: the request must succeed as without it.

    Raises:
        NotExaminable: The target is live: no money is spent on an assumption.

    """
    if examiner.live:
        raise NotExaminable("no document says that undocumented members are ignored: not tried on a live target")
    rule = examiner.provider.http_rule("body/additionalProperties")
    schema, base = variant.request.schema, example(variant)
    for path, subschema in walk(schema):
        if "properties" in subschema:
            whole = as_object(next(iter(select(base, path)), None) or smallest(subschema))
            body = put(schema, base, path, {**whole, UNDOCUMENTED: "x"})
            note = f"{'.'.join((*path, UNDOCUMENTED))}: x"
            accept(examiner, variant, body, Edit(rule, "accept", note, lambda body: body), max_pictures=0)
