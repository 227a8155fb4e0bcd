# SPDX-License-Identifier: GPL-2.0
"""What dmirage-mutants said in a guest, as a table, a page, and counts."""

import html
import json
from pathlib import Path

STRENGTHS = ("data", "access", "audit", "watch")
GLYPH = {"killed": "✓", "survived": "✗", "equivalent": "=", "na": "·"}
COLOUR = {"killed": "32", "survived": "1;31", "equivalent": "33", "na": "2"}
LETTER = {"killed": "p", "survived": "f", "equivalent": "k", "na": "n"}
LOG = 10            # lines of each run that was no kill
HERE = Path(__file__).parent


class Mutants:
    """A run: what was planned, each mutant, what the program counted."""

    def __init__(self):
        self.kernel = ""
        self.runs = 0
        self.planned = None
        self.mutants = []
        self.at = ""
        self.end = None
        self.trouble = ""
        self.said = []

    def read(self, lines):
        """All there is in a guest's output; what it does not know is kept."""
        for line in lines:
            word, _, rest = line.rstrip("\n").partition(": ")
            if word == "mutants":
                head = json.loads(rest)
                self.kernel, self.runs, self.planned = head["kernel"], head["runs"], head["mutants"]
            elif word == "mutant":
                self.mutants.append(json.loads(rest))
            elif word == "mutants-end":
                self.end = json.loads(rest)
            elif word == "at":
                self.at = rest
            elif word not in ("monitor", "guest-exit"):
                self.said.append(line.rstrip("\n"))

    def finish(self, trouble="", status="0"):
        """All was said; TROUBLE is how the guest ended if not as it should."""
        if trouble:
            self.trouble = f"the guest {trouble}"
        elif self.planned is None:
            self.trouble = "the program said nothing of mutants"
        elif self.end is None:
            self.trouble = f"the program ended with status {status} before it was done"
        elif len(self.mutants) < self.planned:
            self.trouble = f"{self.planned - len(self.mutants)} mutants never ran"
        elif self.count() != {key: self.end[key] for key in self.count()}:
            self.trouble = f"the program counts {self.end}, its mutants are {self.count()}"
        if self.trouble and self.at and self.end is None:
            self.trouble += f", at {self.at}"

    def result(self, *results):
        return [one for one in self.mutants if one["result"] in results]

    def count(self):
        """What the program counts as well."""
        each = [one for mutant in self.mutants for one in mutant.get("scenarios", [])]
        return {
            "seeded": len(self.result("killed", "survived", "equivalent")),
            "killed": len(self.result("killed")), "survived": len(self.result("survived")),
            "equivalent": len(self.result("equivalent")), "na": len(self.result("na")),
            "alarms": sum(one["alarms"] for one in each),
            "clean": sum(one["clean"] for one in each),
        }

    def failed(self):
        totals = self.count()
        return totals["survived"] + totals["alarms"] + bool(self.trouble)


def summary(totals):
    """The last line."""
    more = f", {totals['equivalent']} equivalent" if totals["equivalent"] else ""
    return (f"mutants: {totals['seeded']} seeded, {totals['killed']} killed, "
            f"{totals['survived']} survived{more}; {totals['alarms']} false alarms in "
            f"{totals['clean']} clean runs")


def span(numbers):
    """A number, or the least and the most."""
    first, last = numbers
    return str(first) if first == last else f"{first}–{last}"


def strength(scenario):
    """By what a scenario noticed, and how often if not each time."""
    words = []
    for name in STRENGTHS:
        times = scenario["by"][name]
        if times:
            words.append(name if times == scenario["runs"] else f"{name} ({times})")
    return " ".join(words)


def columns(scenario):
    """Of a scenario: its name, runs, strengths, operations, function."""
    if scenario["skipped"]:
        return scenario["name"], "", f"skipped: {scenario['why']}", "", ""
    return (scenario["name"], f"{scenario['killed']}/{scenario['runs']}", strength(scenario),
            span(scenario["operations"]) if scenario["killed"] else "", scenario["named"])


def bad(mutant):
    """Its scenarios of which something is to be said."""
    return [one for one in mutant.get("scenarios", []) if one["alarms"] or
            (mutant["result"] == "survived" and not one["skipped"] and one["why"])]


