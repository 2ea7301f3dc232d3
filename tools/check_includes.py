#!/usr/bin/env python3
"""Checks that every #include follows the one-way order between folders, which docs/architecture.md draws, and that a
file includes what it uses of Abseil and of C++ itself: what other headers happen to bring along differs between releases.
Also that the page has a row for each folder that has one here, that docs/threading.md names the mutex of every class, and
that only those files ask the wall clock, which somebody may set, whose business the date is.

    tools/check_includes.py [ROOT]

Prints one line per fault and exits 1 when there is any. Headers of C++, of Abseil and of the folder
system are free for all.
"""
import pathlib
import re
import sys

# What a file may include besides its own folder. The longest matching path wins, so a single file can have a row of its
# own. Names with a slash or in ROOTS are our folders; the others are outside packages (PACKAGES below).
ALLOWED = {
    "system": "",
    "system/bounded_json.h": "json",
    "system/bounded_json.cc": "json",
    "checksum": "",
    "threading": "",
    "proto": "grpc protobuf",
    "command_line": "cli11 utf8proc",
    "media": "libav utf8proc",
    "model/api": "",
    "model/drive": "model/api",
    "model/config": "model/api json",
    "model/weights": "model/config json torch",
    "model/kernels": "model/config cuda flashinfer",
    "model/plain/text": "model/api model/config model/weights torch json sentencepiece utf8proc",
    "model/plain/transformer": "model/api model/config model/weights torch",
    "model/plain/decoder": "model/api model/config model/weights torch",
    "model/plain/rollout": "model/api model/config model/weights model/plain torch",
    "model/plain": "model/api model/config model/weights torch",  # model_parts: all of it together
    "model/cpu": "model/api model/config model/weights model/plain torch",
    "model/gpu": "model/api model/drive model/config model/weights model/plain model/kernels threading torch cuda",
    "model/load": "model/api model/config model/weights model/plain model/cpu model/gpu torch",
    "model/rollout": "model/api model/config model/weights model/plain model/cpu model/gpu model/load torch",
    "convert": "model/config model/weights model/plain/text command_line json zlib",
    "parity": "command_line model/config model/weights model/plain model/cpu model/gpu model/kernels torch json",
    "scheduler": "model/api threading prometheus",
    "server/media": "model/api media libav",
    "server/delivery": "checksum threading server/media scheduler model/api prometheus",
    "server/logging": "threading",
    "server/logging/grpc_log.cc": "grpc",
    "server/sockets": "threading openssl",
    "server/rpc": "proto protobuf grpc threading scheduler server/media server/delivery server/access server/logging server/sockets model/api prometheus openssl utf8proc",
    "server/access": "grpc prometheus json openssl threading command_line server/logging",
    "server/metrics": "prometheus server/logging server/sockets",
    "server/warm_up.cc": "server/media model/api model/drive",
    "server/warm_up.h": "model/api model/drive",
    "server": "proto protobuf grpc threading scheduler server/media server/delivery server/logging server/sockets server/access server/rpc server/metrics model/api prometheus",
    "server/server_flags.h": "server command_line scheduler",
    "server/server_flags.cc": "server command_line scheduler",
    "server/diagnose.h": "server command_line",
    "server/diagnose.cc": "server command_line grpc protobuf openssl libav",
    "server/main.cc": "server command_line media model/api model/load threading scheduler",  # the only file that knows both sides
    "client/load": "client proto protobuf checksum threading command_line media json",
    "client/main.cc": "command_line client/load",
    "client": "proto protobuf grpc checksum command_line media threading",
    "gateway/http": "threading boost server/sockets server/logging",
    "gateway": "gateway/http client command_line proto protobuf grpc threading server/sockets server/metrics server/logging prometheus json openssl",
    "training/scenes": "model/config",
    "training/prompts": "training model/api model/config model/weights model/plain model/gpu/text checksum torch json",
    "training/model": "training model/api model/drive model/config model/weights model/plain model/rollout checksum torch json",
    "training": "model/api model/drive model/config model/weights model/plain model/rollout torch json",
    "training/figures": "training model media torch",
    "training/main.cc": "training/command command_line",
    "training/command": "training model command_line media torch",
    "bench": "client command_line proto protobuf convert model torch cuda json",
}

# Whose table of folders says the same in prose; of single files it speaks as it likes.
PAGE = "docs/architecture.md"

# Folders whose headers, and all that these include, must be free of Torch: its wheel carries protobuf headers of another
# version, and a change there would rebuild half the tree.
TORCH_FREE = ("system", "checksum", "threading", "command_line", "media", "model/api", "model/config", "convert", "scheduler", "server", "client", "gateway", "training/scenes")

