"""Several runs of a command at once, each in a process of its own with its own double.

Their output is kept in files and shown when they have ended, one after another; they read nothing from the terminal.
"""

import pickle
import subprocess
import sys
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.programs.process import Signals, private_folder, process_group, say
from qwenmock.pytest_plugin.programs.session import Hosts, run
from qwenmock.pytest_plugin.programs.summary import Conditions, Summary, summary_of


@dataclass(frozen=True)
class Order:
    """What one of the processes is to run."""

    command: tuple[str, ...]
    settings: Settings
    hosts: Hosts
    conditions: Conditions


def run_each(orders: Sequence[Order], at_once: int) -> list[Summary]:
    """Run every order, so many at once; return their summaries, in order; fewer if a signal has ended them.

    Raises:
        SettingsError: One of the processes has ended without a result.

    """
    with private_folder() as (folder, watch), Signals() as signals, process_group(watch) as group:
        signals.forward_to(group)
        waiting = list(enumerate(orders))
        running: dict[int, subprocess.Popen[bytes]] = {}
        while waiting or running:
            while waiting and len(running) < at_once and not signals.is_ending:
                number, order = waiting.pop(0)
                running[number] = _start(order, folder / str(number), group)
            ended = [number for number, process in running.items() if process.poll() is not None]
            for number in ended:
                del running[number]
                _show(folder / str(number), orders[number].settings.scenario or "")
            if signals.is_ending and not running:
                break
            if not ended:
                signals.wait()
        found = [*_summaries(folder / str(number) for number in range(len(orders)))]
    if len(found) < len(orders) and not signals.is_ending:
        raise SettingsError("a run has ended without a result; what it wrote is above")
    return found


def _start(order: Order, folder: Path, group: int) -> subprocess.Popen[bytes]:
    folder.mkdir()
    (folder / "order").write_bytes(pickle.dumps(order))
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            process_group=group,
        )


def _show(folder: Path, scenario: str) -> None:
    """Write what a run has written, with the name of its scenario before it."""
    say(f"{scenario}:")
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        if stream is not None:
            stream.buffer.write((folder / name).read_bytes())
            stream.flush()


def _summaries(folders: Iterable[Path]) -> Generator[Summary]:
    for folder in folders:
        if (folder / "summary").exists():
            found: Summary = pickle.loads((folder / "summary").read_bytes())
            yield found


def main(arguments: Sequence[str]) -> int:
    """Run the order in a folder, and put its summary beside it."""
    folder = Path(arguments[0])
    order: Order = pickle.loads((folder / "order").read_bytes())
    summary = summary_of(run(order.command, order.settings, order.hosts), order.conditions)
    (folder / "summary").write_bytes(pickle.dumps(summary))
    return summary["exit_code"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
