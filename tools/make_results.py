#!/usr/bin/env python3
"""Tables and plots of judged models from the per-clip files of `videodiffcr-train evaluate --per-clip`.

    tools/make_results.py --clips out/*.clips.csv --bounds models/tiny/quality_bounds.csv --output out

(docs/results.md begins with its own command) writes the page of results there and, in results/, its tables as CSV and its plots as SVG. A file may be packed with gzip, bzip2 or xz, and hold several judgements behind each other. Every figure is a mean
over clips with a 95 % bootstrap interval over training seeds and clips; every seed is shown; every row has its commands.

--remarks FILE stands before the tables.

--layout FILE says which rows make which table, and in which order: a CSV of table,label,method,budget,scores, where table
is `methods`, whose rows are compared with its first dense one, `steps`, where each is compared with the row before it,
`ships` (the weights that ship), with its first, `iterations` (trained for longer) and `onwards` (trained from what ships), with their first dense one, or one of `scores` (other rankings of weights that shipped), `cache` (its retention), `beyond`
(rankings that remember), `learned` (what is trained beyond the paper) and `longer` (trained with longer rollouts), with the first of the same budget. Without it all rows make `methods`, and there is no other table. --latency FILE adds measured times: method,budget,median_ms,p95_ms,command.
"""
import argparse
import csv
import pathlib
import sys
import textwrap

from results_clips import (Bootstrap, ResultsError, differences, interval_of, lower_bound_of, lower_t_bound, mean, open_text, read_bounds,
                           read_files, scores)
from results_plots import plot

SHARES = ("short", "long", "switch", "held-out")
PAGE = "results"  # the name of the page in the output folder, without .md
INTRODUCTION = (
    "Made by `tools/make_results.py` from the per-clip files in `docs/results`; do not edit. Synthetic data, tiny model: not VBench, not "
    "comparable with the paper's numbers. In brackets: 95 % bootstrap intervals over training seeds and clips. `executed` is the share of the "
    "denoising passes' tokens, in parentheses with the context pass; so are multiply-adds. `difference` is that of all seven right from the first "
    "dense row (Table 1', Twice the iterations, The same iterations from what ships, What ships), from the row above (Table 2') or from the first of the same budget (the other tables); "
    "`at least` is its one-sided bound of 95 %: the bootstrap's or Student's t over seeds, the lower one. `total` is VBench's formula over our proxies (docs/training.md, Judging).")
TABLES = {  # in the order of the page
    "methods": "Table 1': methods and reductions",
    "steps": "Table 2': step by step",
    "iterations": "Twice the iterations",
    "onwards": "The same iterations from what ships",
    "ships": "What ships: one network at every budget",
    "scores": "Ranked by others",
    "cache": "Retention of the cache",
    "beyond": "Rankings that remember",
    "learned": "Trained beyond the paper",
    "longer": "Trained with longer rollouts",
}
WITHIN_A_BUDGET = ("scores", "cache", "beyond", "learned", "longer")  # tables whose rows are compared with the first of their budget
WITH_A_DENSE_CONTROL = ("methods", "iterations", "onwards")  # tables with a control of as many iterations
PROXIES = ("subject_consistency", "background_consistency", "temporal_flickering", "motion_smoothness", "dynamic_degree", "imaging_quality")
DRIFT = ("flipped", "identity_distance", "hue_shift", "area_change")


