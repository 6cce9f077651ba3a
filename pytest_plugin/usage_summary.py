"""What users' tests ran under, the scenarios, and the summary of what they used of the double.

The hooks of `plugin` call this. Imports the catalogue, so that it is imported only by runs that used the double.
"""

import pytest

from qwenmock.mockserver.calls.scenarios import scenario_names
from qwenmock.mockserver.settings import unknown
from qwenmock.pytest_plugin.options import Options
from qwenmock.pytest_plugin.testkit import usage
from qwenmock.pytest_plugin.testkit.usage import Usage
from qwenmock.schemas.catalog import load


def scenarios_of(options: Options) -> list[str]:
    """Return the names of the scenarios that marked tests run under.

    Raises:
        pytest.UsageError: There is no scenario of a name.

    """
    names = scenario_names() if options.scenarios == ("all",) else [*options.scenarios]
    for name in names:
        if name not in scenario_names():
            raise pytest.UsageError(f"--qwenmock-scenarios: {unknown('scenario', name, scenario_names())}")
    return names


def write_usage(used: Usage, options: Options) -> None:
    """Write the reports that the options name."""
    for path in options.usage_reports:
        usage.write(used, load(), path)


def usage_lines(used: Usage) -> list[str]:
    """Return the lines of the terminal's summary; none if the double was not called."""
    return list(usage.lines(used, load())) if any(use.calls for use in used.uses) else []


def overspent(used: Usage, options: Options) -> str:
    """Return that the run would have cost too much; "" if it would not."""
    total = used.total()
    if options.max_cost is None or all(amount <= options.max_cost for amount in total.values()):
        return ""
    return f"the run would have cost {usage.money(total)}, more than --qwenmock-max-cost {options.max_cost}"
