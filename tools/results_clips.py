"""Per-clip files of `videodiffcr-train evaluate --per-clip`, and how sure what they say is. For make_results.py."""
import bz2
import csv
import gzip
import lzma
import math
import operator
import pathlib
import random
import re

GROUP = ("method", "training_seed", "condition", "budget", "scores")
NUMBERS = ("executed", "executed_with_context", "mmacs", "mmacs_with_context")
FIRST_VALUE = 12  # column of a clip's first value


class ResultsError(Exception):
    """Something is wrong with what a user gave; the text says what."""


class Row:
    """One method under one condition at one budget with one kind of scores: all of its training seeds."""

    def __init__(self, method, condition, budget, scores):
        self.method, self.condition, self.budget, self.scores = method, condition, budget, scores
        self.cost = {}
        self.commands = []
        self.seeds = {}  # training seed -> {column: [value or None per clip]}
        self.prompts = {}  # training seed -> [(evaluation seed, clip, prompt)]

    def key(self):
        return (self.method, self.budget, self.scores)

    def name(self):
        return f"{self.method}, dense" if self.budget == 10 else f"{self.method}, retention {self.budget / 10:.1f}, {self.scores}"

    def clips(self):
        return min(len(prompts) for prompts in self.prompts.values())

    def values(self, column):
        return [columns[column] for columns in self.seeds.values()]


def open_text(path):
    opener = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(pathlib.Path(path).suffix, open)
    try:
        return opener(path, "rt", newline="", encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}") from error


def with_shares(command):
    """The command with budgets as shares: older judgements have them in tenths."""
    return re.sub(r"(?<=--budgets )(?:10|[2-9])(?:,(?:10|[2-9]))*(?= |$)",
                  lambda budgets: ",".join(f"{int(tenths) / 10:g}" for tenths in budgets[0].split(",")), command)


def parts_of(file):
    """(command, its lines) of each judgement in a file: one, or several behind each other."""
    command, lines = None, []
    for line in file:
        if line.startswith("# "):
            if command is not None:
                yield command, lines
            command, lines = with_shares(line[2:].strip()), []
        elif command is None:
            return
        else:
            lines.append(line)
    if command is not None:
        yield command, lines


def read_files(paths):
    """[(method, condition, budget, scores) -> Row], in the order of the files."""
    rows = {}
    for path in paths:
        with open_text(path) as file:
            parts = list(parts_of(file))
        if not parts:
            raise ResultsError(f"{path}: not a per-clip file: its first line must hold the command after '# '")
        above = 0  # lines of the parts before
        for command, lines in parts:
            reader = csv.DictReader(lines)
            if reader.fieldnames is None or tuple(reader.fieldnames[:5]) != GROUP:
                raise ResultsError(f"{path}: not a per-clip file: its columns must begin with {', '.join(GROUP)}")
            for record in reader:
                add_clip(rows, record, reader.fieldnames[FIRST_VALUE:], command, f"{path}:{above + reader.line_num + 1}")
            above += len(lines) + 1
    if not rows:
        raise ResultsError("no clips in " + ", ".join(map(str, paths)))
    return list(rows.values())


def add_clip(rows, record, columns, command, where):
    try:
        key = (record["method"], record["condition"], int(record["budget"]), record["scores"])
        row = rows.setdefault(key, Row(*key))
        row.cost = row.cost or {name: float(record[name]) for name in NUMBERS}
        values = {column: float(record[column]) if record[column] else None for column in columns}
    except (TypeError, ValueError) as error:
        raise ResultsError(f"{where}: {error}") from error
    if command not in row.commands:
        row.commands.append(command)
    of_seed = row.seeds.setdefault(record["training_seed"], {column: [] for column in columns})
    prompts = row.prompts.setdefault(record["training_seed"], [])
    if int(record["clip"]) != len(prompts):
        raise ResultsError(f"{where}: clip {record['clip']} follows clip {len(prompts) - 1} of training seed "
                           f"'{record['training_seed']}': is it there twice?")
    prompts.append((record["evaluation_seed"], record["prompt"]))
    for column in columns:
        of_seed[column].append(values[column])


def mean(values):
    """Over seeds and clips, of what was asked; None when nothing was."""
    asked = [value for seed in values for value in seed if value is not None]
    return sum(asked) / len(asked) if asked else None


