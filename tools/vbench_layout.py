#!/usr/bin/env python3
"""Lays out the videos that `videodiffcr generate --prompts FILE` left as VBench expects them: PROMPT-INDEX.mp4.

    videodiffcr generate --prompts all_dimension.txt --seed 1 --output out/seed1.mp4
    tools/vbench_layout.py --prompts all_dimension.txt --videos out/seed1.mp4 --index 0 --output vbench

FILE: one prompt a line, those that are empty or begin with # passed over, as generate has it. --videos is what --output was for
generate: with more than one prompt the videos are seed1-001.mp4, seed1-002.mp4 and so on. --index tells videos of the same prompt
apart: VBench's own prompts want 0 to 4, so five calls with five seeds. A prompt that stands in FILE n times takes n indices.
Videos are linked (hard links; copied where that cannot be), never changed. OUTPUT/prompts.json says which file shows which prompt,
for VBench's mode custom_input.

Exit status 1, with a line per video, when some are missing or a prompt cannot be the name of a file; the others are laid out.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys

MOST_NAME_BYTES = 255  # of one file's name


def read_prompts(path):
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def source_of(videos, number, count):
    """The file of prompt `number`, from 1 on, as generate names it."""
    if count == 1:
        return videos
    return videos.with_name(f"{videos.stem}-{number:0{len(str(count))}d}{videos.suffix}")


def problem_of(name):
    if "/" in name or "\0" in name:
        return "has a slash, which no file's name can have"
    if len(name.encode()) > MOST_NAME_BYTES:
        return f"is too long for the name of a file ({len(name.encode())} bytes of at most {MOST_NAME_BYTES})"
    return None


def place(source, target):
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def lay_out(prompts, videos, index, output):
    """Returns what went wrong, a line each, and the prompts by file name."""
    problems, shown, seen = [], {}, {}
    for number, prompt in enumerate(prompts, start=1):
        own_index = index + seen.get(prompt, 0)
        seen[prompt] = seen.get(prompt, 0) + 1
        source = source_of(videos, number, len(prompts))
        name = f"{prompt}-{own_index}{videos.suffix}"
        problem = problem_of(name)
        if problem:
            problems.append(f"prompt {number} '{prompt[:60]}': {problem}")
        elif not source.is_file():
            problems.append(f"{source}: is missing (prompt {number} '{prompt[:60]}')")
        else:
            place(source, output / name)
            shown[name] = prompt
    return problems, shown


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", required=True, type=pathlib.Path, metavar="FILE")
    parser.add_argument("--videos", required=True, type=pathlib.Path, metavar="FILE")
    parser.add_argument("--output", required=True, type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--index", type=int, default=0, metavar="N")
    flags = parser.parse_args()
    try:
        prompts = read_prompts(flags.prompts)
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"vbench_layout.py: --prompts {flags.prompts}: {error}")
    if not prompts:
        sys.exit(f"vbench_layout.py: --prompts {flags.prompts}: holds no prompt")
    flags.output.mkdir(parents=True, exist_ok=True)
    problems, shown = lay_out(prompts, flags.videos, flags.index, flags.output)
    listing = flags.output / "prompts.json"
    known = json.loads(listing.read_text(encoding="utf-8")) if listing.exists() else {}
    listing.write_text(json.dumps({**known, **shown}, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{flags.output}: {len(shown)} of {len(prompts)} videos")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
