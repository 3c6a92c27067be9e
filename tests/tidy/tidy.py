#!/usr/bin/python3
"""The rules of docs/style.md that a program can hold: include arrows, banned words, sizes, strays.

    tidy.py --root DIR [--compile-commands FILE]   prints file:line: message; exit 1 on any finding
    tidy.py --self-test                            every rule notices its bad snippet

Each message names the replacement, so that nobody has to look the rule up.
"""
import argparse
import json
import pathlib
import re
import sys

CORE = ("base", "crypto", "wire", "session", "nat", "overlay", "member", "dataplane", "engine")

# folder -> folders it may include directly; what those may include follows.
ARROWS = {
    "base": (),
    "crypto": ("base",),
    "wire": ("base",),
    "session": ("crypto", "wire"),
    "nat": ("crypto", "wire"),
    "overlay": ("crypto", "wire"),
    "member": ("crypto", "wire"),
    "rendezvous": ("crypto", "wire"),
    "dataplane": ("session",),
    "engine": ("session", "nat", "overlay", "member", "dataplane", "rendezvous"),
    "os": ("base",),
    "control": ("base",),
    "daemon": ("engine", "os", "control"),
    "cli": ("control",),
    "web": ("control",),
    "sim": ("engine",),
}
# A test may also use these: SeededRng and the like live in base, files of the machine in os.
TEST_EXTRA = {"control": ("os",), "cli": ("os", "daemon", "engine")}

# Standard headers that bring a clock, a thread, a lock, a stream or an allocation per call.
CORE_HEADERS_BANNED = {
    "thread": "the engine is one thread, workers live in daemon/",
    "mutex": "share by immutable Snapshot, not by lock",
    "shared_mutex": "share by immutable Snapshot, not by lock",
    "condition_variable": "a machine returns WaitUntil instead of waiting",
    "future": "a machine returns events instead of promises",
    "semaphore": "a machine returns WaitUntil instead of waiting",
    "iostream": "return an Error or an event; the edges print",
    "fstream": "files are os/'s",
    "sstream": "append to a std::string",
    "filesystem": "files are os/'s",
    "regex": "parse by hand, with named limits",
    "random": "draw from the Rng& that was handed in",
    "ctime": "time is told: Now",
    "csignal": "signals are os/'s",
}
# Heavy headers cost 6-10 s a translation unit, so they stay in .cc files of the edges.
HEAVY = re.compile(r"^(nlohmann/|CLI/|toml\+\+/|fmt/)")

CORE_WORDS = {
    r"\bsteady_clock\b": "time is told: take Now, compare Instants",
    r"\bsystem_clock\b": "time is told: take Now, compare UnixTimes",
    r"\bhigh_resolution_clock\b": "time is told: take Now",
    r"\bstd::j?thread\b": "workers live in daemon/",
    r"\b(?:std::)?\w*mutex\b": "share by immutable Snapshot, not by lock",
    r"\bshared_ptr\b": "own with values or unique_ptr",
    r"\bstd::function\s*<|\bfunction<": "return events from poll_output(), no callbacks",
    r"\brand(?:om)?\s*\(\s*\)|\bsrand\s*\(": "draw from the Rng& that was handed in",
    r"\bgetenv\s*\(": "settings are handed in",
    r"\bnew\s+[A-Za-z_:(]": "std::make_unique or a container",
    r"\bthrow\b": "return std::unexpected(Error…)",
    r"\btry\s*\{": "the core has no exceptions: test the Result",
    r"\bdynamic_cast\b|\btypeid\b": "the core has no RTTI: use a variant",
}
# Banned in the core but in base/ and wire/, whose business they are.
CORE_BYTES = {
    r"\bmemcpy\s*\(": "copy_bytes() of base/bytes.h",
    r"\breinterpret_cast\b": "as_uchar()/as_text() of base/bytes.h",
}
EVERYWHERE = {
    # An error_code's value() is a number and throws nothing.
    r"(?<!error)(?<!code)(?<!\bec)\.value\(\)": "test it, then use * or ->: .value() throws",
    r"\bstrcpy\s*\(|\bsprintf\s*\(|\bstrcat\s*\(": "std::string, or snprintf with the size",
    r"\busing namespace std\s*;": "name what you use",
    r"\bassert\s*\(": "check() of base/check.h is on in release builds, too",
}
TESTS = {
    r"\bGTEST_SKIP\b": "a missing prerequisite fails the test",
    r"\bDISABLED_": "mend it or delete it",
    r"\bsleep_for\b|\bsleep_until\b|\busleep\s*\(": "wait for the behaviour, with a limit",
}
# The vectors that live outside a checkout are the one prerequisite that may be absent.
SKIP_ALLOWED = re.compile(r"vectors?_test\.cc$|wycheproof")

