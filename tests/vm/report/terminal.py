# SPDX-License-Identifier: GPL-2.0
"""The matrix on a terminal."""

import itertools
import re

from .stream import NEVER_RAN, worst

GLYPH = {"pass": "✓", "fail": "✗", "known": "!", "na": "·", "unseen": "–", None: " "}
COLOUR = {"pass": "32", "fail": "1;31", "known": "33", "na": "2"}
WIDTH = 118
FAILURES = 40       # that are shown one by one
LOG = 8             # lines of each


def abbreviations(names):
    """Three letters for each, not the same for any two."""
    short = {}
    for name in names:
        words = re.split(r"[^A-Za-z0-9]+", name)
        letters = "".join(words)
        tries = [letters] if len(letters) <= 3 else []
        if len(words) > 2:
            tries.append("".join(word[:1] for word in words[:3]))
        if len(words) == 2:
            tries += [words[0][:1] + words[1][:2], words[0][:2] + words[1][:1]]
        tries.append(letters[:3])
        tries += [letters[:1] + "".join(rest) for rest in itertools.combinations(letters[1:], 2)]
        tries += [f"{number:03}" for number in range(len(names))]
        short[name] = next(one for one in tries if one not in short.values())
    return short


def ranges(site):
    return ", ".join(f"{size}×{number}" for size, number in site.get("ranges", {}).items())


def cut(text, width):
    return text if len(text) <= width else text[:width - 1] + "…"


class Terminal:
    """Lines for a terminal, in colour or not; at most LIMIT failures."""

    def __init__(self, run, colour=False, limit=None):
        self.run = run
        self.colour = colour
        self.limit = limit
        self.lines = []

    def paint(self, text, code):
        return f"\033[{code}m{text}\033[0m" if self.colour and code else text

    def glyph(self, cells):
        result = worst(cells)
        return self.paint(GLYPH[result], COLOUR.get(result))

    def add(self, text=""):
        self.lines.append("  " + text if text else "")

    def table(self):
        """Rows by group, as many columns at a time as there is room for."""
        run = self.run
        if not run.matrix:
            return
        places = {}
        for (row, column, mode, _), cell in run.matrix.items():
            places.setdefault((row, column), {}).setdefault(mode, []).append(cell)
        rows = [row for row in run.rows
                if any((row["name"], column["name"]) in places for column in run.columns)]
        columns = [column for column in run.columns
                   if any((row["name"], column["name"]) in places for row in rows)]
        short = abbreviations([column["name"] for column in columns])
        first = max(len(row["name"]) for row in rows) + 3
        each = max(len(run.modes), 3) + 1
        room = max((WIDTH - first) // each, 1)
        for begin in range(0, len(columns), room):
            part = [column["name"] for column in columns[begin:begin + room]]
            for group, members in itertools.groupby(rows, lambda row: row.get("group", "")):
                heads = "".join(short[name].ljust(each) for name in part).rstrip()
                self.add()
                self.add(self.paint(cut(group, first - 1).ljust(first), "1") +
                         self.paint(heads, "2"))
                for row in members:
                    text = "  " + row["name"].ljust(first - 2)
                    for name in part:
                        there = places.get((row["name"], name), {})
                        text += "".join(self.glyph(there.get(mode, [])) for mode in run.modes)
                        text += " " * (each - len(run.modes))
                    self.add(text.rstrip())
        self.add()
        self.add(f"each cell: {', '.join(run.modes)}, the worse of {' and '.join(run.accesses)}; "
                 "✓ passed  ✗ failed  ! known  · not applicable")
        self.add()
        width = max(len(name) for name in short)
        for column in columns:
            name = column["name"]
            self.add(cut(f"{short[name]:4} {name:{width}}  {column.get('what', '')}".rstrip(), WIDTH))

    def seeds(self):
        """The named scenarios, one glyph for each mode that one of them has."""
        seeds = self.run.seeds
        if not seeds:
            return
        rows = list(dict.fromkeys(cell.row for cell in seeds))
        columns = list(dict.fromkeys(cell.column for cell in seeds))
        modes = list(dict.fromkeys(cell.mode for cell in seeds))
        first = max(len(row) for row in rows) + 3
        widths = [max(len(column), len(modes)) + 2 for column in columns]
        self.add()
        self.add(self.paint("scenarios".ljust(first), "1") + self.paint(
            "".join(column.ljust(width) for column, width in zip(columns, widths)).rstrip(), "2"))
        for row in rows:
            text = "  " + row.ljust(first - 2)
            for column, width in zip(columns, widths):
                here = [cell for cell in seeds if (cell.row, cell.column) == (row, column)]
                text += "".join(self.glyph([cell for cell in here if cell.mode == mode])
                                for mode in modes) + " " * (width - len(modes))
            self.add(text.rstrip())

    def failures(self):
        """Each with its reason and the end of what it said."""
        bad = [cell for cell in self.run.bad() if cell.why != NEVER_RAN]
        never = [cell for cell in self.run.bad() if cell.why == NEVER_RAN]
        limit = len(bad) if self.limit is None else self.limit
        if bad or never:
            self.add()
            self.add(self.paint("failed", "1"))
        for cell in bad[:limit]:
            self.add(self.paint("✗ ", COLOUR["fail"]) + f"{cell.name}: {cell.why}")
            for line in cell.log[-LOG:]:
                self.add("    | " + cut(line, WIDTH - 8))
            for report in cell.reports[:1]:
                for line in report.splitlines()[:3]:
                    self.add("    | " + cut(line, WIDTH - 8))
        if len(bad) > limit:
            self.add(f"… and {len(bad) - limit} more")
        if never:
            self.add(self.paint("✗ ", COLOUR["fail"]) +
                     f"{len(never)} cells never ran, the first is {never[0].name}")

    def known(self):
        """What the kernel is known for, each thing once."""
        known = {}
        for cell in self.run.bad("known"):
            known.setdefault((cell.why, cell.link), []).append(cell)
        if known:
            self.add()
            self.add(self.paint("known", "1"))
        for (why, link), cells in known.items():
            more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
            self.add(self.paint("! ", COLOUR["known"]) + f"{why}{' (' + link + ')' if link else ''}")
            self.add(f"    {cells[0].name}{more}")

    def sites(self):
        """Which of the kernel's calls were seen."""
        sites = [site for site in self.run.sites if site.get("exists", True)]
        self.sites_of([site for site in sites if site.get("told", True)], "notifier site")
        self.sites_of([site for site in sites if not site.get("told", True)],
                      "what interval notifiers are not told of")

    def sites_of(self, sites, head):
        if not sites:
            return
        first = max(len(head) - 2, *(len(site["site"]) for site in sites)) + 2
        event = max(len(site["event"]) for site in sites) + 2
        self.add()
        self.add(self.paint(f"{head:{first + 2}}{'event':{event}}{'fired':>7}  by", "1"))
        for site in sites:
            mark = "pass" if site["fired"] else "na" if not site.get("reachable", True) else "unseen"
            where = (site.get("cells") or [""])[0]
            by = "; ".join(part for part in (ranges(site), where) if part) if site["fired"] else \
                site.get("why") or "not seen"
            text = f"{site['site']:{first}}{site['event']:{event}}{site['fired']:>7}  {by}"
            self.add(self.paint(GLYPH[mark], COLOUR.get(mark)) + " " + cut(text, WIDTH - 2))

    def show(self, what):
        """All of it, or with WHAT "failures" what there is to see to."""
        if what == "table":
            self.table()
            self.seeds()
            self.known()
            self.sites()
        self.failures()
        return "".join(line + "\n" for line in self.lines)
