"""The figures of a run, in memory and as a JSON file."""
import json
import pathlib
import platform
import statistics
import time


class Results:
    """rounds[i][underlay][peer][measure] is a dict of numbers; what failed is missing there."""

    def __init__(self, document):
        self.document = document

    @classmethod
    def begin(cls, command, plan):
        return cls({
            "date": time.strftime("%Y-%m-%d %H:%M"), "command": command,
            "machine": f"{processor()}, {len(processors())} processors, Linux {platform.release()}",
            "rounds_planned": plan.rounds, "seconds": plan.seconds,
            "versions": {}, "mtu": {}, "troubles": [], "first_ping_s": [], "failures": [],
            "rounds": []})

    @classmethod
    def load(cls, path):
        return cls(json.loads(pathlib.Path(path).read_text()))

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.document, indent=1) + "\n")

    def __getitem__(self, key):
        return self.document[key]

    def add(self, number, underlay, peer, measure, numbers):
        rounds = self.document["rounds"]
        while len(rounds) <= number:
            rounds.append({})
        rounds[number].setdefault(underlay, {}).setdefault(peer, {})[measure] = numbers

    def fail(self, number, underlay, peer, measure, why):
        self.document["failures"].append(
            f"round {number + 1}, {underlay}, {peer}, {measure}: {why}")

    def peers(self, underlay):
        names = {}  # a dict keeps the order of the first round
        for one in self.document["rounds"]:
            names.update(dict.fromkeys(one.get(underlay, {})))
        return list(names)

    def underlays(self):
        return list(dict.fromkeys(name for one in self.document["rounds"] for name in one))

    def values(self, underlay, peer, measure, key):
        """A value for each round, None where there is none."""
        return [one.get(underlay, {}).get(peer, {}).get(measure, {}).get(key)
                for one in self.document["rounds"]]


def ratios(ours, theirs):
    """Of the rounds that have both."""
    return [one / other for one, other in zip(ours, theirs)
            if one is not None and other is not None and other > 0]


def spread(values, digits=2):
    """'median [least … most]', or '–' for nothing."""
    values = [value for value in values if value is not None]
    if not values:
        return "–"
    middle, least, most = statistics.median(values), min(values), max(values)
    if len(values) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} [{least:.{digits}f} … {most:.{digits}f}]"


def processors():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    return [line.split(":")[1].strip() for line in text.split("\n") if line.startswith("processor")]


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().split("\n"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()
