"""Turns executed notebooks into reports; run as a program it writes the index, results/html/index.html.

A report is results/<name>/README.md with its figures beside it, which is committed and reads well on a code host, and
results/html/<name>.html, one file that needs neither its neighbours nor a network.
"""
import base64
import copy
import html
import json
import logging
import os
import re
import sys
import sysconfig
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "results/html"
MATHJAX = Path(sysconfig.get_path("purelib")) / "sphinx-mathjax-offline/static/mathjax/tex-svg-full.js"


def write(name, executed, folder):
    """Writes the three forms of the report of an executed notebook; folder is the notebook's own results folder."""
    logging.getLogger("traitlets").setLevel(logging.ERROR)  # silences advice on the alt text of figures
    folder.mkdir(parents=True, exist_ok=True)
    HTML.mkdir(parents=True, exist_ok=True)
    nb = copy.deepcopy(executed)
    add_header(name, nb, metrics(folder))
    write_markdown(nb, folder)
    nbformat.write(executed, HTML / f"{name}.ipynb")
    (HTML / f"{name}.html").write_text(to_html(name, nb))  # last: make takes it for the sign that all is done
    print(f"  {folder.relative_to(ROOT)}/README.md, {(HTML / name).relative_to(ROOT)}.html")


def metrics(folder):
    path = folder / "metrics.json"
    return json.loads(path.read_text()) if path.exists() else {}


def add_header(name, nb, measured):
    """Says under the title how the report was made. Both reports lie two folders below the root: one link fits both."""
    facts = [f"budget {os.environ['SCORESDE_BUDGET']}"]
    if measured.get("backend"):
        facts.append(f"backend {measured['backend']}")
    if measured.get("checks"):
        facts.append(tally(measured["checks"]))
    line = f"*Report of [{name}.ipynb](../../notebooks/{name}.ipynb), executed by `make report`: {', '.join(facts)}.*"
    first = nb.cells[0] if nb.cells else None
    if first is not None and first.cell_type == "markdown" and first.source.startswith("# "):
        title, _, rest = first.source.partition("\n")
        first.source = f"{title}\n\n{line}\n{rest}"
    else:
        nb.cells.insert(0, nbformat.v4.new_markdown_cell(line))


def tally(checks):
    passed = sum(c.get("pass") is True for c in checks)
    return f"{passed} of {len(checks)} checks passed"


def write_markdown(nb, folder):
    """README.md; a displayed figure that the notebook also saved under a name is referred to by that name."""
    from nbconvert import MarkdownExporter  # slow to import, and the index does without
    body, resources = MarkdownExporter().from_notebook_node(nb, resources={"unique_key": "figure"})
    named = {png.read_bytes(): png.name for png in sorted(folder.glob("*.png"))}
    for file, data in sorted(resources.get("outputs", {}).items()):
        if data in named:
            body = body.replace(f"![png]({file})", f"![{Path(named[data]).stem}]({named[data]})")
        else:
            (folder / file).write_bytes(data)
    for film in sorted(folder.glob("*.gif")):
        data = base64.b64encode(film.read_bytes()).decode()
        body = body.replace(f'<img alt="{film.stem}" src="data:image/gif;base64,{data}"/>', f"![{film.stem}]({film.name})")
    body = re.sub(r"\n{3,}", "\n\n", re.sub(r"^[ \t]+$", "", body, flags=re.MULTILINE))
    (folder / "README.md").write_text(body.strip() + "\n")


def to_html(name, nb):
    from nbconvert import HTMLExporter
    exporter = HTMLExporter(
        template_name="report", extra_template_basedirs=[str(ROOT / ".ci/templates")],
        exclude_anchor_links=True, embed_images=True)
    mathjax = MATHJAX.read_text().replace("</script", "<\\/script")
    body, _ = exporter.from_notebook_node(nb, resources={"metadata": {"name": name}, "mathjax_source": mathjax})
    return body


def title(nb, fallback):
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.split("\n", 1)[0][2:].strip()
    return fallback


def index(names):
    rows = []
    for name in names:
        nb = nbformat.read(HTML / f"{name}.ipynb", as_version=4)
        checks = metrics(ROOT / "results" / name).get("checks")
        rows.append(f'<tr><td><a href="{html.escape(name)}.html">{html.escape(title(nb, name))}</a></td>'
                    f"<td>{html.escape(name)}</td><td>{tally(checks) if checks else ''}</td></tr>")
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>scoresde: reports</title>\n'
            "<style>body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
            "td{padding:.3em 1.5em .3em 0}</style></head>\n<body><h1>scoresde: reports</h1>\n<table>\n"
            + "\n".join(rows) + "\n</table></body></html>\n")


def main():
    notebooks = sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb"))
    if not notebooks:
        print("no notebooks in notebooks/: nothing to report")
        return
    done = [n for n in notebooks if (HTML / f"{n}.html").exists()]
    (HTML / "index.html").write_text(index(done))
    print(f"{len(done)} of {len(notebooks)} reports up to date: results/html/index.html")


if __name__ == "__main__":
    sys.exit(main())
