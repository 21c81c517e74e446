#!/usr/bin/env python3
"""Checks what compilers do not: who includes whom, sizes, headers that compile alone, names, secrets, machine paths.

    tests/lint/lint.py              everything, then every other *.py beside this file
    tests/lint/lint.py --no-compile without compiling the headers

Exit code 0: nothing to object to (warnings are allowed), 1: findings. Needs Python 3.9 and g++, nothing else.
"""
import concurrent.futures
import hashlib
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CPP_FOLDERS = ("bench", "broker", "cluster", "frontends", "storage", "tests")
TEXT_SUFFIXES = {".cpp", ".hpp", ".h", ".py", ".js", ".mjs", ".ts", ".json", ".md", ".toml", ".txt", ".cmake", ".sh", ".html", ".proto", ".yml", ""}
LIMITS = {".hpp": (200, 300), ".cpp": (400, 600)}
FUNCTION_LIMITS = (40, 70)
FORBIDDEN_WORDS = {"util", "utils", "helper", "helpers", "common", "manager"}  # also as a part of a name
FORBIDDEN_NAMES = {"data", "info", "process", "do_it"}  # as the whole name
WIRING = re.compile(r"^broker/(main|(server|node)(_\w+)?)\.(cpp|hpp)$")

# Folder: what it may include of the project, and which outside libraries it may not touch.
MAY_INCLUDE = {
    "broker": ("broker/",),
    "storage": ("storage/", "broker/", "storage.pb.h"),
    "cluster": ("cluster/", "broker/", "cluster.pb.h"),
    "frontends/net": ("frontends/net/", "broker/"),
    "frontends/auth": ("frontends/auth/", "broker/"),
    "frontends/cli": ("frontends/cli/", "frontends/auth/", "frontends/net/", "broker/"),
    "frontends/grpc": ("frontends/grpc/", "frontends/net/", "broker/", "fulmar/v1/", "grpc/"),
    "frontends/*": ("frontends/net/", "broker/"),  # and the folder itself
}
NEVER = {
    "broker": ("boost/beast", "rocksdb/", "nats", "google/protobuf", "openssl/", "grpc"),
    "storage": ("boost/beast", "nats", "openssl/", "grpc"),
    "cluster": ("boost/beast", "rocksdb/"),
    "frontends/net": ("rocksdb/", "nats", "google/protobuf"),
    "frontends/auth": ("boost/beast", "rocksdb/", "nats", "google/protobuf"),
    "frontends/cli": ("rocksdb/", "nats", "google/protobuf"),
    "frontends/grpc": ("boost/beast", "rocksdb/", "nats"),
    "frontends/*": ("rocksdb/", "nats", "grpc"),
}
BENCH_COMMAND = ("broker/main.cpp", "bench/load/run.hpp")  # `fulmar bench`
# Libraries that one file alone may include.
ONLY_IN = {"spdlog/spdlog.h": "broker/log.cpp", "spdlog/sinks/": "broker/log.cpp", "toml++/": "broker/toml.hpp",
           "grpcpp/": "frontends/grpc/call_server.cpp", "grpc/": "frontends/grpc/call_server.cpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
SECRET = r"\w*(?:password|secret|signature|proof|digest|hmac|stored_key|server_key|token_mac)\w*"
SECRET_COMPARED = re.compile(
    rf"(?:\b{SECRET}\s*(?:==|!=)(?!\s*(?:nullptr|[\w:]*npos|0\b|'|\w+\.end)))|(?:(?<![\w.])\w[\w.>-]*\s*(?:==|!=)\s*\b{SECRET}\b(?!\())"
)
MEMORY_COMPARED = re.compile(rf"\b(?:memcmp|strcmp|strncmp)\s*\([^;]*{SECRET}")
TYPE_NAME = re.compile(r"^\s*(?:class|struct|union|enum class|enum|namespace)\s+(?:\[\[\w+\]\]\s*)?(\w+)", re.MULTILINE)


class findings:
    def __init__(self):
        self.errors, self.warnings = [], []

    def error(self, where, what):
        self.errors.append(f"{where}: {what}")

    def warning(self, where, what):
        self.warnings.append(f"{where}: {what}")


def project_files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
    else:
        skip = {".git", "build", "node_modules", "fulmar-data"}
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not skip & set(path.relative_to(ROOT).parts)]
    return sorted(name for name in set(names) if (ROOT / name).is_file())


def folder_rule(name):
    parts = name.split("/")
    if parts[0] != "frontends":
        return parts[0]
    specific = "/".join(parts[:2])
    return specific if specific in MAY_INCLUDE else "frontends/*"


