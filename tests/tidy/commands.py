#!/usr/bin/python3
"""Holds the manual pages and the bash completion to the command line that `--help` prints.

    commands.py --root DIR --bin DIR     prints what differs; exit 1 on any finding
    commands.py --self-test              every kind of difference is noticed

Every verb, every option (each of its names) and what a verb takes must be in ipop(1) and ipopd(8),
and nothing else may be. Completion is asked as bash asks it: what it offers are the verbs and the
long names of the options, no less and no more.
"""
import argparse
import collections
import pathlib
import re
import shlex
import subprocess
import sys

OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")
OPTION_LONG = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")
HELP = {"-h", "--help"}  # of every command; the pages tell it once

# usage: its positional words; options: their names, each mapped to whether a value follows;
# below: the verbs below it.
Command = collections.namedtuple("Command", "usage options below")


# --- what the programs say ---

def parsed(text):
    """The Command of a --help text."""
    sections = re.split(r"^(\w+):\n", text, flags=re.M)
    named = dict(zip(sections[1::2], sections[2::2]))
    usage = re.search(r"^Usage: (.*)$", text, re.M).group(1)
    positional = re.findall(r"\[?[A-Z]+\]?", usage.replace("[OPTIONS]", "").replace(
        "SUBCOMMAND", ""))
    options = {}
    for names, value in re.findall(r"^  (-[-\w,]+)( \S+)?", named.get("Options", ""), re.M):
        options.update({name: bool(value) for name in names.split(",")})
    below = re.findall(r"^  (\w+) ", named.get("Subcommands", ""), re.M)
    return Command(positional, options, below)


def commands(ask, path=()):
    """{words: Command} of a program and all its verbs; `ask` gives the help of such words."""
    command = parsed(ask(path))
    found = {path: command}
    for verb in command.below:
        found.update(commands(ask, (*path, verb)))
    return found


def leaves(tree):
    return {path: command for path, command in tree.items() if path and not command.below}


# --- what the pages say ---

def plain(line):
    """A line of a page without its macro, fonts and quotes."""
    line = re.sub(r"\\f[A-Z]", "", line).replace(r"\-", "-")
    if not line.startswith("."):
        return line
    macro, *words = shlex.split(line) or [""]
    return ("" if re.fullmatch(r"\.[BIR]{2}", macro) else " ").join(words)


def section(page, name):
    found = re.search(rf"^\.SH {name}\n(.*?)(?=^\.SH |\Z)", page, re.M | re.S)
    return found.group(1) if found else ""


def headings(text):
    """What .TP introduces, without fonts."""
    return [plain(line) for line in re.findall(r"^\.TP\n(.*)$", text, re.M)]


def told(heading):
    """{words: (positional words, options)} of a heading of COMMANDS."""
    verbs, rest = re.match(r"((?:[a-z]+[ ,|]*)+)(.*)", heading).groups()
    if "|" in verbs:  # admin add|remove
        first, others = verbs.split(None, 1)
        paths = [(first, word) for word in others.strip().split("|")]
    else:
        paths = [tuple(word.split()) for word in verbs.strip().split(",")]
    options = set(OPTION.findall(rest))
    positional = re.findall(r"\[?[A-Z]+\]?", re.sub(r"\[-[^\]]*\]", "", rest))
    # As the page says of all: "commands that take MEMBER also take --network".
    if "MEMBER" in positional and "[NETWORK]" not in positional:
        options.add("--network")
    return {path: (positional, options) for path in paths}


def documented(page):
    found = {}
    for heading in headings(section(page, "COMMANDS")):
        found.update(told(heading))
    return found