PACKAGES = [  # package, pattern of the included path
    ("torch", r"(ATen|c10|torch)/"),
    ("grpc", r"(grpc|grpcpp)/"),
    ("protobuf", r"videodiffcr/v1/|google/(rpc|protobuf)/"),  # generated code
    ("libav", r"lib(av\w+|sw\w+)/"),
    ("prometheus", r"prometheus/"),
    ("json", r"nlohmann/"),
    ("cli11", r"CLI/"),
    ("openssl", r"openssl/"),
    ("boost", r"boost/"),
    ("sentencepiece", r"sentencepiece"),
    ("utf8proc", r"utf8proc"),
    ("zlib", r"zlib\.h"),
    ("flashinfer", r"(flashinfer|cutlass|cute)/"),
    ("cuda", r"cuda|cublas|cudnn"),
]
ROOTS = ("system", "checksum", "threading", "proto", "command_line", "media", "model", "convert", "parity", "training", "scheduler", "server", "client", "gateway", "bench")  # tests may include anything

# Header, and what only it is sure to declare. Not here: what every header of ours brings along by the standard's word.
DECLARES = {
    "absl/cleanup/cleanup.h": r"absl::(Make)?Cleanup\b",
    "absl/strings/ascii.h": r"absl::(StripAsciiWhitespace|AsciiStrTo\w+|ascii_is\w+)",
    "absl/strings/escaping.h": r"absl::(CEscape|CHexEscape|BytesToHexString|HexStringToBytes|(Un)?escape|Base64\w+)",
    "absl/strings/match.h": r"absl::(StartsWith|EndsWith|StrContains)\w*",
    "absl/strings/numbers.h": r"absl::Simple(Ato|Hex)\w+",
    "absl/strings/str_cat.h": r"absl::(StrCat|StrAppend|Hex|AlphaNum)\b",
    "absl/strings/str_format.h": r"absl::(StrFormat|StrAppendFormat|PrintF|FPrintF)\b",
    "absl/strings/str_join.h": r"absl::StrJoin\b",
    "absl/strings/str_replace.h": r"absl::StrReplaceAll\b",
    "absl/strings/str_split.h": r"absl::StrSplit\b",
    "absl/strings/strip.h": r"absl::(ConsumePrefix|ConsumeSuffix|StripPrefix|StripSuffix)\b",
    "absl/time/clock.h": r"absl::(Now|SleepFor|GetCurrentTimeNanos)\b",
    "algorithm": r"std::(sort|stable_sort|min|max|clamp|find_if|find|count_if|count|any_of|all_of|none_of|transform|reverse|fill|copy|lower_bound|upper_bound|max_element|min_element|nth_element|equal|unique|rotate|shuffle)\(",
    "array": r"std::array<",
    "atomic": r"std::atomic",
    "chrono": r"std::chrono::",
    "cmath": r"std::(sqrt|exp|log|log2|pow|isfinite|isnan|lround|floor|ceil|sin|cos|abs\(\w+\.)\b",
    "condition_variable": r"std::condition_variable",
    "cstdlib": r"std::(getenv|abort|exit|_Exit)\(",
    "cstring": r"std::(memcpy|memcmp|memset|strlen|strcmp)\(",
    "deque": r"std::deque<",
    "fstream": r"std::[io]?fstream\b",
    "functional": r"std::(function<|bind|hash<|greater|less|plus<)",
    "future": r"std::(promise|future|async|shared_future)\b",
    "numeric": r"std::(accumulate|iota|inner_product|partial_sum|gcd|lcm)\(",
    "random": r"std::(random_device|mt19937|uniform_\w+_distribution|normal_distribution)",
    "sstream": r"std::[io]?stringstream\b",
    "thread": r"std::(thread\b|this_thread)",
    "unordered_map": r"std::unordered_map<",
    "variant": r"std::(variant<|get_if<|holds_alternative|visit\()",
}
# Whose business the date is: log lines, certificates, tokens' days, jobs as OpenAI's clients see them, and snapshots, which go
# from one machine to another. All else measures and waits, by system/steady_time.h or threading/clock.h.
WALL_CLOCK_USERS = ("gateway/gateway.cc", "server/access/tokens_command.cc", "server/diagnose.cc", "server/logging/log_line.cc",
                    "server/rpc/session_call.cc", "server/rpc/snapshot_taker.cc", "server/server.cc")
WALL_CLOCK = re.compile(r"absl::(Now\(|GetCurrentTimeNanos)|system_clock::now|CLOCK_REALTIME|gettimeofday|std::time\(")

# Who takes which mutex, and what may be taken under it.
THREADS_PAGE = "docs/threading.md"
MUTEX_ITSELF = "threading/mutex.h"
MUTEX = re.compile(r"( +)(?:mutable )?(?:Mutex|std::\w*mutex) (\w+)(?: ABSL_\w+\([^)]*\))?;")
CLASS = re.compile(r" *(?:class|struct) ([\w:]+)")

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]', re.MULTILINE)


