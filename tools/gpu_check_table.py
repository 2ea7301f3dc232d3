#!/usr/bin/env python3
"""The one table of tools/gpu_check.sh: every mark of the real shape beside what was measured.

    tools/gpu_check_table.py FOLDER     FOLDER: logs and JSON of a run; parts that did not run show as "not run"
"""
import json
import pathlib
import re
import sys


def rows_of(folder, part):
    """Rows of a part's JSON, [] when it did not run."""
    path = folder / f"{part}.json"
    return json.loads(path.read_text())["rows"] if path.is_file() else []


def context_of(folder, part):
    path = folder / f"{part}.json"
    return json.loads(path.read_text())["context"] if path.is_file() else {}


def where(rows, **cells):
    return next((row for row in rows if all(row.get(name) == value for name, value in cells.items())), None)


def number(cell):
    """The first number of a cell such as "301.2 (304.0)"."""
    return float(re.match(r"-?[\d.]+", cell)[0])


def cell(row, column, unit="ms"):
    return f"{row[column]} {unit}".strip() if row else "not run"


def continuous_play(folder, part):
    rows = rows_of(folder, part)
    if not rows:
        return "not run"
    context, text = context_of(folder, part), []
    for starts in ("aligned", "staggered"):
        ratios = [number(row["CPR"]) for row in rows if row["starts"] == starts]
        if ratios:
            text.append(f"{sum(ratio >= 0.99 for ratio in ratios)} of {len(ratios)} {starts} (least CPR {min(ratios):.4f})")
    return f"{', '.join(text)}, {context['seconds']} s"


def batching(folder):
    rows = rows_of(folder, "chunk-tiny")
    one, eight = where(rows, sessions="1", budget="1.0"), where(rows, sessions="8", budget="1.0")
    if not one or not eight:
        return "not run"
    return f"{number(eight['frames/s']) / number(one['frames/s']):.1f} times ({eight['frames/s']} against {one['frames/s']} frames/s)"


def first_chunk(folder, which):
    found = [context_of(folder, part).get(f"first chunk of the {which} request, ms")
             for part in ("sessions-bf16", "sessions-fp8", "sessions-window12")]
    found = [f"{value} ms ({name})" for value, name in zip(found, ("dense, bf16", "0.7, fp8", "0.7, fp8, window 12")) if value]
    return ", ".join(found) or "not run"


def verdicts(folder):
    """One line each of tests, parity and sanitizer."""
    for part, pattern in (("tests", r"\[  (?:PASSED|FAILED)  \].*|.*(?:terminate|rror while loading).*"), ("parity", r"total: .*"),
                          ("sanitizer", r"=+ ERROR SUMMARY: .*")):
        path = folder / f"{part}.log"
        lines = re.findall(pattern, path.read_text(errors="replace")) if path.is_file() else ["not run"]
        yield f"{part}: {'; '.join(lines) or 'ended without a verdict'}"


def table(folder):
    """(what, ours, mark, bound). Bounds: attention and products at the best rates measured on an H200, nothing else."""
    chunk = {part: rows_of(folder, f"chunk-{part}") for part in ("bf16", "fp8", "window12")}
    decode, text = rows_of(folder, "decode"), rows_of(folder, "text")
    yield "chunk, dense, bf16", cell(where(chunk["bf16"], budget="1.0"), "chunk"), "<= 340 ms", "296"
    yield "chunk, dense, fp8", cell(where(chunk["fp8"], budget="1.0"), "chunk"), "", "240"
    yield "chunk, 30 % routed, bf16", cell(where(chunk["bf16"], budget="0.7"), "chunk"), "<= 255 ms", "223"
    yield "chunk, 30 % routed, fp8", cell(where(chunk["fp8"], budget="0.7"), "chunk"), "<= 205 ms", "182"
    yield "chunk, 30 % routed, fp8, window 12 with sink 3", cell(where(chunk["window12"], budget="0.7"), "chunk"), "<= 145 ms", "124"
    yield "first chunk, warm, prompt to encoded bytes at the client", first_chunk(folder, "second"), "<= 200 ms", ""
    yield "first chunk of the first request after start", first_chunk(folder, "first"), "the same", ""
    yield "Wan VAE per chunk", cell(where(decode, decoder="Wan VAE", path="serving"), "decode p50"), "<= 110 ms", "51"
    yield "TAEHV per chunk", cell(where(decode, decoder="TAEHV", path="serving"), "decode p50"), "<= 5 ms", "2"
    yield "UMT5-XXL, 512 tokens", cell(where(text, tokens="512"), "encode p50"), "<= 20 ms", "6"
    yield "viewers at 16 frames/s, dense, bf16", continuous_play(folder, "sessions-bf16"), "2", ""
    yield "viewers, 30 % routed, fp8", continuous_play(folder, "sessions-fp8"), "3", ""
    yield "viewers, 30 % routed, fp8, window 12", continuous_play(folder, "sessions-window12"), "as many as fit", ""
    yield "`tiny`, 8 sessions together against one by one", batching(folder), ">= 4 times", ""


def main(folder):
    machines = {context_of(folder, path.stem).get("machine", "") for path in folder.glob("*.json")}
    machines = sorted({machine.split(" MHz")[0].rpartition(", ")[0] for machine in machines if "MHz" in machine})
    print(f"{'; '.join(machines) or 'no GPU named'}; shape benchmark, random weights; median (p95)\n")
    print("| what | ours | mark | bound |\n|---|---|---|---|")
    for row in table(folder):
        print(f"| {' | '.join(row)} |")
    print()
    for line in verdicts(folder):
        print(line)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