class Results:
    def __init__(self, rows, bounds, latency, bootstrap):
        self.rows, self.bounds, self.latency, self.bootstrap = rows, bounds, latency, bootstrap
        self.commands, self.drawn_means = [], {}
        for row in rows:
            self.commands += [command for command in row.commands if command not in self.commands]

    def find(self, key, condition):
        for row in self.rows:
            if row.key() == key and row.condition == condition:
                return row
        return None

    def drawn(self, values, column, *rows):
        """The bootstrap's means of `values`, which are of this column of these rows: drawn once."""
        key = (column, *((row.key(), row.condition) for row in rows))
        if key not in self.drawn_means:
            self.drawn_means[key] = self.bootstrap.means(values)
        return self.drawn_means[key]

    def means(self, row, column):
        return self.drawn(row.values(column), column, row)

    def figure(self, row, column, digits=3):
        """'0.858 [0.842, 0.873]', or '' where nothing was asked."""
        average = mean(row.values(column))
        return "" if average is None else bracketed(average, interval_of(self.means(row, column)), digits)

    def difference(self, row, reference, column="all"):
        """(mean, (low, high)) of row - reference."""
        values = differences(row, reference, column)
        return mean(values), interval_of(self.drawn(values, column, row, reference))

    def least_difference(self, row, reference):
        """What row - reference of all seven right is above, at 95 %: by the bootstrap, or by Student's t over training seeds that both
        have, if that is lower; few seeds drawn from themselves spread too little."""
        values = differences(row, reference, "all")
        bounds = [lower_bound_of(self.drawn(values, "all", row, reference))]
        if len(values) > 1 and min(len(row.seeds), len(reference.seeds)) > 1:
            bounds.append(lower_t_bound([mean([seed]) for seed in values]))
        return min(bounds)

    def score(self, row):
        """{quality, semantic, total}: text with interval."""
        columns = [bound[1] for bound in self.bounds]
        if any(mean(row.values(column)) is None for column in columns):
            return {}
        of_row = scores({column: mean(row.values(column)) for column in columns}, self.bounds)
        replicates = {column: self.means(row, column) for column in columns}
        drawn = [scores({column: replicates[column][i] for column in columns}, self.bounds)
                 for i in range(self.bootstrap.replicates)]
        return {name: bracketed(value, interval_of([one[name] for one in drawn if one])) for name, value in of_row.items()}

    def numbers_of(self, row):
        return " ".join(f"[{self.commands.index(command) + 1}]" for command in row.commands)


def bracketed(value, interval, digits=3):
    return f"{value:.{digits}f} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def read_layout(path, rows):
    """{table: [(label, key)]}."""
    layout = {table: [] for table in TABLES}
    if path is None:
        layout["methods"] = [(row.name(), row.key()) for row in rows if row.condition == "short"]
        return layout
    with open_text(path) as file:
        for line in csv.DictReader(file):
            try:
                layout[line["table"]].append((line["label"], (line["method"], int(line["budget"]), line["scores"])))
            except (KeyError, TypeError, ValueError) as error:
                raise ResultsError(f"{path}: {error}; a line is table,label,method,budget,scores with table "
                                   f"{', '.join(TABLES)}") from error
    return layout


def read_latency(path):
    if path is None:
        return {}
    with open_text(path) as file:
        return {(line["method"], int(line["budget"])): line for line in csv.DictReader(file)}


def table_lines(results, entries, reference_of):
    """Records of a table: one dict per row. `reference_of(number)` gives the entry that row `number` is compared with."""
    records = []
    for number, (label, key) in enumerate(entries):
        row = results.find(key, "short")
        if row is None:
            raise ResultsError(f"{label}: no clips of method '{key[0]}', budget {key[1]}, scores '{key[2]}'")
        record = {"row": label, "n x seeds": f"{row.clips()} x {len(row.seeds)}", "reduction": f"{1 - row.budget / 10:.1f}",
                  "executed": f"{row.cost['executed']:.4f} ({row.cost['executed_with_context']:.4f})",
                  "Mmac a chunk": f"{row.cost['mmacs']:.1f} ({row.cost['mmacs_with_context']:.1f})",
                  "all seven right": results.figure(row, "all"), "difference": "", "at least": "", "verdict": "",
                  "Frechet": results.figure(row, "frechet", 1)}
        other = reference_of(number)
        if other is not None and other[1] != key:
            average, interval = results.difference(row, results.find(other[1], "short"))
            record["difference"] = bracketed(average, interval)
            record["at least"] = f"{results.least_difference(row, results.find(other[1], 'short')):.4f}"
            record["verdict"] = "better" if interval[0] > 0 else "worse" if interval[1] < 0 else "undecided"
        record.update(results.score(row))
        timed = results.latency.get((row.method, row.budget))
        if timed:
            record["latency ms (p95)"] = f"{timed['median_ms']} ({timed['p95_ms']})"
        record["commands"] = results.numbers_of(row)
        records.append(record)
    return records


