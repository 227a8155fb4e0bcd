# SPDX-License-Identifier: GPL-2.0
"""The matrix as one page that needs nothing else."""

import html
import itertools
import json
from pathlib import Path

from .stream import worst
from .terminal import GLYPH, ranges

HERE = Path(__file__).parent
LETTER = {"pass": "p", "fail": "f", "known": "k", "na": "n"}
LIMIT = 5_000_000   # of bytes; what cells said that passed is left out rather


def text(value):
    return html.escape(str(value))


class Page:
    """Cells have numbers, in the order of run.all(); by them the parts of the page meet."""

    def __init__(self, run, about):
        self.run = run
        self.about = about
        self.cells = run.all()
        self.number = {id(cell): number for number, cell in enumerate(self.cells)}
        self.logs = True

    def glyph(self, cells, mode):
        """The glyph of one mode of a cell; one that failed leads to why."""
        result = worst(cells)
        if not result:
            return ""
        glyph = f'<i class="{LETTER[result]} m{mode}">{GLYPH[result]}</i>'
        if result in ("fail", "known"):
            cell = next(cell for cell in cells if cell.result == result)
            glyph = f'<a href="#c{self.number[id(cell)]}">{glyph}</a>'
        return glyph

    def grid_cell(self, row, column, cells, modes):
        """One place of a table, with its glyphs."""
        if not cells:
            return "<td></td>"
        title = [f"{row} × {column}"]
        title += [" ".join(filter(None, (cell.mode, cell.access))) +
                  f": {cell.result}" + (f", {cell.why}" if cell.why else "") for cell in cells]
        if len({(cell.result, cell.why) for cell in cells}) == 1 and len(cells) > 1:
            title = [title[0], f"all: {title[1].split(': ', 1)[1]}"]
        glyphs = "".join(self.glyph([cell for cell in cells if cell.mode == mode], number)
                         for number, mode in enumerate(modes))
        bad = LETTER[worst(cells)]
        kind = f' class="{bad}"' if bad in "fk" else ""
        numbers = ",".join(str(self.number[id(cell)]) for cell in cells)
        return f'<td{kind} data-i="{numbers}" title="{text(chr(10).join(title))}">{glyphs}</td>'

    def row(self, name, columns, places, modes, more=""):
        """A row of a table; the filter looks for words in its name and in MORE."""
        cells = "".join(self.grid_cell(name, column, places.get((name, column), []), modes)
                        for column in columns)
        words = text(f"{name} {more}".lower())
        return (f'<tr data-t="{words}"><th title="{text(more)}">{text(name)}</th>{cells}</tr>')

    @staticmethod
    def head(columns):
        """The head of a table: pairs of a name and what it is."""
        return "<thead><tr><th></th>" + "".join(
            f'<th data-t="{text(f"{name} {what}".lower())}" title="{text(what)}">'
            f"<span>{text(name)}</span></th>" for name, what in columns) + "</tr></thead>"

    def matrix(self):
        run = self.run
        if not run.matrix:
            return '<p class="soft">There is none.</p>'
        places = {}
        for (row, column, _, _), cell in run.matrix.items():
            places.setdefault((row, column), []).append(cell)
        columns = [(column["name"], column.get("what", "")) for column in run.columns]
        names = [name for name, _ in columns]
        rows = [row for row in run.rows if any((row["name"], name) in places for name in names)]
        body = ""
        for group, members in itertools.groupby(rows, lambda row: row.get("group", "")):
            body += (f'<tr class="group"><th>{text(group)}</th>'
                     f'<th colspan="{len(columns)}"></th></tr>')
            for row in members:
                more = " ".join(filter(None, (row.get("what", ""), f"({group})")))
                body += self.row(row["name"], names, places, run.modes, more)
        return f'<table class="grid">{self.head(columns)}<tbody>{body}</tbody></table>'

    def seeds(self):
        seeds = self.run.seeds
        if not seeds:
            return '<p class="soft">There are none.</p>'
        places = {}
        for cell in seeds:
            places.setdefault((cell.row, cell.column), []).append(cell)
        columns = list(dict.fromkeys(cell.column for cell in seeds))
        modes = list(dict.fromkeys(cell.mode for cell in seeds))
        body = "".join(self.row(row, columns, places, modes)
                       for row in dict.fromkeys(cell.row for cell in seeds))
        head = self.head([(column, "") for column in columns])
        return f'<div class="scroll"><table class="grid">{head}<tbody>{body}</tbody></table></div>'

    def bad(self, result):
        """Cells that failed, or are known to fail, with all they said."""
        parts = []
        for cell in self.run.bad(result):
            where = f' <a href="../../{text(cell.link)}">{text(cell.link)}</a>' if cell.link else ""
            said = f"<pre>{text(chr(10).join(cell.log))}</pre>" if cell.log else ""
            said += "".join(f"<pre>{text(report)}</pre>" for report in cell.reports)
            parts.append(f'<details id="c{self.number[id(cell)]}"><summary><i class='
                         f'"{LETTER[result]}">{GLYPH[result]}</i> <b>{text(cell.name)}</b> '
                         f"{text(cell.why)}{where}</summary>{said}</details>")
        return "".join(parts) or '<p class="soft">None.</p>'

    def inapplicable(self):
        """Reasons, and what each is the reason of: rows with all columns, else places."""
        reasons = {}
        for cell in self.run.bad("na"):
            reasons.setdefault(cell.why, []).append(cell)
        if not reasons:
            return '<p class="soft">Nothing.</p>'
        body = ""
        for why, cells in sorted(reasons.items(), key=lambda item: -len(item[1])):
            rows = {}
            for cell in cells:
                rows.setdefault(cell.row, {}).setdefault(cell.column, None)
            columns = {}
            for row, of in rows.items():
                columns.setdefault(tuple(of), []).append(row)
            where = "; ".join(f"{', '.join(names)} × {', '.join(of)}" for of, names in columns.items())
            if len(where) > 200:
                where = f"<details><summary>{len(rows)} rows</summary>{text(where)}</details>"
            else:
                where = text(where)
            body += f'<tr><td>{text(why)}</td><td class="number">{len(cells)}</td><td>{where}</td></tr>'
        return ('<table class="flat"><thead><tr><th>why</th><th>cells</th><th>which</th></tr></thead>'
                f"<tbody>{body}</tbody></table>")

    def sites(self):
        if not self.run.sites:
            return '<p class="soft">None were looked for.</p>'
        body = ""
        for site in sorted(self.run.sites, key=lambda site: not site.get("told", True)):
            there = site.get("exists", True)
            kind = "pass" if site["fired"] else "unseen" if there and site.get("reachable", True) \
                else "na"
            note = site.get("why") or ("" if site["fired"] else "not seen")
            body += (f'<tr><td><i class="{LETTER.get(kind, "")}">{GLYPH[kind]}</i> '
                     f'{text(site["site"])}</td><td>{text(site["event"])}</td>'
                     f'<td class="number">{site["fired"] if there else ""}</td>'
                     f"<td>{text(ranges(site))}</td>"
                     f'<td>{"<br>".join(text(cell) for cell in site.get("cells") or [])}</td>'
                     f'<td>{text(note if there else note or "not in this kernel")}</td></tr>')
        heads = "".join(f"<th>{head}</th>" for head in
                        ("site", "event", "fired", "ranges", "cells, the first ones", ""))
        return f'<table class="flat"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'

    def data(self):
        """What the script shows of cells that are not on the page; each text is there once."""
        texts = {"": 0}

        def index(value):
            return texts.setdefault(value, len(texts))

        cells = []
        for cell in self.cells:
            if cell.result in ("fail", "known"):
                cells.append([LETTER[cell.result]])
                continue
            said = cell.log + [line for report in cell.reports for line in report.splitlines()]
            cells.append([LETTER[cell.result], "/".join(filter(None, (cell.mode, cell.access))),
                          index(cell.why), cell.ms,
                          [index(line) for line in said] if self.logs else []])
        value = json.dumps({"texts": list(texts), "cells": cells}, ensure_ascii=False,
                           separators=(",", ":"))
        return value.replace("<", "\\u003c")    # no text ends the script

    def totals(self):
        totals = self.run.totals()
        parts = [("cells", totals["cells"], ""), ("passed", totals["passed"], "p"),
                 ("failed", totals["failed"], "f"), ("known", totals["known"], "k"),
                 ("not applicable", totals["na"], ""),
                 ("notifier sites", f"{totals['sites_fired']} of {totals['sites']}", "")]
        return "".join(f'<span><b class="{kind}">{number}</b> {name}</span>'
                       for name, number, kind in parts)

    def render(self):
        """The page."""
        run = self.run
        parts = {
            "KERNEL": text(self.about["kernel"]),
            "QEMU": text(self.about["qemu"]),
            "DATE": text(self.about["date"].replace("T", " ") + " UTC"),
            "PART": text(self.about["part"] and f"; {self.about['part']}"),
            "TOTALS": self.totals(),
            "MODES": "".join(f'<option value="{number}">{text(mode)}</option>'
                             for number, mode in enumerate(run.modes)),
            "ORDER": text(f"{', '.join(run.modes)}, the worse of {' and '.join(run.accesses)}"),
            "MATRIX": self.matrix(),
            "SEEDS": self.seeds(),
            "FAILED": self.bad("fail"),
            "KNOWN": self.bad("known"),
            "NA": self.inapplicable(),
            "SITES": self.sites(),
            "DATA": self.data(),
            "MUTANTS": text(self.about.get("mutants", "")),
            "STYLE": (HERE / "page.css").read_text(encoding="utf-8"),
            "SCRIPT": (HERE / "page.js").read_text(encoding="utf-8"),
        }
        # What is put in may itself look like a place for something.
        pieces = (HERE / "page.html").read_text(encoding="utf-8").split("@")
        page = "".join(parts[piece] if number % 2 else piece for number, piece in enumerate(pieces))
        if self.logs and len(page.encode()) > LIMIT:
            self.logs = False
            return self.render()
        return page
