"""Anything in any order: accounts, creates, task queries, faults and the clock."""

from qwenmock.pytest_plugin.examiner.checks.stateful import examine_any_order
from qwenmock.pytest_plugin.examiner.session import Examiner


def test_money_time_and_tasks_stay_consistent(contract_examiner: Examiner) -> None:
    """Whatever happens in whatever order: the money adds up, tasks go forward, links end with their lifetime."""
    examine_any_order(contract_examiner)