LINES_MAX = 500
TEST_LINES_MAX = 800
LONG_FILES = {}  # path -> why it is one file after all
COLUMNS_MAX = 100

CODE = {".cc", ".h", ".cpp"}
OTHERS = {".py", ".sh", ".cmake"}
SKIP_FOLDERS = {".git", "build", "__pycache__", ".cache", "corpus", "vectors"}


def blank_comments_and_strings(text):
    """The same text with comments and literals blanked, so that line numbers stay."""
    pattern = re.compile(
        r'R"([^ ()\\\t\n]{0,16})\(.*?\)\1"'
        r'|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'"
        r"|//[^\n]*"
        r"|/\*.*?\*/",
        re.S,
    )
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def closure(folder):
    seen, todo = set(), [folder]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += ARROWS.get(one, ())
    return seen


def is_test(path):
    return (path.name.endswith(("_test.cc", "_test.h")) or "testing" in path.stem
            or path.name.startswith("test_"))


def check_includes(path, folder, text):
    allowed = closure(folder)
    if is_test(path):
        for extra in TEST_EXTRA.get(folder, ()):
            allowed |= closure(extra)
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not found:
            continue
        bracket, name = found.groups()
        if bracket == '"':
            target = name.split("/")[0]
            if "/" not in name:
                yield number, f'"{name}": include by folder, "{folder}/{name}"'
            elif target not in allowed:
                yield number, f"{folder}/ may not include {target}/ (arrows: docs/style.md)"
        elif HEAVY.match(name):
            if folder in CORE or path.suffix == ".h":
                yield number, f"<{name}> belongs in a .cc file of an edge"
        elif re.match(r"openssl/|sodium|intel-ipsec-mb", name):
            if folder != "crypto" and (folder, path.stem.removesuffix("_test")) != ("os", "tls"):
                yield number, f"<{name}>: crypto/ alone includes its libraries, and os/tls.cc"
        elif folder in CORE and not is_test(path):
            if name in CORE_HEADERS_BANNED:
                yield number, f"<{name}> in the core: {CORE_HEADERS_BANNED[name]}"
            elif name == "atomic" and folder != "dataplane":
                yield number, "<atomic>: words that two threads write sit in dataplane/shared.h"
            elif name == "cpuid.h" and folder == "crypto":
                continue  # an instruction, no call: which ciphers this processor has
            elif "/" in name or name.endswith(".h"):
                yield number, f"<{name}> in the core: system headers are os/'s"


def check_words(path, folder, text):
    rules = dict(EVERYWHERE)
    if is_test(path):
        rules.update(TESTS)
        if SKIP_ALLOWED.search(path.name):
            rules.pop(r"\bGTEST_SKIP\b")
        rules = {k: v for k, v in rules.items() if "value" not in k}  # gtest reports the throw
    elif folder in CORE:
        rules.update(CORE_WORDS)
        if folder not in ("base", "wire"):
            rules.update(CORE_BYTES)
        if folder != "dataplane":
            rules[r"\bstd::atomic\b"] = "words that two threads write sit in dataplane/shared.h"
    for number, line in enumerate(blank_comments_and_strings(text).split("\n"), 1):
        for pattern, instead in rules.items():
            found = re.search(pattern, line)
            if found:
                yield number, f"'{found.group(0).strip()}': {instead}"


