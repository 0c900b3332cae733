"""What was run is told by a table that anybody can make again of the record."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from simulation.record import BEGIN, END, main


def line(first, crashes, failed=(), commit="abc1234"):
    return json.dumps(
        {
            "first": first,
            "end": first + 100,
            "commit": commit,
            "crash_points": crashes,
            "crashes": {"before write": crashes - 1, "after cloud": 1},
            "faults": {"crash": crashes, "slow": 2},
            "runs": 100,
            "operations": 1000,
            "cpu_seconds": 36.0,
            "failed": list(failed),
        }
    )


def test_a_record_becomes_the_tables_of_the_page(tmp_path):
    """By commit, with what failed; the rest of the page stays as it is."""
    record, page = tmp_path / "record.jsonl", tmp_path / "page.md"
    record.write_text("\n".join([line(0, 10), line(100, 20, [117]), line(500, 5, commit="def")]))
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main([str(record), "--page", str(page)]) == 0
    assert (
        page.read_text()
        == f"""before
{BEGIN}

| commit | seeds | runs | operations | crash points | other faults | failed | CPU |
|---|---|---|---|---|---|---|---|
| abc1234 | 0 to 199 | 200 | 2,000 | 30 | 4 | 117 | 0.02 h |
| def | 500 to 599 | 100 | 1,000 | 5 | 2 | 0 | 0.01 h |
| all |  | 300 | 3,000 | 35 | 6 | 117 | 0.03 h |

| fault | how many |
|---|---|
| crash after cloud | 3 |
| crash before write | 32 |
| slow | 6 |

{END}
after
"""
    )
