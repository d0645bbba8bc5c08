"""Checks that notebooks are committed stripped, run on the gonb kernel, and name neither this machine nor a shell."""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MACHINE_PATH = re.compile(r"(?<![\w./:~-])(?:/(?:home|root|Users|tmp|work|mnt|opt|usr|var|data)/\w|~/\w|[A-Z]:\\\w)")
SHELL = re.compile(r"^\s*(!|%%(bash|sh|script)\b)", re.MULTILINE)


def faults(nb):
    """Yields what is wrong with a notebook given as parsed JSON."""
    kernel = nb.get("metadata", {}).get("kernelspec", {}).get("name")
    if kernel != "gonb":
        yield f"kernelspec is {kernel!r}, want 'gonb'"
    for number, cell in enumerate(nb.get("cells", []), 1):
        source = "".join(cell["source"])
        if cell.get("outputs"):
            yield f"cell {number} holds outputs: clear them before committing"
        if cell.get("execution_count") is not None:
            yield f"cell {number} holds an execution count: clear the outputs before committing"
        if cell.get("attachments"):
            yield f"cell {number} holds an attachment: figures come from cells"
        if match := MACHINE_PATH.search(source):
            yield f"cell {number} holds a machine path: {match.group()}..."
        if cell["cell_type"] == "code" and SHELL.search(source):
            yield f"cell {number} runs a shell, whose failure would go unseen: write it in Go"


def main():
    count = 0
    notebooks = sorted((ROOT / "notebooks").glob("**/*.ipynb"))
    for path in (p for p in notebooks if ".ipynb_checkpoints" not in p.parts):
        for fault in faults(json.loads(path.read_text())):
            print(f"{path.relative_to(ROOT)}: {fault}", file=sys.stderr)
            count += 1
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
