#!/usr/bin/env python3
"""The one table of tools/gpu_check.sh: every mark of the real shape beside what was measured.

    tools/gpu_check_table.py FOLDER               FOLDER: logs and JSON of a run; parts that did not run show as "not run"
    tools/gpu_check_table.py --viewers FOLDER     how many viewers of window 12 to try, by the chunk time of four together
"""
import csv
import datetime
import json
import math
import pathlib
import re
import sys


CHUNK_MS = 750  # playing time of a chunk


def report_of(folder, part):
    """A part's JSON; empty when it did not run or was cut while it wrote."""
    try:
        return json.loads((folder / f"{part}.json").read_text())
    except (OSError, ValueError):
        return {"rows": [], "context": {}}


def rows_of(folder, part):
    return report_of(folder, part)["rows"]


def context_of(folder, part):
    return report_of(folder, part)["context"]


def text_of(path, otherwise):
    return path.read_text(errors="replace").strip() if path.is_file() else otherwise


def where(rows, **cells):
    return next((row for row in rows if all(row.get(name) == value for name, value in cells.items())), None)


def number(cell):
    """The first number of a cell such as "301.2 (304.0)"."""
    return float(re.match(r"-?[\d.]+", cell)[0])


def cell(row, column, unit="ms"):
    return f"{row[column]} {unit}".strip() if row else "not run"


def continuous_play(folder, part):
    """CPR by starts; None instead of what was cut away."""
    rows, context = rows_of(folder, part), context_of(folder, part)
    for starts in ("aligned", "staggered"):
        ratios = [number(row["CPR"]) for row in rows if row["starts"] == starts]
        if not ratios:
            yield starts, None
            continue
        yield starts, (f"{sum(ratio >= 0.99 for ratio in ratios)} of {len(ratios)}, least CPR {min(ratios):.4f}, "
                       f"{context['seconds']} s")


def flatness(folder, part):
    """Denoising time of the second and last quarter, and memory before and after, of the first and worst viewer."""
    for starts in ("aligned", "staggered"):
        rows = [row for row in rows_of(folder, part) if row["starts"] == starts]
        if not rows:
            continue
        early, late = "denoise p50 of the second quarter", "denoise p50 of the last quarter"
        worst = max(rows, key=lambda row: number(row[late]) / max(number(row[early]), 0.1))
        context = context_of(folder, part)
        before, after = (context.get(f"memory {when}, {starts}", "-") for when in ("before", "after"))
        yield f"{part}, {starts}: denoise {worst[early]} -> {worst[late]} ms; server memory {before} -> {after}"


def viewers_to_try(folder):
    row = where(rows_of(folder, "chunk-together"), sessions="4")
    if not row:
        return 5
    return max(1, math.floor(0.98 * CHUNK_MS / (number(row["chunk"]) / 4)))


def batching(folder):
    rows = rows_of(folder, "chunk-tiny")
    one, eight = where(rows, sessions="1", budget="1.0"), where(rows, sessions="8", budget="1.0")
    if not one or not eight:
        return "not run"
    return f"{number(eight['frames/s']) / number(one['frames/s']):.1f} times ({eight['frames/s']} against {one['frames/s']} frames/s)"


def session_memory(folder):
    parts = ("chunk-fp8", "chunk-window12", "chunk-cache", "chunk-cache-window12")
    found = [context_of(folder, part).get("session MiB", "-") for part in parts]
    return ", ".join(found) if any(value != "-" for value in found) else "not run"


def first_chunk(folder, key):
    """What the parts with viewers say under `key`."""
    parts = (("sessions-bf16", "dense, bf16"), ("sessions-fp8", "0.7, fp8"), ("sessions-window12", "0.7, fp8, window 12"),
             ("sessions-cache", "0.7, fp8, half of the cache"), ("sessions-cache12", "0.7, fp8, window 12, half of the cache"))
    found = [(context_of(folder, part).get(key), name) for part, name in parts]
    return ", ".join(f"{value} ms ({name})" for value, name in found if value) or "not run"


def attention_rate(folder, sizes, column):
    row = where(rows_of(folder, "attention"), **{"sessions x queries x keys": sizes})
    return re.sub(r"^(\d+) \((.*)\)$", r"\1 TFLOP/s (\2 ms)", row[column]) if row else "not run"


