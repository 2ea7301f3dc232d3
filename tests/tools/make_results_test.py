"""Tests of tools/make_results.py on per-clip files as `videodiffcr-train evaluate --per-clip` writes them."""
import bz2
import csv
import gzip
import lzma
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

SOURCE = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "tools"))
sys.dont_write_bytecode = True

import results_clips  # noqa: E402
import results_plots  # noqa: E402
from make_results import PAGE  # noqa: E402

COLUMNS = ("shape,colour,size,motion,speed,background_colour,texture,all,frechet,subject_consistency,background_consistency,"
           "temporal_flickering,motion_smoothness,dynamic_degree,imaging_quality,flipped,identity_distance,hue_shift,area_change")
HEADER = "method,training_seed,condition,budget,scores,evaluation_seed,executed,executed_with_context,mmacs,mmacs_with_context,clip,prompt," + COLUMNS


def per_clip(method, seed, condition, budget, right, scores="router"):
    """Lines of clips that are right as `right` says."""
    executed = {10: 1.0, 7: 0.6875, 5: 0.5}[budget]
    lines = []
    for clip, value in enumerate(right):
        still = "" if clip % 2 else "0.99"
        values = f"{value},1,1,1,1,1,1,{value},{30 + clip},0.9,0.8,{still},0.97,1,0.9"
        drift = f"{1 - value},0.1,20,0.3" if condition.startswith("drift") else ",,,"
        lines.append(f"{method},{seed},{condition},{budget},{scores},1,{executed},{(4 * executed + 1) / 5},{100 * executed},"
                     f"{100 * executed + 25},{clip},{clip % 4}000000,{values},{drift}")
    return "\n".join(lines) + "\n"


BOUNDS = "# command\ndimension,group,column,weight,least,most\n" + "".join(
    f"{name},{group},{column},{weight},0,1\n" for name, group, column, weight in (
        ("subject consistency", "quality", "subject_consistency", 1), ("dynamic degree", "quality", "dynamic_degree", 0.5),
        ("object class", "semantic", "shape", 1)))


def interval(replicates, values):
    return results_clips.interval_of(results_clips.Bootstrap(replicates).means(values))


