"""Anything in any order: accounts, creates, task queries, faults and the clock."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.session import PROFILES, Examiner
from qwenmock.pytest_plugin.examiner.stateful import machine_for


def test_money_time_and_tasks_stay_consistent(contract_examiner: Examiner) -> None:
    """Whatever happens in whatever order: the money adds up, tasks go forward, links end with their hour."""
    if contract_examiner.control is None:
        raise NotExaminable("only a target whose clock and faults can be set is taken through every state")
    _, examples = PROFILES[contract_examiner.profile]
    how = settings(contract_examiner.hypothesis_settings(), max_examples=examples // 5 or 1, stateful_step_count=15)
    run_state_machine_as_test(machine_for(contract_examiner), settings=how)
