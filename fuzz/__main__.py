"""`make fuzz`: grammar and broken text for half of the time, atheris with coverage for the rest."""

import contextlib
import os
import subprocess
import sys
import traceback
from pathlib import Path

from fuzz.grammar import Grammar
from fuzz.tame import Tame
from fuzz.targets import MOST_GROWTH_MB, as_block, deadline, resident_mb, try_all

FOUND = Path("var/fuzz")


def inputs(seed: int) -> tuple[str, str, str]:
    """Template, environment and nested template of a seed."""
    grammar = Tame(seed) if Grammar(f"{seed} tame").odds(0.4) else Grammar(seed)
    text = grammar.text(grammar.data())
    if grammar.odds(0.5):
        text = as_block(text)
    if grammar.odds(0.1 if isinstance(grammar, Tame) else 0.4):
        text = grammar.broken(text)
    environment = grammar.text(grammar.environment())
    child = Grammar(f"{seed} child")
    other = child.environment() if child.odds(0.3) else child.data()
    return text, environment, child.text(other)


def by_grammar(seconds: float, first: int) -> int:
    """Seeds until the time is up; the number of inputs that escaped."""
    over = deadline(seconds)
    seed, bad, start = first, 0, resident_mb()
    while not over():
        given = inputs(seed)
        for target, error in try_all(*given).items():
            bad += 1
            print(f"seed {seed}: {target}: {type(error).__name__}: {error}"[:300])
            if bad <= 5:
                traceback.print_exception(error)
            with contextlib.suppress(OSError, UnicodeError):
                FOUND.mkdir(parents=True, exist_ok=True)
                (FOUND / f"{seed}.yaml").write_text("\n---\n".join(given), encoding="utf-8")
        seed += 1
    grown = resident_mb() - start
    print(f"grammar: {seed - first} inputs, {bad} escaped, memory grew by {grown:.0f} MiB")
    return bad + (grown > MOST_GROWTH_MB)


def by_coverage(seconds: int) -> int:
    """Atheris in a process of its own: libFuzzer ends the process it runs in."""
    if seconds < 1:
        return 0
    corpus = FOUND / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in range(40):
        with contextlib.suppress(UnicodeError):
            (corpus / f"seed-{seed}").write_text(inputs(seed)[0], encoding="utf-8")
    return subprocess.run(
        [
            sys.executable, "-m", "fuzz.coverage", str(corpus), f"-max_total_time={seconds}",
            f"-artifact_prefix={FOUND}/", "-max_len=4096", "-timeout=20", "-rss_limit_mb=2048",
        ],
        check=False,
    ).returncode  # fmt: skip


def main() -> int:
    """Both halves; 1 when anything escaped."""
    seconds = int(os.environ.get("SECONDS_TO_FUZZ", "120"))
    first = int(os.environ.get("SEED", "0"))
    bad = by_grammar(seconds / 2, first)
    try:
        import atheris  # noqa: F401, PLC0415 - there is no wheel for every platform
    except ImportError:
        print("atheris is not installed here: the grammar takes all of the time")
        return bool(bad + by_grammar(seconds / 2, first + 10**6))
    return bool(bad + by_coverage(seconds // 2))


if __name__ == "__main__":
    sys.exit(main())
