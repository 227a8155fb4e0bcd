# SPDX-License-Identifier: GPL-2.0
"""
What dmirage-matrix says in the guest, and what came of each cell.

Lines begin with a word, and go on with JSON, but for "at":

  matrix: {kernel, rows, columns, modes, accesses, cells}   what there is to do; "cells" is how
                              many of the table "matrix" this run has, n/a ones as well
  at: ROW/COLUMN/MODE/ACCESS  the cell that begins
  cell: {table, row, column, mode, access, result, why, link, ms, log, reports}
                              what came of it; in one that is n/a "*" means all there are
  sites: {sites: [...]}       the kernel's calls of MMU notifiers, and which were seen
  matrix-end: {passed, failed, known, na}   the program's own count

Other lines mean nothing. A cell that has no result has failed: the one at which a guest
died or hung, and those that it never came to.
"""

import json
import re
from dataclasses import dataclass, field

LINE = re.compile(r"(matrix|at|cell|sites|matrix-end): (.*)")

NEVER_RAN = "it never ran"

# What a kernel that is about to die says first.
COMPLAINT = re.compile(r"(BUG: .*|WARNING: .*|Oops: .*|general protection .*|Kernel panic .*)")

# What neither XML nor a terminal takes as text.
UNSEEN = re.compile("[^\t\n\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# What is shown for several cells is the worst of them.
RESULTS = ("fail", "known", "pass", "na")


def worst(cells):
    """The worst result of some cells, or None of no cells."""
    results = {cell.result for cell in cells}
    return next((result for result in RESULTS if result in results), None)


def clean(value):
    """A value of JSON with only such text as can be shown."""
    if isinstance(value, str):
        return UNSEEN.sub("?", value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items()}
    return value


@dataclass
class Cell:
    """A cell of the table "matrix" or "seeds", or of "run": what is wrong with all of it."""
    table: str
    row: str
    column: str
    mode: str
    access: str
    result: str
    why: str = ""
    link: str = ""
    ms: int = 0
    log: list = field(default_factory=list)
    reports: list = field(default_factory=list)
    count: int = 1

    @property
    def name(self):
        parts = [self.row, self.column, self.mode, self.access]
        return "/".join(part for part in parts[self.table == "run":] if part)


class Run:
    """One guest's matrix."""

    def __init__(self):
        self.kernel = ""
        self.rows = []
        self.columns = []
        self.modes = []
        self.accesses = []
        self.planned = None
        self.matrix = {}
        self.seeds = []
        self.lost = []
        self.sites = []
        self.end = None
        self.at = None
        self.said = []
        self.spread = []

    def read(self, lines):
        """Takes what the guest said."""
        for line in lines:
            line = line.rstrip("\r\n")
            match = LINE.fullmatch(line)
            if not match:
                if line and not line.startswith("guest-exit: "):
                    self.said = self.said[-19:] + [clean(line)]
                continue
            word, rest = match.groups()
            if word == "at":
                self.at = (rest.split("/") + [""] * 4)[:4]
                continue
            try:
                self.take(word, clean(json.loads(rest)))
            except json.JSONDecodeError:
                self.lose("line", "a line is no JSON", [clean(line[:300])])
            except (ValueError, TypeError, KeyError, AttributeError) as why:
                self.lose("line", f"a line cannot be read: {why!r}", [clean(line[:300])])

    def take(self, word, value):
        """One line that is JSON."""
        if word == "matrix":
            self.kernel = value["kernel"]
            self.rows, self.columns = value["rows"], value["columns"]
            self.modes, self.accesses = value["modes"], value["accesses"]
            self.planned = value["cells"]
        elif word == "cell":
            known = Cell.__dataclass_fields__
            cell = Cell(**{key: value[key] for key in value if key in known})
            if cell.table not in ("matrix", "seeds") or cell.result not in RESULTS:
                raise ValueError("no such table or result")
            if "*" in (cell.row, cell.column, cell.mode, cell.access):
                if cell.result != "na":
                    raise ValueError("only n/a is for several cells")
                self.spread.append(cell)
            else:
                self.place(cell)
        elif word == "sites":
            self.sites = value["sites"]
        else:
            self.end = {key: int(value[key]) for key in ("passed", "failed", "known", "na")}

    def lose(self, what, why, log=(), count=1):
        """Something failed that is no cell by itself."""
        self.lost.append(Cell("run", "run", what, "", "", "fail", why, log=list(log), count=count))

    def keys(self):
        """All places that the table has."""
        for row in self.rows:
            for column in self.columns:
                for mode in self.modes:
                    for access in self.accesses:
                        yield row["name"], column["name"], mode, access

    def place(self, cell):
        """A cell that has a result."""
        key = cell.row, cell.column, cell.mode, cell.access
        if cell.table == "seeds":
            if any((other.row, other.column, other.mode, other.access) == key
                   for other in self.seeds):
                self.lose(cell.name, "the scenario has two results")
            self.seeds.append(cell)
        elif key in self.matrix:
            self.lose(cell.name, "the cell has two results")
            self.matrix[key] = min(cell, self.matrix[key],
                                   key=lambda one: RESULTS.index(one.result))
        else:
            self.matrix[key] = cell

    def expand(self):
        """Cells that are n/a in one line, one by one. What ran has its own result."""
        places = list(self.keys())
        columns = list(dict.fromkeys(cell.column for cell in self.seeds))
        modes = list(dict.fromkeys(cell.mode for cell in self.seeds)) or [""]
        for cell in self.spread:
            wanted = cell.row, cell.column, cell.mode, cell.access
            more = dict(vars(cell))
            if cell.table == "matrix":
                for key in places:
                    if key not in self.matrix and all(a in ("*", b) for a, b in zip(wanted, key)):
                        more.update(zip(("row", "column", "mode", "access"), key))
                        self.matrix[key] = Cell(**more)
                continue
            more["access"] = cell.access.strip("*")
            for more["column"] in columns if cell.column == "*" else [cell.column]:
                for more["mode"] in modes if cell.mode == "*" else [cell.mode]:
                    self.seeds.append(Cell(**more))
        self.spread = []

    def finish(self, trouble="", status="0", console=()):
        """All was said. TROUBLE is how the guest ended if not as it should, STATUS the
        program's, CONSOLE the last lines of the guest's console."""
        self.expand()
        places = {key: number for number, key in enumerate(self.keys())}
        for key in [key for key in self.matrix if key not in places]:
            self.lose(self.matrix.pop(key).name, "the table has no such row, column, mode or access")
        log = list(console) if trouble or self.planned is None else []
        complaint = next((match[0] for match in map(COMPLAINT.search, log) if match), "")
        trouble += f" ({complaint})" if complaint else ""
        if self.planned is None:
            self.lose("start", f"the guest {trouble}" if trouble else
                      "the program said nothing of a matrix", self.said + log)
        elif trouble or self.end is None:
            self.died(f"the guest {trouble}" if trouble else
                      f"the program ended with status {status} before it was done", log)
        self.count_missing()
        self.judge_end(status)
        self.matrix = dict(sorted(self.matrix.items(), key=lambda item: places[item[0]]))

    def died(self, why, log):
        """The guest or the program ended early: whose fault is it?"""
        if not self.at:
            self.lose("start", why, self.said + log)
            return
        table = "matrix" if self.at[0] in {row["name"] for row in self.rows} else "seeds"
        cell = Cell(table, *self.at, "fail", f"{why}, here", log=self.said + log)
        if cell.name in {other.name for other in self.all()}:
            self.lose("end", f"{why}, after {cell.name}", cell.log)
        else:
            self.place(cell)

    def count_missing(self):
        """Cells without a result. A run of part of the table does not say which ones it has."""
        missing = (self.planned or 0) - len(self.matrix)
        if missing <= 0:
            return
        places = list(self.keys())
        if self.planned == len(places):
            for key in places:
                if key not in self.matrix:
                    self.matrix[key] = Cell("matrix", *key, "fail", NEVER_RAN)
        else:
            self.lose("rest", f"{missing} cells never ran", count=missing)

    def judge_end(self, status):
        """What the program counted, and how it ended, is to be what its cells say."""
        totals = self.totals()
        if self.end and not self.lost:
            for key in ("passed", "failed", "known"):
                if self.end[key] != totals[key]:
                    self.lose("end", f"the program counts {self.end[key]} {key}, "
                              f"its cells are {totals[key]}")
        if str(status) not in ("", "0") and not self.totals()["failed"]:
            self.lose("end", f"no cell failed, but the program ended with status {status}",
                      self.said)

    def all(self):
        """All that is counted."""
        return [*self.matrix.values(), *self.seeds, *self.lost]

    def bad(self, result="fail"):
        return [cell for cell in self.all() if cell.result == result]

    def totals(self):
        """How many of each."""
        totals = dict.fromkeys(("cells", "passed", "failed", "known", "na"), 0)
        word = {"pass": "passed", "fail": "failed", "known": "known", "na": "na"}
        for cell in self.all():
            totals["cells"] += cell.count
            totals[word[cell.result]] += cell.count
        there = [site for site in self.sites if site.get("told", True)
                 and site.get("exists", True) and site.get("reachable", True)]
        totals["sites"] = len(there)
        totals["sites_fired"] = sum(bool(site["fired"]) for site in there)
        return totals


def summary(totals):
    """The last line."""
    known = f"{totals['known']} known, " if totals["known"] else ""
    return (f"matrix: {totals['cells']} cells, {totals['passed']} passed, "
            f"{totals['failed']} failed, {known}{totals['na']} not applicable; "
            f"{totals['sites_fired']} of {totals['sites']} notifier sites")