# Names of a traced chunk's kernels that count as no small ones: FlashInfer's attention, LibTorch's products, the decoder's convolutions
# and what stands between them.
LARGE_KERNELS = re.compile(r"WithKVCacheKernel|[Aa]ttention|nvjet|[Gg]emm|xmma|splitK|GeluProduct|CausalConv|NormPositions|AddTaps|Yuv420pSquares|^chunk, traced$")


def small_kernels(folder, name):
    """Of a traced chunk all that is neither attention nor a product nor decoding, idle time included: (ms, the longest of them)."""
    rows = [row for row in rows_of(folder, f"kernels-{name}") if not LARGE_KERNELS.search(row["kernel"])]
    if not rows:
        return "not run"
    longest = ", ".join(f"{row['kernel']} {row['ms per chunk']}" for row in sorted(rows, key=lambda row: -number(row["ms per chunk"]))[:5])
    return f"{sum(number(row['ms per chunk']) for row in rows):.1f} ms ({longest})"


def memory_gained(folder, part):
    """What the GPU held more after the first aligned viewers than before them."""
    context = context_of(folder, part)
    looks = [re.search(r"GPU (\d+) MiB", context.get(f"memory {when}, aligned", "")) for when in ("before", "after")]
    if not all(looks):
        return "not run"
    before, after = (int(look[1]) for look in looks)
    return f"{after - before:+d} MiB ({before} -> {after})"


def imposed_cosine(folder, name):
    log = text_of(folder / "test-real_shape_test.log", "")
    found = re.search(rf"^{re.escape(name)}, its tokens imposed on the plain path: least cosine of \d+ chunks ([\d.]+)", log, re.MULTILINE)
    return found[1] if found else "not run"


def quality(folder, condition):
    """Share of clips of `tiny` with all attributes right, in fp8 and beside it in bf16."""
    cells = []
    for precision in ("fp8", "bf16"):
        rows = list(csv.DictReader(text_of(folder / f"quality-{precision}.csv", "").splitlines()))
        row = where(rows, condition=condition)
        if row:
            cells.append(f"{float(row['all']):.3f} +- {float(row['all_standard_error']):.3f} ({precision}, n = {row['n']})")
    return ", ".join(cells) or "not run"


def verdicts(folder):
    """One line for each test program, for parity and for the sanitizer."""
    end = r"\[  (?:PASSED|FAILED)  \].*|.*(?:terminate|rror while loading|cut after).*"
    patterns = {"parity": r"total: .*|cut after.*", "sanitizer": r"=+ ERROR SUMMARY: .*|cut after.*"}
    patterns.update({path.stem: end for path in sorted(folder.glob("test-*.log"))})
    for part, pattern in patterns.items():
        path = folder / f"{part}.log"
        lines = re.findall(pattern, text_of(path, "")) if path.is_file() else ["not run"]
        yield f"{part}: {'; '.join(line.strip() for line in lines) or 'ended without a verdict'}"


def kernel_lines(folder, most=6):
    """Of each traced chunk the kernels that take longest, and its idle time, in ms."""
    for path in sorted(folder.glob("kernels-*.json")):
        rows = rows_of(folder, path.stem)
        of_all = ("nothing running", "chunk, traced")
        chosen = [row for row in rows if row["kernel"] not in of_all][:most] + [row for row in rows if row["kernel"] in of_all]
        yield f"{path.stem}: {', '.join(row['kernel'] + ' ' + row['ms per chunk'] for row in chosen)}"


def reliability_rows(folder):
    """The table of tools/reliability_check.sh, of a run in which it was asked for."""
    return [line for line in text_of(folder / "reliability.log", "").splitlines() if line.startswith("|")]


def training(folder, name):
    """Seconds a chunk trained, and the most memory that the GPU held meanwhile."""
    found = re.search(r"([\d.]+) s a chunk trained", text_of(folder / f"training-{name}.log", ""))
    return with_peak(folder, name, found[1]) if found else "not run"


def with_peak(folder, name, seconds):
    looks = [int(line) for line in text_of(folder / f"training-{name}.mib", "").split() if line.isdigit()]
    return f"{seconds} s, peak {max(looks) / 1024:.1f} GiB" if looks else f"{seconds} s, peak not seen"