def check_page(name, page, tree):
    """Differences of a page: verbs, what they take, their options, options of the program."""
    everything = set().union(*(command.options for command in tree.values()))
    text = "\n".join(map(plain, page.split("\n")))
    for option in sorted(set(OPTION_LONG.findall(text)) - everything):
        yield f"{name}: there is no {option}"
    own = {option for heading in headings(section(page, "OPTIONS"))
           for option in OPTION.findall(heading)}
    yield from differences(f"{name}, OPTIONS", own, set(tree[()].options))
    synopsis = set(OPTION.findall("\n".join(map(plain, section(page, "SYNOPSIS").split("\n")))))
    yield from differences(f"{name}, SYNOPSIS", synopsis,
                           set(tree[()].options) - HELP - {"--version"})
    told_of, real = documented(page), leaves(tree)
    yield from differences(f"{name}, COMMANDS", {" ".join(p) for p in told_of},
                           {" ".join(p) for p in real})
    for path in sorted(set(told_of) & set(real)):
        verb, (positional, options) = " ".join(path), told_of[path]
        if positional != real[path].usage:
            yield f"{name}, {verb}: takes {real[path].usage}, not {positional}"
        # Both ways to say which network are told where both are there.
        wanted = set(real[path].options) - HELP
        if "[NETWORK]" in real[path].usage:
            wanted.discard("--network")
        yield from differences(f"{name}, {verb}", options, wanted)


def differences(where, said, real):
    for word in sorted(real - said):
        yield f"{where}: {word} is missing"
    for word in sorted(said - real):
        yield f"{where}: there is no {word}"


# --- what completion offers ---

OFFER = """source "$1"; shift
ipop() { :; }
function=$1; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
"$function"
printf '%s\\n' "${COMPREPLY[@]}"
"""


class Completion:
    def __init__(self, text):
        self.text = text

    def offers(self, *words):
        """What bash would offer in place of the last of these words."""
        run = subprocess.run(["bash", "-c", OFFER, "offer", "/dev/stdin", f"_{words[0]}", *words],
                             input=self.text, capture_output=True, text=True, check=True)
        return set(run.stdout.split())


def check_completion(name, completion, program, tree):
    everything = set().union(*(command.options for command in tree.values()))
    for path, command in tree.items():
        where = " ".join((f"{name}: {program}", *path))
        typed = [program, *path]
        long = {option for option in {**tree[()].options, **command.options}
                if option.startswith("--")}
        yield from differences(where, completion.offers(*typed, "-"), long)
        if command.below:
            yield from differences(where, completion.offers(*typed, ""), set(command.below))
        for option, has_value in {**tree[()].options, **command.options}.items():
            offered = completion.offers(*typed, option, "") if has_value else set()
            if offered & (everything | set(tree[()].below)):
                yield f"{where} {option}: offers {sorted(offered)} for its value"


def check_words(name, text, trees):
    """No option in the file that no program has, not even where nothing is offered."""
    everything = {option for tree in trees for command in tree.values()
                  for option in command.options}
    for option in sorted(set(OPTION_LONG.findall(text)) - everything):
        yield f"{name}: there is no {option}"


# --- all of it ---

def findings(root, ask_of):
    packaging = root / "packaging"
    completion = (packaging / "completion" / "ipop.bash").read_text()
    trees = {program: commands(ask_of(program)) for program in ("ipop", "ipopd")}
    for program, page in (("ipop", "ipop.1"), ("ipopd", "ipopd.8")):
        tree = trees[program]
        yield from check_page(page, (packaging / "man" / page).read_text(), tree)
        yield from check_completion("ipop.bash", Completion(completion), program, tree)
    yield from check_words("ipop.bash", completion, trees.values())


def asker(program):
    """Asks a program for the help of a verb."""
    return lambda path: subprocess.run([program, *path, "--help"], capture_output=True, text=True,
                                       check=True).stdout


# --- self-test ---

