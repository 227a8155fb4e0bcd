# SPDX-License-Identifier: GPL-2.0
"""
What a program said and how it ended, once alone and once observed, and whether that is the
same.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

SKIP_STATUS = (4, 77)       # of kselftest, and of many others

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\x00-\x08]")
TAP = re.compile(r"\s*(ok|not ok) \d+\b(?: -)?\s*(.*)")
DIRECTIVE = re.compile(r"\s*#\s*(skip|todo|xfail)\b:?\s*(.*)", re.IGNORECASE)
PLAN = re.compile(r"\s*1\.\.0\b.*#\s*skip\b:?\s*(.*)", re.IGNORECASE)
ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
TIME = re.compile(r"\b\d+(\.\d+)?\s?(ns|us|ms|s|sec|secs|seconds|minutes|[KMG]i?B/s(ec)?)\b"
                  r"|\b\d+\.\d+\b")

DOTS = re.compile(r"\.{3,}")      # some programs print them while they wait
NUMBER = re.compile(r"\d+")


def steady(text):
    """Without what is another in each run."""
    text = DOTS.sub("...", " ".join(text.split()))
    return TIME.sub("N", ADDRESS.sub("X", text))


def kind(text):
    """What a result is that is none of TAP's."""
    text = text.lower()
    if "skip" in text:
        return "skip"
    if re.search(r"fail|error|not ok|mismatch|killed", text):
        return "not ok"
    return "ok"


@dataclass
class Run:
    """One of the two."""
    output: list = field(default_factory=list)
    kernel: list = field(default_factory=list)      # what the kernel complained of
    status: int = -1                                # it did not come to its end
    seconds: float = 0
    expired: bool = False
    results: list = field(default_factory=list)     # (ok, not ok or skip; name)
    reasons: list = field(default_factory=list)     # for what was skipped

    def judge(self, more):
        """The results in its output."""
        for line in self.output:
            line = ESCAPE.sub("", line.rstrip("\r").rpartition("\r")[2])
            tap = TAP.match(line)
            plan = PLAN.match(line)
            if tap:
                self.tap(*tap.groups())
            elif plan:
                self.results.append(("skip", "all"))
                self.reasons.append(plan.group(1))
            elif any(regex.search(line) for regex in more):
                self.results.append((kind(line), steady(line)))
                if kind(line) == "skip":
                    self.reasons.append(line.strip())

    def tap(self, verdict, text):
        directive = DIRECTIVE.search(text)
        name = text[:directive.start()] if directive else text
        if directive and directive.group(1).lower() == "skip":
            verdict = "skip"
            reason = directive.group(2).strip()
            name = name.strip() or reason
            self.reasons.append(f"{name}: {reason}" if reason != name else name)
        self.results.append((verdict, steady(name)))

    def count(self, verdict):
        return sum(result[0] == verdict for result in self.results)

    def skipped(self):
        """All of it."""
        if self.results and self.count("skip") == len(self.results):
            return True
        return self.status in SKIP_STATUS and not self.count("not ok")

    def failed(self):
        return not self.skipped() and (self.status != 0 or self.count("not ok") > 0)

    def all(self):
        """Everything that has to be the same, by name."""
        ended = "its limit" if self.expired else self.status
        found = Counter(self.results)
        found[(f"{ended}", "exit status")] += 1
        if self.kernel:
            found[("complaints", "kernel log")] += 1
        return found

    def short(self):
        """For the table."""
        parts = [f"{self.count(verdict)} {word}" for verdict, word in
                 (("ok", "ok"), ("skip", "skip"), ("not ok", "fail")) if self.count(verdict)]
        if self.expired:
            parts.append("limit")
        elif self.status == -1:
            parts.append("lost")
        elif self.skipped() and not parts:
            parts.append("skip")
        elif not parts or (self.status and not self.count("not ok")):
            parts.append(f"exit {self.status}")
        return ", ".join(parts)

    def why(self):
        """Why it was skipped, or what failed."""
        if not self.skipped() and not self.failed() and not self.reasons:
            return []
        found = [f"not ok {name}" for verdict, name in self.results if verdict == "not ok"]
        found += [f"skip {reason}" for reason in self.reasons]
        if not found and self.skipped():
            found = [line.strip() for line in self.output if "skip" in line.lower()][-1:]
        if not found:
            found = [ESCAPE.sub("", line).strip() for line in self.output if line.strip()][-1:]
        return found

    def document(self):
        return {"status": self.status, "expired": self.expired, "seconds": self.seconds,
                "ok": self.count("ok"), "skip": self.count("skip"),
                "not_ok": self.count("not ok"), "results": self.results,
                "kernel": self.kernel}


