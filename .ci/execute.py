"""Executes notebooks from top to bottom, stops at the first failing cell, and with --report writes what readers see.

usage: execute.py [--report] notebooks/<name>.ipynb...

The environment says how: SCORESDE_BUDGET (quick or full) and SCORESDE_RESULTS, the folder in which a notebook leaves
<name>/metrics.json, figures and samples. That folder is emptied first, so that nothing stale passes for a result.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

import report

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# What remains of a progress bar that cleared itself.
BLANK_HTML = re.compile(r"(<!--.*?-->|</?(div|span|p|br|pre)\b[^>]*>|&nbsp;|\s)*", re.DOTALL)


class Progress:
    """One line per notebook: rewritten in place on a terminal; elsewhere only slow cells get a line."""

    def __init__(self, name, cells):
        self.name, self.cells, self.start, self.cell_start = name, cells, time.monotonic(), 0.0
        self.live = sys.stdout.isatty()

    def begin(self, cell, cell_index):
        self.cell_start = time.monotonic()
        if self.live and cell.cell_type == "code":
            first = cell.source.strip().split("\n", 1)[0]
            self.show(f"cell {cell_index + 1}/{self.cells}  {clock(self.cell_start - self.start)}  {first[:60]}")

    def end(self, cell, cell_index, **_):
        took = time.monotonic() - self.cell_start
        if not self.live and took > 10:
            print(f"{self.name}: cell {cell_index + 1}/{self.cells} took {clock(took)}", flush=True)

    def show(self, text, end=""):
        print(f"\r\x1b[K{self.name}: {text}" if self.live else f"{self.name}: {text}", end=end, flush=True)

    def done(self, verdict):
        self.show(f"{verdict}, {self.cells} cells in {clock(time.monotonic() - self.start)}", end="\n")


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def execute(path, results):
    """Executes one notebook in place of its cells' outputs; returns it and the error of the failing cell, if any."""
    name = path.stem
    shutil.rmtree(results / name, ignore_errors=True)
    nb = nbformat.read(path, as_version=4)
    progress = Progress(name, len(nb.cells))
    client = NotebookClient(
        nb, kernel_name="gonb", resources={"metadata": {"path": str(path.parent)}}, timeout=None, startup_timeout=120,
        record_timing=False, coalesce_streams=True, extra_arguments=["-raw_error"],  # errors as text, not as HTML
        on_cell_start=progress.begin, on_cell_executed=progress.end)
    error = None
    try:
        client.execute(stderr=subprocess.DEVNULL)  # GoNB's own log; what cells write arrives as their outputs
    except (CellExecutionError, DeadKernelError) as e:
        error = e
    tidy(nb)
    progress.done("FAILED" if error else "done")
    return nb, error


def tidy(nb):
    """Drops outputs that show nothing and every mention of where the repository lies."""
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = [relocate(out) for out in cell.outputs if not is_blank(out)]


def is_blank(out):
    data = out.get("data")
    if data is None:
        return out.output_type == "stream" and not out.text.strip()
    return set(data) <= {"text/html", "text/plain"} and BLANK_HTML.fullmatch(data.get("text/html", "")) is not None \
        and not data.get("text/plain", "").strip()


def relocate(value):
    if isinstance(value, str):
        return value.replace(f"{report.ROOT}/", "").replace(str(report.ROOT), ".")
    if isinstance(value, dict):
        return type(value)((k, relocate(v)) for k, v in value.items())
    if isinstance(value, list):
        return [relocate(v) for v in value]
    return value


def explain(name, nb, error):
    """Prints the failing cell, what it wrote and its error."""
    failing = next((i for i, c in enumerate(nb.cells) if c.cell_type == "code"
                    and any(o.output_type == "error" for o in c.outputs)), None)
    if failing is None:
        print(f"{name}: {error}", file=sys.stderr)
        return
    cell = nb.cells[failing]
    print(f"\n{name}, cell {failing + 1}:\n{indent(cell.source)}\n", file=sys.stderr)
    for out in cell.outputs:
        if out.output_type == "stream":
            print(indent(last_lines(out.text, 40)), file=sys.stderr)
        elif out.output_type == "error":
            print(indent(last_lines("\n".join(out.traceback) or f"{out.ename}: {out.evalue}", 60)), file=sys.stderr)


def last_lines(text, n):
    return "\n".join(ANSI.sub("", text).rstrip().split("\n")[-n:])


def indent(text):
    return "\n".join("    " + line for line in text.split("\n"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--report", action="store_true", help="write the notebook's README.md, HTML page and outputs")
    parser.add_argument("notebooks", nargs="*", type=Path)
    args = parser.parse_args()
    results = Path(os.environ["SCORESDE_RESULTS"])
    failures = 0
    for path in args.notebooks:
        failed = report.HTML / f"{path.stem}.failed.ipynb"
        failed.unlink(missing_ok=True)
        nb, error = execute(path, results)
        if error:
            failures += 1
            explain(path.stem, nb, error)
            report.HTML.mkdir(parents=True, exist_ok=True)
            nbformat.write(nb, failed)
            print(f"\nas far as it came: {failed.relative_to(report.ROOT)}", file=sys.stderr)
        elif args.report:
            report.write(path.stem, nb, results / path.stem)
    if not args.notebooks:
        print("no notebooks in notebooks/: nothing to execute")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