def check_size(path, text):
    lines = text.split("\n")
    most = TEST_LINES_MAX if is_test(path) else LINES_MAX
    if len(lines) - 1 > most and str(path) not in LONG_FILES:
        yield most, f"{len(lines) - 1} lines: split by concern (limit {most})"
    for number, line in enumerate(lines, 1):
        # A literal or an address that cannot be broken is worse when it is broken.
        if len(line) > COLUMNS_MAX and not re.search(r"https?://|\S{70}", line):
            yield number, f"{len(line)} columns (limit {COLUMNS_MAX})"
        if path.suffix in CODE and re.search(r"\b(TODO|FIXME|XXX)\b", line):
            yield number, "no marks in the code: an open end is a line in docs/roadmap.md"


def check_file(path, text):
    """All findings of one file; `path` is relative to the root."""
    yield from check_size(path, text)
    if path.suffix in CODE:
        folder = path.parts[1] if path.parts[0] == "src" and len(path.parts) > 2 else path.parts[0]
        if folder in ARROWS:
            yield from check_includes(path, folder, text)
        yield from check_words(path, folder, text)
        if path.suffix == ".h" and "#pragma once" not in text:
            yield 1, "a header begins with #pragma once"


def check_strays(root, paths, commands):
    compiled = {pathlib.Path(entry["file"]).resolve() for entry in commands}
    for path in paths:
        if path.suffix == ".cc" and (root / path).resolve() not in compiled:
            yield path, 1, "no target compiles this file"


def source_files(root):
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if SKIP_FOLDERS & set(relative.parts) or not path.is_file():
            continue
        if path.suffix in CODE | OTHERS or path.name in ("CMakeLists.txt", "run"):
            yield relative


def findings(root, compile_commands):
    paths = list(source_files(root))
    for path in paths:
        text = (root / path).read_text(encoding="utf-8")
        for number, message in check_file(path, text):
            yield path, number, message
    if compile_commands:
        commands = json.loads(pathlib.Path(compile_commands).read_text())
        yield from check_strays(root, paths, commands)


# --- self-test: (path, snippet, what the message must contain; None = must be silent) -------------

