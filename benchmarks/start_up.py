"""How long ``iceframe --help`` takes, beside an interpreter that does nothing and one that imports
Typer and Rich, which any such command line must.

    python benchmarks/start_up.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15
HELP = "import sys; sys.argv = ['iceframe', '--help']; from iceframe.cli import main; main()"
CASES = {
    "iceframe --help": HELP,
    "import typer, rich.console, rich.table": "import typer, rich.console, rich.table",
    "python -c pass": "pass",
}


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(RUNS):  # in turn, so that all meet the same load
        for name, code in CASES.items():
            taken[name].append(seconds(code))
    whole = statistics.median(taken["iceframe --help"])
    print("| command | median, s | largest, s | iceframe --help ÷ this |")
    print("|---|---|---|---|")
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"| `{name}` | {median:.2f} | {max(values):.2f} | {whole / median:.1f} |")


if __name__ == "__main__":
    main()
