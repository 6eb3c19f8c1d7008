"""Print what came of spaCy's tests, target by target."""

import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import TARGETS, run

OUTCOMES = ("passed", "failed", "skipped", "left out")

with tempfile.TemporaryDirectory() as folder:
    tests = run(Path(folder))
table = Table(show_footer=True)
total = Counter(test.outcome for test in tests)
table.add_column("spaCy's tests", "all")
for outcome in OUTCOMES:
    table.add_column(outcome, str(total[outcome]), justify="right")
ours = sum(test.ours for test in tests)
table.add_column("of them with rnn_ner", str(ours), justify="right")
for target in TARGETS:
    own = [test for test in tests if test.target == target]
    counts = Counter(test.outcome for test in own)
    row = [str(counts[outcome]) for outcome in OUTCOMES]
    table.add_row(target, *row, str(sum(test.ours for test in own)))
console = Console(width=120)
console.print(table)
for test in tests:
    if test.outcome != "passed":
        console.print(f"{test.outcome}: {test.name}\n    {test.detail}", markup=False)