def seed_lines(results, entries):
    records = []
    for label, key in entries:
        row = results.find(key, "short")
        for seed, columns in row.seeds.items():
            frechet = mean([columns["frechet"]])
            records.append({"row": label, "training seed": seed, "n": len(columns["all"]),
                            "all seven right": f"{mean([columns['all']]):.4f}",
                            "Frechet": "" if frechet is None else f"{frechet:.2f}"})
    return records


def proxy_lines(results, entries):
    """What the total is made of."""
    records = []
    for label, key in entries:
        row = results.find(key, "short")
        record = {"row": label} | {column: results.figure(row, column, 4) for column in PROXIES}
        if any(record[column] for column in PROXIES):
            records.append(record)
    return records


def condition_lines(results, entries):
    records = []
    for label, key in entries:
        record = {"row": label}
        for condition in SHARES:
            row = results.find(key, condition)
            record[condition] = f"{results.figure(row, 'all')}, n {row.clips()}" if row else ""
        if any(record[condition] for condition in SHARES[1:]):
            records.append(record)
    return records


def dense_for_drift(row, dense, layout):
    """Of the rows `dense` the one that `row` is compared with: its method's, else that of a table that has both, else that of its training
    seeds, else that of what ships, else the first. None without any."""
    keys = {table: [key for _, key in entries] for table, entries in layout.items()}
    beside = [key for table in WITH_A_DENSE_CONTROL if row.key() in keys[table] for key in keys[table]]
    same_seeds = [other for other in dense if set(other.seeds) == set(row.seeds)]
    groups = ([other for other in dense if other.method == row.method], [other for other in dense if other.key() in beside], same_seeds,
              [other for other in dense if other.key() in keys["ships"]], dense)
    group = next((some for some in groups if some), [])
    return next((other for other in group if other in same_seeds), group[0] if group else None)


def drift_lines(results, entries, layout):
    """Every row that was judged for drift, and how far it is from its dense one."""
    records = []
    ends = sorted({row.condition for row in results.rows if row.condition.startswith("drift-")}, key=lambda name: int(name[6:]))
    for label, key in entries:
        for end in ends:
            row = results.find(key, end)
            if row is None:
                continue
            dense = [other for other in results.rows if other.condition == end and other.budget == 10]
            reference = dense_for_drift(row, dense, layout)
            record = {"row": label, "chunks": end[6:], "n x seeds": f"{row.clips()} x {len(row.seeds)}"}
            for column in DRIFT:
                record[column] = results.figure(row, column)
            if reference is not None and reference is not row:
                record["flipped, minus dense"] = bracketed(*results.difference(row, reference, "flipped"))
            records.append(record)
    return records


def columns_of(records):
    columns = []
    for record in records:
        columns += [column for column in record if column not in columns]
    return [column for column in columns if any(record.get(column) for record in records)]


def markdown(records):
    columns = columns_of(records)
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(record.get(column, "")) for column in columns) + " |" for record in records]
    return "\n".join(lines) + "\n"


def write_csv(path, records):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns_of(records), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)


def share_plot(results, entries):
    series = {}
    for _, key in entries:
        row = results.find(key, "short")
        values = row.values("all")
        name = row.method if row.scores == "router" else f"{row.method}, {row.scores}"
        point = (row.cost["executed"], mean(values), *interval_of(results.means(row, "all")), [mean([seed]) for seed in values])
        series.setdefault(name, []).append(point)
    return plot("All seven attributes right over what is executed", "executed share of the denoising passes' tokens",
                "share of clips; bars 95 %, rings seeds", series)