def training_parts(folder, name):
    """Seconds of a step of videodiffcr with its parts, each with the most memory that its tensors had."""
    found = re.search(r"mean without the first step: (.*), all ([\d.]+) s", text_of(folder / f"training-{name}.log", ""))
    return f"{with_peak(folder, name, found[2])}: {found[1]}" if found else "not run"


def fleet_cell(row):
    """Viewers of servers behind one Envoy."""
    return (f"{row['finished']} of {row['viewers']}, least CPR {row['least_cpr']:.4f}, {row['seconds']:g} s; sessions of the servers "
            f"{', '.join(str(count) for count in row['sessions'].values())}; flat out {row['flat_out_chunks_per_second']:.2f} chunks/s")


def table(folder):
    """(what, ours, mark, bound). Bounds: attention and products at the best rates measured on an H200, nothing else."""
    yield from kernel_rows(folder)
    yield from chunk_rows(folder)
    yield from viewer_rows(folder)
    yield from other_rows(folder)
    yield from training_rows(folder)


def kernel_rows(folder):
    for precision, mark in (("fp8", ">= 880, then 940"), ("bf16", ">= 730")):
        for sizes in ("1 x 3276 x 31356", "1 x 4680 x 32760"):
            yield f"attention, {precision}, {sizes}", attention_rate(folder, sizes, f"ours {precision}, cut tiles"), mark, ""
    yield "small kernels and nothing running, a chunk, 0.7, fp8", small_kernels(folder, "routed"), "<= 18 ms", ""


def chunk_rows(folder):
    chunk = {part: rows_of(folder, f"chunk-{part}") for part in ("bf16", "fp8", "window12", "cache", "cache-window12")}
    for what, part, budget, mark, bound in (
            ("dense, bf16", "bf16", "1.0", "<= 325 ms", "296"), ("dense, fp8", "fp8", "1.0", "", "240"),
            ("30 % routed, bf16", "bf16", "0.7", "<= 245 ms", "223"), ("30 % routed, fp8", "fp8", "0.7", "<= 180 ms", "182"),
            ("30 % routed, fp8, window 12 with sink 3", "window12", "0.7", "<= 132 ms", "124"),
            ("30 % routed, fp8, half of the cache", "cache", "0.7", "<= 130 ms", ""),
            ("30 % routed, fp8, window 12, half of the cache", "cache-window12", "0.7", "<= 105 ms", ""),
            ("50 % routed, fp8, half of the cache", "cache", "0.5", "<= 105 ms", ""),
            ("50 % routed, fp8, window 12, half of the cache", "cache-window12", "0.5", "", "")):
        yield f"chunk, {what}", cell(where(chunk[part], budget=budget), "chunk"), mark, bound
    for part, what, mark in (("2-step", "2 steps", "<= 110 ms"), ("1-step", "1 step", "<= 70 ms"),
                             ("frame-wise", "1 latent frame, 4 steps", ""), ("frame-wise-2-step", "1 latent frame, 2 steps", ""),
                             ("frame-wise-1-step", "1 latent frame, 1 step", "")):
        yield f"chunk, 30 % routed, fp8, {what}", cell(where(rows_of(folder, f"chunk-few-{part}"), budget="0.7"), "chunk"), mark, ""
    yield "MiB of a session, fp8: window 21, 12, with half of the cache 21, 12", session_memory(folder), "", ""


def viewer_rows(folder):
    for what, part, mark in (("viewers at 16 frames/s, dense, bf16", "sessions-bf16", "2"),
                             ("viewers, 30 % routed, fp8", "sessions-fp8", "4"),
                             ("viewers, 30 % routed, fp8, window 12", "sessions-window12", "as many as fit"),
                             ("viewers, 30 % routed, fp8, half of the cache", "sessions-cache", "5"),
                             ("viewers, 30 % routed, fp8, window 12, half of the cache", "sessions-cache12", "6")):
        for starts, ratios in continuous_play(folder, part):
            yield f"{what}, {starts}", ratios or "not run", mark, ""
    for row in rows_of(folder, "fleet"):  # only when it is asked for
        yield f"viewers, 30 % routed, fp8, one Envoy, GPUs: {row['gpus']}", fleet_cell(row), str(row["viewers"]), ""
    yield "GPU memory after the first aligned viewers, 0.7, fp8", memory_gained(folder, "sessions-fp8"), "counted before admission", ""
    yield ("first chunk, warm, prompt to encoded bytes at the client, 25 requests", first_chunk(folder, "first chunk, ms"),
           "<= 80 ms, p95 <= 90", "")
    yield "the slowest of them, and where its time went", first_chunk(folder, "first chunk, slowest, ms"), "", ""
    yield ("first frame, ahead of its chunk, of 25 more requests", first_chunk(folder, "first frame, ms"), "<= 80 ms, p95 <= 90", "")
    yield "the chunk behind it", first_chunk(folder, "first chunk behind its first frame, ms"), "", ""
    for which, what in (("first", "first chunk of the first request after start"), ("second", "of the second"),
                        ("third", "of the third, a prompt of another length"), ("fourth", "of the fourth, after 3 s of rest")):
        yield what, first_chunk(folder, f"first chunk of the {which} request, ms"), "", ""