def without_numbers(found, other):
    """Names that are in one run alone may have numbers in them that are another in each."""
    names = {name for _, name in other}
    plain = Counter()
    for (verdict, name), number in found.items():
        plain[(verdict, name if name in names else NUMBER.sub("N", name))] += number
    return plain


COUNTED = ("processes", "translations", "invalidations", "violations")


class Pair:
    """The two runs of a program, and the summary of dmirage observe."""

    def __init__(self, program):
        self.program = program
        self.runs = {"alone": Run(), "with": Run()}
        self.summary = {}
        self.differences = []       # lines to show
        self.known = []             # likewise, of those that the list knows of
        self.verdict = "DIFF"       # same, skip, known or DIFF

    def ran(self):
        """Was it begun?"""
        return any(run.status != -1 or run.output for run in self.runs.values())

    def number(self, name):
        # What nobody could read is a violation as well.
        more = self.summary.get("lost", 0) if name == "violations" else 0
        return self.summary.get(name, 0) + more

    def unseen(self):
        """What should have been there to see, and was not."""
        want = {"all": COUNTED[:3], "made": COUNTED[:2], "-": ()}[self.program.witness]
        return [name for name in want if not self.number(name)]

    def why(self, name):
        """The list knows that this may differ, and why."""
        for regex, why in self.program.differs:
            if regex.search(name):
                return why
        return ""

    def compare(self):
        """Each difference is one that the list knows, or not."""
        alone, observed = (self.runs[way].all() for way in ("alone", "with"))
        alone, observed = without_numbers(alone, observed), without_numbers(observed, alone)
        known, unknown = [], []
        for sign, difference in (("-", alone - observed), ("+", observed - alone)):
            for (verdict, name), number in sorted(difference.items()):
                text = f"{sign} {verdict} {name}" + (f" ({number} times)" if number > 1 else "")
                why = self.why(name)
                (known if why else unknown).append((text, why))
        return known, unknown

    def judge(self, trouble=""):
        for run in self.runs.values():
            run.judge(self.program.lines)
        # The command ends in a way of its own if there were any.
        if self.number("violations"):
            self.runs["with"].status = self.summary.get("status", -1)
        known, unknown = self.compare()
        self.differences = [text for text, _ in unknown]
        self.known = [f"{text}: {why}" for text, why in known]
        if trouble:
            self.differences.append(trouble)
        elif not self.summary:
            self.differences.append("dmirage observe left no summary")
        else:
            self.differences += [f"no {name} to see" for name in self.unseen()]
            if self.number("violations"):
                self.differences.append(f"{self.number('violations')} violations")
        for way, run in self.runs.items():
            if self.differences and run.kernel:
                self.differences += [f"the kernel, {way}: {line}" for line in run.kernel]
        if self.differences:
            self.verdict = "DIFF"
        elif self.known:
            self.verdict = "known"
        elif self.runs["with"].skipped():
            self.verdict = "skip"
        else:
            self.verdict = "same"

    def reasons(self):
        """Of what is not as one would wish, though it is the same."""
        if self.verdict == "DIFF":
            return []
        return [f"same: {why}" + (f" ({number} times)" if number > 1 else "")
                for why, number in Counter(self.runs["alone"].why()).items()]

    def document(self):
        return {"name": self.program.name, "command": self.program.words,
                "options": self.program.options, "verdict": self.verdict,
                "differences": self.differences, "known": self.known,
                "alone": self.runs["alone"].document(), "with": self.runs["with"].document(),
                "summary": self.summary}


def totals(pairs):
    found = {"programs": len(pairs),
             "same": sum(pair.verdict in ("same", "skip") for pair in pairs),
             "known": sum(pair.verdict == "known" for pair in pairs),
             "skipped": sum(pair.verdict == "skip" for pair in pairs),
             "differ": sum(pair.verdict == "DIFF" for pair in pairs)}
    found.update({name: sum(pair.number(name) for pair in pairs) for name in COUNTED})
    return found


def last_line(found):
    known = f" ({found['known']} more as the list knows)" if found["known"] else ""
    return (f"observed: {found['programs']} programs, {found['same']} the same, "
            f"{found['differ']} differ{known}; "
            + ", ".join(f"{found[name]} {name}" for name in COUNTED))