def includes_of(path):
    return INCLUDE.findall(path.read_text(encoding="utf-8", errors="replace"))


def row_of(name):
    """The row of ALLOWED that speaks for a file, or None."""
    matches = [row for row in ALLOWED if name == row or name.startswith(row + "/")]
    return max(matches, key=len, default=None)


def target_of(included):
    """The folder or package that an included path belongs to; None for what is free for all."""
    if included.split("/")[0] in ROOTS:
        return included.rpartition("/")[0]
    for package, pattern in PACKAGES:
        if re.match(pattern, included):
            return package
    return None


def allows(row, target):
    return any(target == name or target.startswith(name + "/") for name in [row, "system", *ALLOWED[row].split()])


def path_to_torch(name, root, seen):
    """The chain of includes that leads from a file to Torch, or None."""
    if name in seen or not (root / name).is_file():
        return None
    seen.add(name)
    for included in includes_of(root / name):
        if target_of(included) == "torch":
            return [name, included]
        chain = path_to_torch(included, root, seen)
        if chain:
            return [name, *chain]
    return None


def wrong_includes(root):
    for top in ROOTS:
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cc", ".cu", ".cuh"):
                continue
            name = path.relative_to(root).as_posix()
            row = row_of(name)
            if row is None:
                yield f"{name}: its folder has no row in the table of tools/check_includes.py"
                continue
            for included in includes_of(path):
                target = target_of(included)
                if target is not None and target != name.rpartition("/")[0] and not allows(row, target):
                    yield f"{name}: may not include {included} ({row} may include: {ALLOWED[row] or 'nothing'})"
            if path.suffix in (".h", ".cuh") and name.startswith(TORCH_FREE):
                chain = path_to_torch(name, root, set())
                if chain:
                    yield f"{name}: reaches Torch: {' -> '.join(chain)}"


def folders_without_twin(root):
    """Folders that only one of the two tables, the page's and ours, has a row for."""
    text = (root / PAGE).read_text(encoding="utf-8") if (root / PAGE).is_file() else ""
    table = re.search(r"^\| folder \| may include \|\n\|---\|---\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    if table is None:
        yield f"{PAGE}: has no table of folders and what they may include"
        return
    there = {name for row in table[1].splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    here = {row for row in ALLOWED if not row.endswith((".h", ".cc"))} | {"tests"}
    for folder in sorted(here ^ there):
        yield (f"{PAGE}: has no row for {folder}, for which tools/check_includes.py has one" if folder in here else
               f"{PAGE}: has a row for {folder}, for which tools/check_includes.py has none")


def missing_includes(root):
    for top in (*ROOTS, "tests"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cc", ".cu", ".cuh"):
                continue
            code = re.sub(r"//.*", "", path.read_text(encoding="utf-8", errors="replace"))
            own = path.with_suffix(".h")
            included = set(includes_of(path)) | (set(includes_of(own)) if own.is_file() else set())
            for header, pattern in DECLARES.items():
                used = re.search(pattern, code) if header not in included else None
                if used:
                    yield f"{path.relative_to(root).as_posix()}: uses {used[0].rstrip('(<')} and does not include <{header}>"


def wall_clocks(root):
    for top in ROOTS:
        for path in sorted((root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix not in (".h", ".cc", ".cu", ".cuh") or name in WALL_CLOCK_USERS:
                continue
            used = WALL_CLOCK.search(re.sub(r"//.*", "", path.read_text(encoding="utf-8", errors="replace")))
            if used:
                yield f"{name}: asks the wall clock ({used[0].rstrip('(')}), which somebody may set; SteadyNow() or a Clock goes on"


def class_around(lines, indentation):
    """The class whose members are so far from the margin, where these lines end; None where it is a function."""
    for line in reversed(lines):
        if not line.strip() or line.startswith("#") or len(line) - len(line.lstrip()) >= indentation or re.match(r" +p\w+:$", line):
            continue
        found = CLASS.match(line)
        return found[1] if found else None
    return None


def unnamed_mutexes(root):
    page = (root / THREADS_PAGE).read_text(encoding="utf-8") if (root / THREADS_PAGE).is_file() else ""
    for top in ROOTS:
        for path in sorted((root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix not in (".h", ".cc", ".cu", ".cuh") or name == MUTEX_ITSELF:
                continue
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            for number, line in enumerate(lines):
                mutex = MUTEX.match(line)
                owner = class_around(lines[:number], len(mutex[1])) if mutex else None
                if owner and not re.search(rf"\b{owner}::{mutex[2]}\b", page):
                    yield f"{name}:{number + 1}: {THREADS_PAGE} does not name {owner}::{mutex[2]}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    wrong = [*wrong_includes(root), *folders_without_twin(root), *missing_includes(root), *unnamed_mutexes(root), *wall_clocks(root)]
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