def check_includes(name, text, known, found):
    rule = folder_rule(name)
    for match in INCLUDE.finditer(text):
        quoted, target = match.group(1) == '"', match.group(2)
        where = f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        if quoted and not target.endswith(".pb.h") and target not in known:
            found.error(where, f'"{target}" is no file of the project (write the path from the top)')
        if target.startswith(("tests/", "bench/")) and not name.startswith(("tests/", "bench/")) and (name, target) != BENCH_COMMAND:
            found.error(where, f"{target} may not be included by anything but tests and benchmarks")
        for library, only in ONLY_IN.items():
            if target.startswith(library) and not target.endswith(".pb.h") and name != only and not name.startswith(("tests/", "bench/")):
                found.error(where, f"<{target}> may be included in {only} only")
        if rule not in MAY_INCLUDE or WIRING.match(name):
            continue
        own = "/".join(name.split("/")[:2]) + "/"
        allowed = MAY_INCLUDE[rule] + ((own,) if rule == "frontends/*" else ())
        if quoted and not target.startswith(allowed):
            found.error(where, f'{rule} may not include "{target}" (allowed: {", ".join(allowed)})')
        if not quoted and target.startswith(NEVER[rule]):
            found.error(where, f"{rule} may not include <{target}>")


def check_size(name, lines, found):
    warn, fail = LIMITS[pathlib.PurePath(name).suffix]
    if len(lines) > fail:
        found.error(name, f"{len(lines)} lines; split it (at most {fail}, better {warn})")
    elif len(lines) > warn:
        found.warning(name, f"{len(lines)} lines (better at most {warn})")


def function_heads(lines):
    """Yields (line of the opening brace, its indentation, text of the head) for bodies in our layout."""
    for number, line in enumerate(lines):
        if line.strip() != "{":
            continue
        head, above = "", number - 1
        while above >= 0 and lines[above].strip() and not re.search(r"[;{}]\s*(//.*)?$|^\s*(public|private|protected):|^\s*//", lines[above]):
            head = lines[above].strip() + " " + head
            above -= 1
        no_function = re.match(r"(class|struct|union|enum|namespace|if|else|for|while|switch|do)\b", head)
        is_lambda = re.search(r"(?<!\[)\[[^\[\]]*\]\s*[({]?", re.sub(r"\[\[\w+\]\]|operator\[\]", "", head))
        if "(" in head and not no_function and not is_lambda:
            yield number, len(line) - len(line.lstrip()), head


def check_functions(name, lines, found):
    for begin, indent, head in function_heads(lines):
        closing = " " * indent + "}"
        end = next((i for i in range(begin + 1, len(lines)) if lines[i].rstrip() in (closing, closing + ";")), len(lines))
        size = end - begin - 1
        if size > FUNCTION_LIMITS[1]:
            found.error(f"{name}:{begin + 1}", f"a function of {size} lines; split it (at most {FUNCTION_LIMITS[1]}): {head[:60]}")
        elif size > FUNCTION_LIMITS[0]:
            found.warning(f"{name}:{begin + 1}", f"a function of {size} lines (better at most {FUNCTION_LIMITS[0]})")


def empty_word(name):
    """The word of a name that says nothing, if there is one."""
    words = set(name.lower().split("_"))
    return next(iter((words & FORBIDDEN_WORDS) or ({name.lower()} & FORBIDDEN_NAMES)), None)


def check_names(name, text, found):
    if word := empty_word(pathlib.PurePath(name).stem):
        found.error(name, f"'{word}' says nothing in a file name; name the thing")
    for match in TYPE_NAME.finditer(text):
        where = f"{name}:{text.count(chr(10), 0, match.start(1)) + 1}"
        if word := empty_word(match.group(1)):
            found.error(where, f"'{match.group(1)}': '{word}' says nothing; name the thing")
        if match.group(1)[0].isupper():
            found.error(where, f"'{match.group(1)}': names are snake_case")


def check_header(name, lines, found):
    first = next((line for line in lines if line.strip() and not line.startswith("//")), "")
    if first.strip() != "#pragma once":
        found.error(name, "a header begins with a comment and '#pragma once'")
    if not lines or not lines[0].startswith("//"):
        found.warning(name, "the first line says in a comment what this header is")


def check_secrets(name, lines, found):
    for number, line in enumerate(lines, 1):
        code = re.sub(r"\w+(->|\.)size\(\)|sizeof\(\w+\)", "", line.split("//")[0])
        if MEMORY_COMPARED.search(code) or SECRET_COMPARED.search(code):
            found.error(f"{name}:{number}", "compare secrets in constant time (auth::equal_in_constant_time)")


def registry_hosts():
    """Hosts from which this machine gets packages: none of them belongs into the project."""
    texts = []
    for place in [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]:
        try:
            texts.append(place.read_text(errors="replace"))
        except OSError:
            pass
    try:
        texts.append(subprocess.run(["npm", "config", "get", "registry"], capture_output=True, text=True, timeout=20, check=False).stdout)
    except (OSError, subprocess.TimeoutExpired):
        pass
    hosts = {host.split("@")[-1] for text in texts for host in re.findall(r"https?://([^/\s\"']+)", text)}
    return [host for host in hosts if "." in host]


