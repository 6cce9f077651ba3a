"""Servers that are wrong for one model only, which is not the first of its variant."""

from collections.abc import Iterator
from dataclasses import replace

from wrong_servers.faults import Fault, changed_checks

from qwenmock.schemas.models import Provider, Variant


def faults(provider: Provider) -> Iterator[Fault]:
    """Yield each limit that is one off, for the last model of each variant that has several."""
    for fault in changed_checks(provider):
        variant = provider.variants[fault.name.partition("/")[0]]
        if len(variant.models) > 1 and any(step in fault.name for step in (" +1", " -1", "takes", "lacks", "optional")):
            yield replace(
                fault,
                name=f"{fault.name}, for {variant.models[-1]}",
                change=lambda whole, fault=fault, variant=variant: _for_last_model(whole, variant, fault),
                check="test_rule_holds_for_every_model",
            )


def _for_last_model(provider: Provider, variant: Variant, fault: Fault) -> Provider:
    """Return the provider with a variant of its own for a variant's last model, which has the changed schema."""
    assert fault.change is not None, "each of them changes the catalogue"
    changed = fault.change(provider).variants[variant.name]
    other = replace(changed, name=f"{variant.name}-last", models=variant.models[-1:])
    first = replace(variant, models=variant.models[:-1])
    variants = {**provider.variants, first.name: first, other.name: other}
    endpoints = {
        name: replace(
            endpoint,
            variants=tuple(
                each
                for old in endpoint.variants
                for each in ((first, other) if old.name == variant.name else (variants[old.name],))
            ),
        )
        for name, endpoint in provider.endpoints.items()
    }
    return replace(provider, variants=variants, endpoints=endpoints)