class Table:
    """For a terminal, in colour or not."""

    def __init__(self, run, colour=False):
        self.run = run
        self.colour = colour

    def paint(self, text, code):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def show(self, failures=False):
        """All of it, or what there is to see to."""
        lines = []
        family = ""
        for mutant in self.run.mutants if not failures else []:
            if mutant["family"] != family:
                family = mutant["family"]
                lines += ["", self.paint(f"{family:25}{'by':36}{'runs':7}{'strength':21}"
                                         f"{'operations':11} function", "1")]
            name = self.paint(GLYPH[mutant["result"]], COLOUR[mutant["result"]]) + \
                f" {mutant['name']:22} "
            if mutant["result"] in ("na", "equivalent"):
                lines.append(f"{name}{mutant['why']}")
                continue
            for one in mutant["scenarios"]:
                what, runs, by, operations, function = columns(one)
                lines.append(f"{name}{what:36}{runs:7}{by:21}{operations:>10}  {function}".rstrip())
                name = " " * 25
        lines += self.problems()
        return "".join(("  " + line).rstrip() + "\n" for line in lines)

    def problems(self):
        lines = []
        for mutant in self.run.mutants:
            if mutant["result"] == "survived":
                lines += ["", self.paint("✗", COLOUR["survived"]) +
                          f" {mutant['family']}/{mutant['name']} survived: {mutant['why']}"]
            for one in bad(mutant):
                alarms = f"{one['alarms']} false alarms in {one['clean']}" if one["alarms"] else ""
                lines += [f"    {one['name']}: " + ", ".join(filter(None, (alarms, one["why"])))]
                lines += [f"    | {line}" for line in one["log"][:LOG]]
        if self.run.trouble:
            lines += ["", self.paint("✗", COLOUR["survived"]) + f" {self.run.trouble}"]
            lines += [f"    | {line}" for line in self.run.said[-LOG:]]
        return lines


def text(value):
    return html.escape(str(value))


def page_rows(run):
    """A row for each scenario, the mutant's name before its first."""
    rows = []
    family = ""
    for mutant in run.mutants:
        if mutant["family"] != family:
            family = mutant["family"]
            rows.append(f'<tr><th colspan="6"><b>{text(family)}</b></th></tr>')
        glyph = f'<i class="{LETTER[mutant["result"]]}">{GLYPH[mutant["result"]]}</i> '
        name = f'<th title="{text(mutant["title"])}">{glyph}{text(mutant["name"])}</th>'
        if mutant["result"] in ("na", "equivalent"):
            rows.append(f'<tr>{name}<td colspan="5">{text(mutant["result"].replace("na", "n/a"))}: '
                        f'{text(mutant["why"])}</td></tr>')
            continue
        for one in mutant["scenarios"] or [None]:
            cells = columns(one) if one else ("", "", mutant["why"], "", "")
            rows.append(f"<tr>{name}" + "".join(f"<td>{text(cell)}</td>" for cell in cells) +
                        "</tr>")
            name = "<th></th>"
    return "\n".join(rows)


def page(run, about):
    """One page that needs nothing else; ABOUT["matrix"] is the matrix's, beside it."""
    totals = run.count()
    problems = "\n".join(line.strip("\n") for line in Table(run).problems())
    values = {
        "STYLE": (HERE / "page.css").read_text(encoding="utf-8"),
        "KERNEL": text(about["kernel"]), "QEMU": text(about["qemu"]), "DATE": text(about["date"]),
        "PART": text(f", {about['part']}" if about["part"] else ""),
        "MATRIX": text(about["matrix"]), "RUNS": text(run.runs),
        "TOTALS": "".join(f"<span><b>{totals[key]}</b> {word}</span>" for key, word in (
            ("seeded", "seeded"), ("killed", "killed"), ("survived", "survived"),
            ("equivalent", "equivalent"), ("na", "not applicable"),
            ("alarms", f"false alarms in {totals['clean']} clean runs"))),
        "ROWS": page_rows(run),
        "PROBLEMS": f"<pre>{text(problems)}</pre>" if problems else "<p class=\"soft\">none</p>",
    }
    result = (HERE / "mutants.html").read_text(encoding="utf-8")
    for key, value in values.items():
        result = result.replace(f"@{key}@", value)
    return result