class Bootstrap:
    """Means of resampled training seeds and clips, each with replacement and independently (crossed), as
    training/evaluation/paired_bootstrap.h has it. Every figure sees the same draws, so figures can be combined."""

    def __init__(self, replicates, seed=1):
        self.replicates, self.seed = replicates, seed
        self.draws = {}

    def of(self, seeds, clips):
        if (seeds, clips) not in self.draws:
            generator = random.Random(f"{self.seed}/{seeds}/{clips}")
            self.draws[seeds, clips] = [(generator.choices(range(seeds), k=seeds), generator.choices(range(clips), k=clips))
                                        for _ in range(self.replicates)]
        return self.draws[seeds, clips]

    def means(self, values):
        """One mean per replicate; None where a replicate drew nothing that was asked."""
        clips = min(map(len, values))
        sums = [[0.0 if value is None else value for value in seed[:clips]] for seed in values]
        asked = [[0 if value is None else 1 for value in seed[:clips]] for seed in values]
        whole = all(all(seed) for seed in asked)
        means = []
        for seed_draw, clip_draw in self.of(len(values), clips):
            pick = operator.itemgetter(*clip_draw) if clips > 1 else lambda seed: (seed[0],)
            total = sum(sum(pick(sums[seed])) for seed in seed_draw)
            count = clips * len(seed_draw) if whole else sum(sum(pick(asked[seed])) for seed in seed_draw)
            means.append(total / count if count else None)
        return means


def quantile(ordered, share):
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


# 95th percentiles of Student's t, by degrees of freedom from 1 on.
T_95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833)


def lower_t_bound(values):
    """What the mean of independent values is above, at 95 %; two values or more."""
    count, average = len(values), sum(values) / len(values)
    variance = sum((value - average) ** 2 for value in values) / (count - 1)
    return average - T_95[min(count - 1, len(T_95)) - 1] * math.sqrt(variance / count)


def interval_of(means):
    """(2.5th percentile, 97.5th percentile) of those that there are, None of nothing."""
    ordered = sorted(value for value in means if value is not None)
    return (quantile(ordered, 0.025), quantile(ordered, 0.975)) if ordered else None


def lower_bound_of(means):
    """5th percentile: what a bootstrapped mean is above, at 95 %."""
    return quantile(sorted(value for value in means if value is not None), 0.05)


def differences(row, reference, column):
    """Clip by clip, row - reference, per training seed; where one of the two has a single seed, it goes with all of the
    other's."""
    result = []
    single = 1 in (len(row.seeds), len(reference.seeds))
    for label, columns in row.seeds.items():
        for other, reference_columns in reference.seeds.items():
            if other != label and not single:
                continue
            pairs = list(zip(columns[column], reference_columns[column]))
            if row.prompts[label][:len(pairs)] != reference.prompts[other][:len(pairs)]:
                raise ResultsError(f"{row.name()} and {reference.name()}, {row.condition}: other prompts; judge both with the same --seed")
            result.append([None if one is None or two is None else one - two for one, two in pairs])
    if not result:
        raise ResultsError(f"{row.name()} and {reference.name()}, {row.condition}: no training seed in common")
    return result


def read_bounds(path):
    """[(group, column, weight, least, most)] of a file of `evaluate --write-bounds`."""
    with open_text(path) as file:
        lines = [line for line in file if not line.startswith("#")]
    try:
        bounds = [(line["group"], line["column"], float(line["weight"]), float(line["least"]), float(line["most"]))
                  for line in csv.DictReader(lines)]
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path}: not a file of bounds: {error}") from error
    return [bound for bound in bounds if bound[3] < bound[4]]  # a dimension in which the bad model beats renders tells nothing


def scores(means, bounds):
    """{quality, semantic, total} by VBench's formula from {column: mean}; {} unless every dimension was measured."""
    group_scores = {}
    for group in ("quality", "semantic"):
        own = [bound for bound in bounds if bound[0] == group]
        if not own or any(means.get(column) is None for _, column, _, _, _ in own):
            return {}
        weighed = sum(weight * (means[column] - least) / (most - least) for _, column, weight, least, most in own)
        group_scores[group] = weighed / sum(weight for _, _, weight, _, _ in own)
    group_scores["total"] = (4 * group_scores["quality"] + group_scores["semantic"]) / 5
    return group_scores
