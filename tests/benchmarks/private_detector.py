"""How much of what is private the chat's detector finds, and how much of what it finds is private; by kind.

    python -m benchmarks.private_detector [--each 100] [--seed 1]

Run it with `tests`, `scripts` and `services/chainlit` on the path. Everything is made up. The texts that are labelled
by hand were there while the detector was written, those held out were not looked at; those of the library (Faker) vary
with the seed.
"""

from __future__ import annotations

import argparse

from fakes.private_texts import HELD_OUT, corpus, harmless, made_up, scores, table


def main() -> None:
    """Measure, and print a table for each set of texts."""
    parser = argparse.ArgumentParser(description="How well the chat finds what is private.")
    parser.add_argument("--each", type=int, default=100, help="of each kind and country; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    given = parser.parse_args()
    for name, texts in (
        ("labelled by hand", corpus()),
        ("held out", corpus(HELD_OUT)),
        ("made up", made_up(given.each, given.seed)),
        ("made up, harmless", harmless(10 * given.each, given.seed)),
    ):
        print(f"--- {name}: {len(texts)} texts\n{table(scores(texts))}\n")


if __name__ == "__main__":
    main()