def check_machine(name, text, hosts, found):
    paths = re.compile("|".join(("/" + "work/(?:main|shared|brief)", "/" + "farm/", "/home/" + r"\w+/", "bash_" + "jobs")))
    for number, line in enumerate(text.splitlines(), 1):
        if paths.search(line):
            found.error(f"{name}:{number}", "a path of one machine")
        if any(host in line for host in hosts):
            found.error(f"{name}:{number}", "the host of a package registry")
        if name.endswith("package-lock.json") and '"resolved": "http' in line:
            found.error(f"{name}:{number}", "a lock file with hosts: set omit-lockfile-registry-resolved=true in .npmrc and write it again")
            return


def check_unfinished(name, text, found):
    words = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "GTEST" + "_SKIP", "DISABLED" + r"_\w+")) + r")\b")
    for number, line in enumerate(text.splitlines(), 1):
        match = words.search(line)
        if match:
            found.error(f"{name}:{number}", f"unfinished: {match.group(1)}")


def include_closure(name, texts):
    todo, seen = [name], set()
    while todo:
        here = todo.pop()
        if here not in seen and here in texts:
            seen.add(here)
            todo.extend(match.group(2) for match in INCLUDE.finditer(texts[here]) if match.group(1) == '"')
    return sorted(seen)


def compile_alone(name, texts, cache, base):
    digest = hashlib.sha256(base)
    for part in include_closure(name, texts):
        digest.update(part.encode() + b"\0" + texts[part].encode() + b"\0")
    mark = cache / digest.hexdigest()
    if mark.exists():
        return name, ""
    generated = [f"-I{folder}" for folder in sorted(ROOT.glob("build/*/proto"))][:1]
    command = ["g++", "-std=c++20", "-fsyntax-only", "-w", "-I.", *generated, "-DFULMAR_VERSION=\"0\"", "-DBOOST_ASIO_NO_DEPRECATED",
               "-DBOOST_ASIO_SEPARATE_COMPILATION", "-DBOOST_BEAST_SEPARATE_COMPILATION", "-DSPDLOG_COMPILED_LIB", "-x", "c++", "-"]
    done = subprocess.run(command, cwd=ROOT, input=f'#include "{name}"\n#include "{name}"\n', capture_output=True, text=True, check=False)
    if done.returncode == 0:
        mark.touch()
        return name, ""
    return name, next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])


def proven_by_build(header, texts):
    """Its source includes it first: the build compiles it alone anyway."""
    source = texts.get(header.removesuffix(".hpp") + ".cpp")
    first = INCLUDE.search(source) if source is not None else None
    return first is not None and first.group(2) == header


def check_headers_alone(headers, texts, found):
    headers = [header for header in headers if not proven_by_build(header, texts)]
    cache = ROOT / "build" / "lint-cache"
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["g++", "--version"], capture_output=True, check=False).stdout
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for name, problem in pool.map(lambda header: compile_alone(header, texts, cache, version), headers):
            if problem:
                found.error(name, f"does not compile alone: {problem}")


def check_cpp(name, text, known, found):
    lines = text.splitlines()
    check_includes(name, text, known, found)
    check_size(name, lines, found)
    check_functions(name, lines, found)
    check_names(name, text, found)
    if name.endswith(".hpp"):
        check_header(name, lines, found)
    if name.startswith(("broker/", "frontends/", "cluster/")):
        check_secrets(name, lines, found)


def other_checks(found):
    for script in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        if script.name == pathlib.Path(__file__).name:
            continue
        done = subprocess.run([sys.executable, str(script)], cwd=ROOT, check=False)
        if done.returncode != 0:
            found.error(f"tests/lint/{script.name}", "failed; see above")


def main():
    found = findings()
    names = project_files()
    known = set(names)
    hosts = registry_hosts()
    texts = {}
    for name in names:
        if pathlib.PurePath(name).suffix in TEXT_SUFFIXES and "/corpus/" not in name:
            texts[name] = (ROOT / name).read_text(errors="replace")
    cpp = [name for name in texts if name.endswith((".cpp", ".hpp")) and name.split("/")[0] in CPP_FOLDERS]
    for name, text in texts.items():
        check_machine(name, text, hosts, found)
        if name.endswith((".cpp", ".hpp", ".py", ".js", ".mjs", ".sh")):
            check_unfinished(name, text, found)
    for name in cpp:
        check_cpp(name, texts[name], known, found)
    if "--no-compile" not in sys.argv:
        check_headers_alone([name for name in cpp if name.endswith(".hpp")], texts, found)
    other_checks(found)
    for line in found.warnings:
        print(f"warning: {line}")
    for line in found.errors:
        print(f"error: {line}")
    print(f"lint: {len(texts)} files, {len(found.warnings)} warnings, {len(found.errors)} errors")
    return 1 if found.errors else 0


if __name__ == "__main__":
    sys.exit(main())
