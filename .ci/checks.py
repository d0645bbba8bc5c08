"""Prints the checks that the notebooks left in metrics.json and fails unless all of them passed.

usage: checks.py <results folder> <notebook name>...
"""
import json
import sys
from pathlib import Path


def number(value):
    return "-" if value is None else f"{value:.4g}"


def rows(folder, names):
    """Yields (notebook, item, what, value, exact, bound, passed); a notebook that checked nothing has failed."""
    for name in names:
        path = folder / name / "metrics.json"
        checks = json.loads(path.read_text()).get("checks") if path.exists() else None
        if not checks:
            yield name, "-", "left no checks in metrics.json", "", "", "", False
        for c in checks or []:
            yield (name, c["id"], c["what"], number(c["value"]), number(c.get("exact")),
                   f"{c['op']} {number(c['bound'])}", c.get("pass") is True)


def main():
    table = list(rows(Path(sys.argv[1]), sys.argv[2:]))
    cells = [("notebook", "item", "what", "value", "exact", "bound", "")]
    cells += [(*row[:-1], "pass" if row[-1] else "FAIL") for row in table]
    widths = [max(len(r[i]) for r in cells) for i in range(6)]
    for r in cells if table else []:
        print("  ".join(text.ljust(width) for text, width in zip(r, [*widths, 4])).rstrip())
    failed = sum(not row[-1] for row in table)
    print(f"notebook checks: {len(table) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