HEAD = "#pragma once\n"
SNIPPETS = [
    ("src/session/a.h", HEAD + '#include "member/invite.h"\n', "may not include member/"),
    ("src/base/a.h", HEAD + '#include "wire/reader.h"\n', "may not include wire/"),
    ("src/cli/a.cc", '#include "engine/engine.h"\n', "may not include engine/"),
    ("src/os/a.cc", '#include "crypto/hkdf.h"\n', "may not include crypto/"),
    ("sim/a.cc", '#include "os/tun.h"\n', "may not include os/"),
    ("src/session/a.cc", '#include "session.h"\n', "include by folder"),
    ("src/session/a.cc", "#include <openssl/evp.h>\n", "crypto/ alone"),
    ("src/os/a.cc", "#include <openssl/ssl.h>\n", "crypto/ alone"),
    ("src/os/tls.cc", "#include <openssl/ssl.h>\n", None),
    ("src/os/tls_test.cc", "#include <openssl/ssl.h>\n", None),
    ("src/member/a.cc", "#include <sodium.h>\n", "crypto/ alone"),
    ("src/dataplane/a.cc", "#include <intel-ipsec-mb.h>\n", "crypto/ alone"),
    ("src/nat/a.cc", "#include <sys/socket.h>\n", "system headers"),
    ("src/nat/a.cc", "#include <unistd.h>\n", "system headers"),
    ("src/nat/a.cc", "#include <mutex>\n", "Snapshot"),
    ("src/session/a.h", HEAD + "#include <atomic>\n", "dataplane/shared.h"),
    ("src/control/a.h", HEAD + "#include <nlohmann/json.hpp>\n", "edge"),
    ("src/wire/a.cc", "#include <fmt/format.h>\n", "edge"),
    ("src/engine/a.cc", "auto t = std::chrono::steady_clock::now();\n", "time is told"),
    ("src/engine/a.cc", "auto t = std::chrono::system_clock::now();\n", "time is told"),
    ("src/engine/a.cc", "std::thread t;\n", "daemon/"),
    ("src/engine/a.cc", "std::mutex m;\n", "Snapshot"),
    ("src/engine/a.cc", "std::shared_ptr<int> p;\n", "unique_ptr"),
    ("src/engine/a.cc", "std::function<void()> f;\n", "poll_output"),
    ("src/engine/a.cc", "int x = rand();\n", "Rng&"),
    ("src/engine/a.cc", "auto* e = getenv(name);\n", "handed in"),
    ("src/engine/a.cc", "auto* p = new Peer();\n", "make_unique"),
    ("src/engine/a.cc", "throw 1;\n", "unexpected"),
    ("src/engine/a.cc", "try {\n", "Result"),
    ("src/engine/a.cc", "auto* d = dynamic_cast<D*>(b);\n", "variant"),
    ("src/engine/a.cc", "memcpy(a, b, n);\n", "copy_bytes"),
    ("src/engine/a.cc", "auto* p = reinterpret_cast<char*>(q);\n", "as_uchar"),
    ("src/member/a.cc", "std::atomic<int> n;\n", "dataplane/shared.h"),
    ("src/daemon/a.cc", "auto v = result.value();\n", ".value() throws"),
    ("src/cli/a.cc", "strcpy(a, b);\n", "std::string"),
    ("src/cli/a.cc", "using namespace std;\n", "name what you use"),
    ("src/os/a.cc", "assert(x);\n", "check()"),
    ("src/os/a_test.cc", "GTEST_SKIP();\n", "fails the test"),
    ("src/os/a_test.cc", "TEST(A, DISABLED_b) {}\n", "mend it"),
    ("src/os/a_test.cc", "std::this_thread::sleep_for(1s);\n", "with a limit"),
    ("src/os/a.cc", "int x;\n" * 501, "split by concern"),
    ("src/os/a_test.cc", "int x;\n" * 801, "split by concern"),
    ("src/os/a.cc", "int x = 1 + " + "1 + " * 30 + "1;\n", "columns"),
    ("src/os/a.cc", "// TODO: later\n", "roadmap"),
    ("src/os/a.h", "int x;\n", "#pragma once"),
    # What must stay silent.
    ("src/engine/a.cc", "// throw away; a new Peer; steady_clock\nint x;\n", None),
    ("src/engine/a.cc", 'auto s = "throw new mutex";\n', None),
    ("src/engine/a.cc", '#include "base/time.h"\n#include <vector>\n', None),
    ("src/dataplane/a.h", HEAD + '#include <atomic>\n#include "wire/data.h"\n', None),
    ("src/crypto/a.cc", "#include <openssl/evp.h>\n", None),
    ("src/wire/a.cc", "memcpy(a, b, n);\n", None),
    ("src/daemon/a.cc", '#include "os/tun.h"\n#include <nlohmann/json.hpp>\n', None),
    ("src/os/a_test.cc", "int x;\n" * 799, None),
    ("src/os/a.cc", "return Errno{error.value()};\nusing namespace std::chrono_literals;\n", None),
    ("src/engine/a.cc", "int x = 1'000'000;\nint y = 2;\n", None),
]


def self_test():
    failures = 0
    for name, snippet, wanted in SNIPPETS:
        messages = [m for _, m in check_file(pathlib.Path(name), snippet)]
        good = not messages if wanted is None else any(wanted in m for m in messages)
        if not good:
            failures += 1
            print(f"{name}: {snippet[:60]!r}: wanted {wanted!r}, got {messages}")
    root = pathlib.Path("/nowhere")
    stray = [pathlib.Path("src/os/stray.cc"), pathlib.Path("src/os/known.cc")]
    found = list(check_strays(root, stray, [{"file": "/nowhere/src/os/known.cc"}]))
    if [f[0].name for f in found] != ["stray.cc"]:
        failures += 1
        print(f"strays: {found}")
    print(f"{len(SNIPPETS) + 1} snippets, {failures} unnoticed")
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path)
    parser.add_argument("--compile-commands")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return 1 if self_test() else 0
    if not options.root:
        parser.error("--root or --self-test")
    count = 0
    for path, number, message in findings(options.root.resolve(), options.compile_commands):
        count += 1
        print(f"{path}:{number}: {message}")
    print(f"{count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
