"""`python -m fuzz`; `make fuzz` calls it."""

import argparse
import secrets

from fuzz.bodies import bodies
from fuzz.catalogs import catalogs
from fuzz.http_bytes import http_bytes
from fuzz.images import images
from fuzz.recordings import har, recordings
from fuzz.run import Fuzzer, OpenTarget, table

TARGETS: dict[str, OpenTarget] = {
    "http": http_bytes,
    "bodies": bodies,
    "images": images,
    "recordings": recordings,
    "har": har,
    "catalogs": catalogs,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Send wrong input to everything that reads input of others.")
    parser.add_argument("--minutes", type=float, default=3, help="how long in total (default 3)")
    parser.add_argument("--seed", type=int, help="repeat the inputs of a run (default: a random seed)")
    parser.add_argument("--only", metavar="TARGET[:INPUT]", help=f"one target ({', '.join(TARGETS)}), or one input")
    options = parser.parse_args()
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    name, _, number = (options.only or "").partition(":")
    if name and name not in TARGETS:
        parser.error(f"expected one of {', '.join(TARGETS)}, got {name}")
    print(f"seed {seed}", flush=True)
    fuzzer = Fuzzer({name: TARGETS[name]} if name else TARGETS, seed, lambda text: print(text, flush=True))
    if number:
        fuzzer.run_input(name, int(number))
    else:
        fuzzer.run(options.minutes * 60)
    print("\n".join(table(fuzzer.tallies)))
    if any(tally.findings for tally in fuzzer.tallies.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