class StatisticsTest(unittest.TestCase):
    def test_a_quantile_lies_between_its_neighbours(self):
        self.assertEqual(results_clips.quantile([1, 2, 3, 4], 0.5), 2.5)
        self.assertEqual(results_clips.quantile([0, 10], 0.25), 2.5)

    def test_what_was_not_asked_is_left_out(self):
        self.assertEqual(results_clips.mean([[1, None, 0, None]]), 0.5)
        self.assertIsNone(results_clips.mean([[None]]))
        self.assertEqual(interval(50, [[1, None, 1]]), (1, 1))

    def test_clips_and_seeds_are_drawn_with_replacement(self):
        self.assertEqual(interval(1000, [[0, 1]]), (0, 1))
        self.assertEqual(interval(1000, [[0, 0, 0], [1, 1, 1]]), (0, 1))

    def test_the_interval_of_one_seed_is_the_binomial_one(self):
        low, high = interval(2000, [[1] * 320 + [0] * 80])
        self.assertAlmostEqual(low, 0.8 - 1.96 * 0.02, delta=0.005)
        self.assertAlmostEqual(high, 0.8 + 1.96 * 0.02, delta=0.005)

    def test_the_score_is_weighed_as_vbench_does(self):
        bounds = [("quality", "a", 1, 0.2, 0.7), ("quality", "b", 0.5, 0, 1), ("semantic", "c", 1, 0, 2)]
        found = results_clips.scores({"a": 0.7, "b": 0.5, "c": 1}, bounds)
        self.assertAlmostEqual(found["quality"], 1.25 / 1.5)
        self.assertAlmostEqual(found["total"], (4 * 1.25 / 1.5 + 0.5) / 5)
        self.assertEqual(results_clips.scores({"a": 0.7, "b": None, "c": 1}, bounds), {})

    def test_ticks_are_round(self):
        self.assertEqual([round(tick, 6) for tick in results_plots.ticks(0.48, 1.02)], [0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


class MakeResultsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def write(self, name, text, command="videodiffcr-train evaluate --model x"):
        path = self.path / name
        data = f"# {command}\n{HEADER}\n{text}" if name.startswith("clips") else text
        packed = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
        path.write_bytes(packed(data.encode()))
        return str(path)

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, SOURCE / "tools/make_results.py", *arguments, "--output", str(self.path / "docs"),
                               "--replicates", "200"], capture_output=True, text=True, check=False)

    def table(self, name):
        with open(self.path / f"docs/results/{name}.csv", newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def files(self):
        right, wrong = [1] * 8, [0] * 8
        return [self.write("clips_dense.csv", per_clip("dense", 1, "short", 10, right) + per_clip("dense", 1, "long", 10, right) +
                           per_clip("dense", 1, "drift-24", 10, right)),
                self.write("clips_1.csv.gz", per_clip("ours", 1, "short", 7, right) + per_clip("ours", 1, "drift-24", 7, right[:4] + wrong[:4]),
                           "videodiffcr-train evaluate --training-seed 1"),
                self.write("clips_2.csv.bz2", per_clip("ours", 2, "short", 7, right[:6] + wrong[:2]),
                           "videodiffcr-train evaluate --budgets 10,7 --training-seed 2"),
                self.write("clips_random.csv.xz", per_clip("ours", 1, "short", 7, wrong, "random"))]

    def test_every_row_has_its_figure_its_interval_its_seeds_and_its_commands(self):
        done = self.run_script("--clips", *self.files(), "--bounds", self.write("bounds.csv", BOUNDS))
        self.assertEqual(done.returncode, 0, done.stderr)
        dense, ours, random = self.table("methods")
        self.assertEqual(dense["all seven right"], "1.000 [1.000, 1.000]")
        self.assertEqual(ours["row"], "ours, retention 0.7, router")
        self.assertTrue(ours["all seven right"].startswith("0.875 ["), ours)
        self.assertTrue(ours["difference"].startswith("-0.125 ["), ours)
        self.assertEqual(ours["executed"], "0.6875 (0.7500)")
        self.assertEqual(ours["n x seeds"], "8 x 2")
        self.assertEqual(ours["commands"], "[2] [3]")
        self.assertEqual(random["verdict"], "worse")
        self.assertEqual(dense["quality"], "0.933 [0.933, 0.933]")  # (0.9 + 0.5 * 1) / 1.5
        self.assertEqual(dense["total"], "0.947 [0.947, 0.947]")
        self.assertEqual([(line["row"], line["training seed"], line["all seven right"]) for line in self.table("seeds")][1:3],
                         [("ours, retention 0.7, router", "1", "1.0000"), ("ours, retention 0.7, router", "2", "0.7500")])
        page = (self.path / "docs" / f"{PAGE}.md").read_text(encoding="utf-8")
        self.assertIn("3. `videodiffcr-train evaluate --budgets 1,0.7 --training-seed 2`", page)  # it has tenths
        self.assertIn("| ours, retention 0.7, router |", page)

    def test_drift_is_told_minus_dense(self):
        self.assertEqual(self.run_script("--clips", *self.files()).returncode, 0)
        lines = self.table("drift")
        self.assertEqual([line["chunks"] for line in lines], ["24", "24"])
        self.assertTrue(lines[1]["flipped"].startswith("0.500 ["), lines)
        self.assertTrue(lines[1]["flipped, minus dense"].startswith("0.500 ["), lines)

    def test_drift_is_told_minus_the_dense_one_of_the_same_training_seed_where_there_is_one(self):
        other = self.write("clips_other.csv", per_clip("other", 2, "drift-24", 10, [0] * 8) + per_clip("other", 2, "drift-24", 7, [0] * 8) +
                           per_clip("other", 2, "short", 7, [0] * 8))
        self.assertEqual(self.run_script("--clips", *self.files()[:1], other).returncode, 0)
        self.assertTrue(next(line for line in self.table("drift") if line["row"].startswith("other, retention"))["flipped, minus dense"].startswith("0.000 ["))

    def test_drift_is_told_minus_the_dense_one_of_the_same_method_before_that_of_another_with_the_same_seed(self):
        files = [self.write(f"clips_{name}.csv", per_clip(name, 2, "drift-24", 10, [right] * 8) + per_clip(name, 2, "drift-24", 7, [0] * 8) +
                            per_clip(name, 2, "short", 7, [0] * 8)) for name, right in (("first", 1), ("second", 0))]
        self.assertEqual(self.run_script("--clips", *self.files()[:1], *files).returncode, 0)
        self.assertTrue(next(line for line in self.table("drift") if line["row"].startswith("second, retention"))["flipped, minus dense"].startswith("0.000 ["))

    def test_drift_is_told_minus_the_dense_one_of_the_same_method_also_where_that_has_more_training_seeds(self):
        ours = [self.write(f"clips_{seed}_ours.csv", per_clip("ours", seed, "drift-24", 10, [0] * 8)) for seed in (1, 2)]
        ours.append(self.write("clips_ours.csv", per_clip("ours", 1, "drift-24", 7, [0] * 8) + per_clip("ours", 1, "short", 7, [0] * 8)))
        self.assertEqual(self.run_script("--clips", *self.files()[:1], *ours).returncode, 0)
        self.assertTrue(next(line for line in self.table("drift") if line["row"].startswith("ours, retention"))["flipped, minus dense"].startswith("0.000 ["))

    def test_a_file_may_hold_several_judgements_behind_each_other(self):
        apart = self.files()[:2]
        text = pathlib.Path(apart[0]).read_text(encoding="utf-8") + gzip.open(apart[1], "rt").read()
        self.assertEqual(self.run_script("--clips", *apart).returncode, 0)
        tables = [self.table("methods"), self.table("drift")]
        one = self.path / "clips_both.csv"
        one.write_text(text, encoding="utf-8")
        self.assertEqual(self.run_script("--clips", str(one)).returncode, 0)
        self.assertEqual([self.table("methods"), self.table("drift")], tables)

    def test_a_layout_tells_each_step_from_the_one_before(self):
        layout = self.write("layout.csv", "table,label,method,budget,scores\nmethods,Dense,dense,10,router\nsteps,by chance,ours,7,random\n"
                                          "steps,by routers,ours,7,router\nsteps,dense,dense,10,router\n")
        done = self.run_script("--clips", *self.files(), "--layout", layout)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second, third = self.table("steps")
        self.assertEqual(first["row"], "by chance")
        self.assertEqual(first["difference"], "")
        self.assertEqual(second["verdict"], "better")
        self.assertTrue(third["difference"].startswith("0.125 ["), third)

    def test_a_layout_with_an_unknown_table_is_refused_with_the_names_there_are(self):
        layout = self.write("layout.csv", "table,label,method,budget,scores\n2,by chance,ours,7,random\n")
        said = self.run_script("--clips", *self.files(), "--layout", layout).stderr
        self.assertIn(f"{layout}: '2'", said)
        self.assertIn("methods, steps, iterations, onwards, ships, scores, cache", said)

    def test_a_layout_tells_each_share_of_the_cache_from_the_whole_one_at_the_same_budget(self):
        layout = self.write("layout.csv", "table,label,method,budget,scores\nmethods,Dense,dense,10,router\ncache,whole,dense,10,router\n"
                                          "cache,whole at 0.7,ours,7,random\ncache,half at 0.7,ours,7,router\n")
        done = self.run_script("--clips", *self.files(), "--layout", layout)
        self.assertEqual(done.returncode, 0, done.stderr)
        dense, whole, half = self.table("cache")
        self.assertEqual((dense["difference"], whole["difference"]), ("", ""))
        self.assertEqual(half["verdict"], "better")

    def test_a_layout_tells_longer_runs_from_the_dense_one_of_their_length_and_says_what_the_difference_is_above(self):
        layout = self.write("layout.csv", "table,label,method,budget,scores\niterations,dense,dense,10,router\niterations,pruned,ours,7,router\n")
        done = self.run_script("--clips", *self.files(), "--layout", layout)
        self.assertEqual(done.returncode, 0, done.stderr)
        dense, pruned = self.table("iterations")
        self.assertEqual((dense["difference"], dense["at least"]), ("", ""))
        low, high = map(float, pruned["difference"].split("[")[1].rstrip("]").split(", "))
        self.assertTrue(low <= float(pruned["at least"]) <= high, pruned)
        self.assertLess(float(pruned["at least"]), -0.125)  # the mean
        self.assertEqual([line["row"] for line in self.table("seeds")], ["dense", "pruned", "pruned"])

    def test_where_seeds_differ_more_than_clips_what_a_difference_is_above_is_students_t_over_seeds(self):
        layout = self.write("layout.csv", "table,label,method,budget,scores\niterations,dense,dense,10,router\niterations,pruned,ours,7,router\n")
        dense = [self.write(f"clips_dense_{seed}.csv", per_clip("dense", seed, "short", 10, [1] * 8)) for seed in (1, 2)]
        ours = [self.write(f"clips_ours_{seed}.csv", per_clip("ours", seed, "short", 7, [1] * (8 - seed) + [0] * seed)) for seed in (1, 2)]
        done = self.run_script("--clips", *dense, *ours, "--layout", layout)
        self.assertEqual(done.returncode, 0, done.stderr)
        # -1/8 and -2/8: their mean less 6.314 standard errors of 1/16.
        self.assertAlmostEqual(float(self.table("iterations")[1]["at least"]), -3 / 16 - 6.314 / 16, places=4)

    def test_each_proxy_has_its_own_column(self):
        self.assertEqual(self.run_script("--clips", *self.files()).returncode, 0)
        line = self.table("proxies")[0]
        self.assertTrue(line["subject_consistency"].startswith("0."), line)

    def test_drift_of_a_row_without_a_dense_one_is_told_minus_that_of_what_ships(self):
        layout = self.write("layout.csv", "table,label,method,budget,scores\nmethods,a,another,10,router\nships,dense,dense,10,router\n"
                                          "beyond,ours,ours,7,router\n")
        files = [self.write("clips_a.csv", per_clip("another", 5, "drift-24", 10, [0] * 8) + per_clip("another", 5, "short", 10, [0] * 8)),
                 self.write("clips_dense.csv", per_clip("dense", 6, "drift-24", 10, [1] * 8) + per_clip("dense", 6, "short", 10, [1] * 8)),
                 self.write("clips_ours.csv", per_clip("ours", 7, "drift-24", 7, [1] * 8) + per_clip("ours", 7, "short", 7, [1] * 8))]
        done = self.run_script("--clips", *files, "--layout", layout)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(next(line for line in self.table("drift") if line["row"] == "ours")["flipped, minus dense"].startswith("0.000 ["))

    def test_drift_is_told_minus_the_dense_one_of_the_same_table_before_that_of_another_with_the_same_seed(self):
        layout = self.write("layout.csv", "table,label,method,budget,scores\nmethods,a,another,10,router\nonwards,dense,dense,10,router\n"
                                          "onwards,ours,ours,7,router\n")
        files = [self.write(f"clips_{name}.csv", per_clip(name, 5, "drift-24", budget, [right] * 8) + per_clip(name, 5, "short", budget, [right] * 8))
                 for name, budget, right in (("another", 10, 0), ("dense", 10, 1), ("ours", 7, 1))]
        done = self.run_script("--clips", *files, "--layout", layout)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(next(line for line in self.table("drift") if line["row"] == "ours")["flipped, minus dense"].startswith("0.000 ["))

    def test_rows_outside_of_the_methods_have_their_drift_in_table_and_plot_too(self):
        layout = self.write("layout.csv", "table,label,method,budget,scores\nmethods,by chance,ours,7,random\nships,dense,dense,10,router\n"
                                          "ships,at 0.7,ours,7,router\nbeyond,at 0.7 again,ours,7,router\n")
        done = self.run_script("--clips", *self.files(), "--layout", layout)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line["row"] for line in self.table("drift")], ["dense", "at 0.7"])
        self.assertIn("at 0.7", (self.path / "docs/results/drift.svg").read_text(encoding="utf-8"))
        self.assertEqual(self.table("beyond")[0]["row"], "at 0.7 again")

    def test_latency_is_added_where_it_was_measured(self):
        latency = self.write("latency.csv", "method,budget,median_ms,p95_ms,command\ndense,10,520,580,videodiffcr-bench chunk\n")
        self.assertEqual(self.run_script("--clips", *self.files(), "--latency", latency).returncode, 0)
        self.assertEqual([line["latency ms (p95)"] for line in self.table("methods")], ["520 (580)", "", ""])

    def test_the_plots_are_svg(self):
        self.assertEqual(self.run_script("--clips", *self.files()).returncode, 0)
        for name in ("shares", "drift"):
            xml.etree.ElementTree.parse(self.path / f"docs/results/{name}.svg")

    def test_what_is_wrong_is_named(self):
        good = per_clip("ours", 1, "short", 7, [1, 0])
        self.assertIn("nowhere.csv: No such file", self.run_script("--clips", str(self.path / "nowhere.csv")).stderr)
        self.assertIn("not a per-clip file", self.run_script("--clips", self.write("other.csv", "a,b\n1,2\n")).stderr)
        self.assertIn("clips_a.csv:4: could not convert string to float: 'x'",
                      self.run_script("--clips", self.write("clips_a.csv", good.replace("31,", "x,"))).stderr)
        self.assertIn("is it there twice?", self.run_script("--clips", self.write("clips_b.csv", good + good)).stderr)
        other = self.write("clips_c.csv", per_clip("dense", 1, "short", 10, [1, 1]).replace(",1,1.0,", ",2,1.0,"))
        self.assertIn("judge both with the same --seed", self.run_script("--clips", other, self.write("clips_d.csv", good)).stderr)


if __name__ == "__main__":
    unittest.main()