HELPS = {
    (): "Usage: p [OPTIONS] SUBCOMMAND\n\nOptions:\n  -h,--help    H\n  --socket PATH=/x\n"
        "              S\n\nSubcommands:\n  add          A\n  group        G\n",
    ("add",): "Usage: p add [OPTIONS] MEMBER\n\nOptions:\n  -h,--help    H\n  -n,--number N=1  N\n"
              "  --network NETWORK  W\n",
    ("group",): "Usage: p group [OPTIONS] SUBCOMMAND\n\nOptions:\n  -h,--help    H\n\n"
                "Subcommands:\n  list         L\n",
    ("group", "list"): "Usage: p group list [OPTIONS] [NETWORK]\n\nOptions:\n  -h,--help    H\n",
}
PAGE = r""".SH SYNOPSIS
.RB [ \-\-socket
.IR PATH ]
.SH OPTIONS
.TP
.BI \-\-socket " PATH"
.TP
.BR \-h ", " \-\-help
.SH COMMANDS
also take
.BI \-\-network " NETWORK"\fR.
.TP
.BI add " MEMBER \fR[\fB\-n\fR, \fB\-\-number\fI N\fR]"
.TP
.BI "group list\fR [\fINETWORK\fR]"
.SH EXAMPLES
"""
SCRIPT = """_p() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
    case $prev in --socket | --network | -n | --number) return ;; esac
    if [[ $cur == -* ]]; then
        COMPREPLY=(--socket --help)
        [[ $verb == add ]] && COMPREPLY+=(--number --network)
    elif [[ $verb == group ]]; then COMPREPLY=(list)
    else COMPREPLY=(add group)
    fi
}
"""
# (what is changed, into what, what a finding must contain; None: nothing may be found)
PAGES = [
    ("", "", None),
    ("\\-n\\fR, \\fB", "", "add: -n is missing"),
    ("\\fB\\-\\-number", "\\fB\\-\\-count", "there is no --count"),
    (".BI add", ".BI put", "COMMANDS: add is missing"),
    (".BI add", ".BI put", "COMMANDS: there is no put"),
    ('"group list', '"group show', "there is no group show"),
    (" MEMBER \\fR", " NAME \\fR", "add: takes ['MEMBER'], not ['NAME']"),
    (".TP\n.BR \\-h \", \" \\-\\-help\n", "", "OPTIONS: --help is missing"),
    (".RB [ \\-\\-socket\n.IR PATH ]\n", "", "SYNOPSIS: --socket is missing"),
    ("EXAMPLES\n", "EXAMPLES\np add bob \\-\\-fast\n", "there is no --fast"),
]
SCRIPTS = [
    ("", "", None),
    ("(--number --network)", "(--number)", "p add: --network is missing"),
    ("(--socket --help)", "(--socket --help --all)", "there is no --all"),
    ("(add group)", "(add)", "p: group is missing"),
    ("(add group)", "(add group kick)", "p: there is no kick"),
    ("(list)", "(show)", "p group: list is missing"),
    ("--network | -n | ", "--network | ", "p add -n: offers"),
]


def self_test():
    tree = commands(HELPS.get)
    failures = 0
    for cases, text, check in (
            (PAGES, PAGE, lambda changed: check_page("page", changed, tree)),
            (SCRIPTS, SCRIPT, lambda changed: check_completion(
                "script", Completion(changed), "p", tree))):
        for old, new, wanted in cases:
            messages = list(check(text.replace(old, new)))
            good = not messages if wanted is None else any(wanted in m for m in messages)
            if not good or (old and old not in text):
                failures += 1
                print(f"{old!r} -> {new!r}: wanted {wanted!r}, got {messages}")
    unknown = list(check_words("script", SCRIPT + "case $prev in --old) ;; esac", [tree]))
    if unknown != ["script: there is no --old"]:
        failures += 1
        print(f"words: {unknown}")
    print(f"{len(PAGES) + len(SCRIPTS) + 1} changes, {failures} unnoticed")
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return 1 if self_test() else 0
    if not options.root or not options.bin:
        parser.error("--root and --bin, or --self-test")
    found = list(findings(options.root, lambda program: asker(options.bin / program)))
    print("\n".join(found + [f"{len(found)} findings"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