def drift_plot(results, entries):
    series = {}
    for label, key in entries:
        for row in results.rows:
            if row.key() == key and row.condition.startswith("drift-"):
                values = row.values("flipped")
                point = (int(row.condition[6:]), mean(values), *interval_of(results.means(row, "flipped")), [mean([seed]) for seed in values])
                series.setdefault(label, []).append(point)
    return plot("What the caption leaves open, against chunks 1 to 4", "chunks", "share flipped; bars 95 %", series)


def reference_of(table, entries):
    """What table_lines() wants: the entry that a row of this table is compared with, by the row's number."""
    if table == "steps":
        return lambda number: entries[number - 1] if number else None
    if table == "ships":
        return lambda number: entries[0] if number else None
    if table in WITHIN_A_BUDGET:
        return lambda number: next(entry for entry in entries if entry[1][1] == entries[number][1][1])
    dense = next((entry for entry in entries if entry[1][1] == 10), None)
    return lambda number: dense


def write_results(results, layout, folder, remarks=""):
    data = folder / "results"
    data.mkdir(parents=True, exist_ok=True)
    everything = layout["methods"] + [entry for entry in layout["steps"]
                                      if entry[1] not in [key for _, key in layout["methods"]]]
    trained = everything + layout["iterations"] + layout["onwards"]
    judged = trained + layout["ships"] + [entry for table in WITHIN_A_BUDGET for entry in layout[table]]
    judged = [entry for number, entry in enumerate(judged) if entry[1] not in [key for _, key in judged[:number]]]
    parts = [(table, title, table_lines(results, layout[table], reference_of(table, layout[table])))
             for table, title in TABLES.items()]
    parts += [("conditions", "Other conditions: all seven right", condition_lines(results, judged)),
              ("drift", "Identity drift", drift_lines(results, judged, layout)),
              ("proxies", "Proxies, each dimension", proxy_lines(results, judged)),
              ("seeds", "Every training seed", seed_lines(results, trained))]
    page = ["# Results\n", "\n".join(textwrap.wrap(INTRODUCTION, 120)) + "\n", *([remarks] if remarks else [])]
    for name, title, records in parts:
        if not records:
            continue
        write_csv(data / f"{name}.csv", records)
        page += [f"## {title}\n", markdown(records)]
    plots = {"shares": share_plot(results, everything)} if everything else {}
    if any(row.condition.startswith("drift-") for row in results.rows):
        plots["drift"] = drift_plot(results, judged)
    for name, drawn in plots.items():
        (data / f"{name}.svg").write_text(drawn, encoding="utf-8")
        page.append(f"![{name}](results/{name}.svg)\n")
    page += ["## Commands\n"] + [f"{number}. `{command}`" for number, command in enumerate(results.commands, 1)]
    (folder / f"{PAGE}.md").write_text("\n".join(page) + "\n", encoding="utf-8")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="+", required=True, metavar="FILE", help="per-clip files, plain, .gz, .bz2 or .xz")
    parser.add_argument("--bounds", metavar="FILE", help="what counts as 0 and 1 in the total; without it there is none")
    parser.add_argument("--layout", metavar="FILE", help="which rows make which table")
    parser.add_argument("--remarks", metavar="FILE", help="Markdown that stands before the tables")
    parser.add_argument("--latency", metavar="FILE", help="measured times")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="where the page and results/ go")
    parser.add_argument("--replicates", type=int, default=1000, metavar="N", help="bootstrap samples (1000)")
    options = parser.parse_args(arguments)
    try:
        rows = read_files(options.clips)
        bounds = read_bounds(options.bounds) if options.bounds else []
        results = Results(rows, bounds, read_latency(options.latency), Bootstrap(options.replicates))
        write_results(results, read_layout(options.layout, rows), pathlib.Path(options.output),
                      pathlib.Path(options.remarks).read_text(encoding="utf-8") if options.remarks else "")
    except (OSError, ResultsError) as error:
        sys.exit(f"make_results.py: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