def other_rows(folder):
    decode, text = rows_of(folder, "decode"), rows_of(folder, "text")
    yield "Wan VAE per chunk", cell(where(decode, decoder="Wan VAE", path="serving"), "decode p50"), "<= 65 ms", "51"
    yield "TAEHV per chunk", cell(where(decode, decoder="TAEHV", path="serving"), "decode p50"), "<= 5 ms", "2"
    yield "UMT5-XXL, 512 tokens", cell(where(text, tokens="512"), "encode p50"), "<= 20 ms", "6"
    for precision, mark in (("bf16", ">= 0.9999"), ("fp8", ">= 0.998")):
        yield f"least cosine to fp32 with its tokens, 30 % routed, {precision}", imposed_cosine(folder, f"0.7 {precision}"), mark, ""
    for condition, mark in (("dense", "fp32: 0.963 +- 0.004"), ("retention 0.7", "fp32: 0.973 +- 0.004")):
        yield f"`tiny`, all seven attributes right, {condition}", quality(folder, condition), mark, ""
    yield "`tiny`, 8 sessions together against one by one", batching(folder), ">= 4 times", ""


def training_rows(folder):
    yield "routers, a chunk trained, real shape, one clip", training(folder, "real"), "<= 1.2 s, 80 GB", ""
    yield "routers, a chunk trained, `tiny`, one clip", training(folder, "tiny"), "", ""
    yield "videodiffcr, a step, real shape, one clip", training_parts(folder, "videodiffcr"), "80 GB", ""
    if (folder / "training-14b.log").is_file():  # only when it is asked for
        yield "videodiffcr, a step, teacher of 14B in host memory", training_parts(folder, "14b"), "80 GB", ""


def print_rows(rows, earlier):
    """With a column of what an earlier build reached in the same call, where there was one."""
    columns = ["what", "ours", "mark", "bound"]
    cells = [list(row) for row in rows]
    if earlier.is_dir():
        before = {row[0]: row[1] for row in table(earlier)}
        columns.insert(2, f"earlier, {text_of(earlier / 'commit', 'unknown')}")
        for row in cells:
            row.insert(2, before.get(row[0], "").replace("not run", ""))
    for row in [columns, ["---"] * len(columns), *cells]:
        print(f"| {' | '.join(row)} |")


def main(folder):
    machines = {context_of(folder, path.stem).get("machine", "") for path in folder.glob("*.json")}
    machines = sorted({machine.split(" MHz")[0].rpartition(", ")[0] for machine in machines if "MHz" in machine})
    print(f"commit {text_of(folder / 'commit', 'unknown')}, {datetime.date.today()}; {'; '.join(machines) or 'no GPU named'}; "
          "shape benchmark, random weights; median (p95)\n")
    rows = list(table(folder))
    print_rows(rows, folder / "earlier")
    print()
    for line in verdicts(folder):
        print(line)
    for part in ("sessions-bf16", "sessions-fp8", "sessions-window12", "sessions-cache", "sessions-cache12"):
        for line in flatness(folder, part):
            print(line)
    for line in kernel_lines(folder):
        print(line)
    for line in reliability_rows(folder):
        print(line)
    print("seconds:", text_of(folder / "seconds", "none").replace("\n", ", "))
    print("missing:", "; ".join(row[0] for row in rows if row[1] == "not run") or "nothing")
    print(text_of(folder / "failed", "the run has not ended"))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--viewers":
        print(viewers_to_try(pathlib.Path(sys.argv[2])))
    elif len(sys.argv) == 2:
        main(pathlib.Path(sys.argv[1]))
    else:
        sys.exit(__doc__)
