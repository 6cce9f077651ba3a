"""`make bench`: tables that can be pasted into docs/explanation/performance.md.

    cpu         CPU time per request in one process, without sockets
    throughput  requests per second, CPU time per request and p99 beside other servers, under the same load
    first       as a CI job sees it: requests answered in the first 10 s after the command was typed
    parts       the examiner, the plugin's import, the fixture between two tests, memory after large bodies

`make bench TABLES="cpu first"` makes some of them. None takes longer than `--minutes`: rounds that there is no time for
are left out, and the table says how many there were.
"""

import argparse
import sys
from collections.abc import Callable

from benchmarks import cpu, first, parts, throughput
from benchmarks.tables import Deadline, heading

TABLES: dict[str, Callable[[Deadline], str]] = {
    "cpu": cpu.table,
    "throughput": throughput.table,
    "first": first.table,
    "parts": parts.table,
}
MINUTES = 9.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"some of {', '.join(TABLES)} (default: all)")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"most minutes for each (default {MINUTES:g})")
    options = parser.parse_args()
    unknown = [name for name in options.tables if name not in TABLES]
    if unknown:
        parser.error(f"expected some of {', '.join(TABLES)}, got {unknown[0]}")
    print(heading(), flush=True)
    for name in options.tables or TABLES:
        print(f"making the table {name}", file=sys.stderr, flush=True)
        print(f"\n{TABLES[name](Deadline(options.minutes * 60))}", flush=True)


if __name__ == "__main__":
    main()
