"""Tests of tools/check_includes.py, on small trees of made-up sources."""
import os
import sys
import unittest

import small_tree

sys.path.insert(0, os.path.join(os.environ["VIDEODIFFCR_SOURCE_DIR"], "tools"))
import check_includes  # noqa: E402

FOLDERS = [row for row in check_includes.ALLOWED if "." not in row]


def page(folders):
    """The page whose table the check compares with its own, with a row for each of these."""
    rows = [f"| `{folder}` | `anything`, says the prose |\n" for folder in folders]
    return {"docs/architecture.md": "".join(["# Page\n\n| folder | may include |\n|---|---|\n", *rows, "\n| a | b |\n"])}


def check(files):
    return small_tree.check("check_includes.py", {**page([*FOLDERS, "tests"]), **files})


class CheckIncludesTest(unittest.TestCase):
    def test_includes_along_the_order_pass(self):
        status, output = check({
            "model/api/video_model.h": "#include <string>\n#include \"absl/status/status.h\"\n",
            "scheduler/engine.cc": "#include \"model/api/video_model.h\"\n#include \"threading/clock.h\"\n",
            "model/plain/transformer/block.cc": "#include <ATen/core/Tensor.h>\n#include \"model/weights/reader.h\"\n",
        })
        self.assertEqual((status, output), (0, ""))

    def test_an_include_against_the_order_is_named_with_its_file(self):
        status, output = check({"scheduler/engine.cc": "#include \"server/server.h\"\n"})
        self.assertEqual(status, 1)
        self.assertIn("scheduler/engine.cc: may not include server/server.h", output)

    def test_an_outside_package_needs_leave_like_a_folder(self):
        for include in ("<grpcpp/grpcpp.h>", "<libavcodec/avcodec.h>", "\"videodiffcr/v1/video_generation.pb.h\""):
            status, output = check({"scheduler/engine.cc": f"#include {include}\n"})
            self.assertEqual(status, 1, include)
            self.assertIn("scheduler/engine.cc", output)

    def test_torch_behind_two_headers_is_found_with_the_way_to_it(self):
        status, output = check({
            "model/config/a.h": "#include \"model/config/b.h\"\n",
            "model/config/b.h": "#include \"model/weights/c.h\"\n",
            "model/weights/c.h": "#include <torch/torch.h>\n",
        })
        self.assertEqual(status, 1)
        self.assertIn("model/config/a.h -> model/config/b.h -> model/weights/c.h -> torch/torch.h", output)

    def test_a_folder_without_a_row_is_an_error(self):
        status, output = check({"model/magic/wand.h": ""})
        self.assertEqual(status, 1)
        self.assertIn("no row", output)

    def test_only_main_knows_both_sides(self):
        self.assertEqual(check({"server/main.cc": "#include \"model/load/model.h\"\n"})[0], 0)
        self.assertEqual(check({"server/server.cc": "#include \"model/load/model.h\"\n"})[0], 1)

    def test_what_a_file_uses_it_includes_itself_or_by_its_own_header(self):
        use = "std::string text = absl::StrCat(1);\n"
        status, output = check({"scheduler/engine.cc": use, "tests/scheduler/engine_test.cc": use})
        self.assertEqual(status, 1)
        for name in ("scheduler/engine.cc", "tests/scheduler/engine_test.cc"):
            self.assertIn(f"{name}: uses absl::StrCat and does not include <absl/strings/str_cat.h>", output)
        header = "#include \"absl/strings/str_cat.h\"\n"
        self.assertEqual(check({"scheduler/engine.cc": header + use})[0], 0)
        self.assertEqual(check({"scheduler/engine.h": header, "scheduler/engine.cc": use})[0], 0)
        self.assertEqual(check({"scheduler/engine.cc": "// absl::StrCat\n"})[0], 0)

    def test_the_page_of_threads_names_the_mutex_of_every_class(self):
        sources = {
            "threading/mutex.h": "class ABSL_LOCKABLE Mutex {\n private:\n  std::mutex mutex_;\n};\n",
            "scheduler/gate.h": "class Gate final\n    : public Wall {\n public:\n  void Open() {\n    Mutex local;\n  }\n\n"
                                " private:\n  // Before the other.\n  mutable Mutex first_ ABSL_ACQUIRED_BEFORE(second_);\n"
                                "  struct Place {\n    Mutex mutex;\n  };\n  Mutex second_;\n};\n",
            "gateway/log.cc": "struct Log::State {\n  std::mutex mutex;\n};\nvoid Write(int a,\n           int b) {\n  Mutex mutex;\n}\n",
            "tests/scheduler/fake.h": "class Fake {\n  Mutex mutex_;\n};\n",
        }
        named = {"docs/threading.md": "| `Gate::first_`, `Gate::second_` | `Gate::Place::mutex`, `Log::State::mutex` |\n"}
        self.assertEqual(check({**sources, **named}), (0, ""))
        status, output = check({**sources, "docs/threading.md": "`Gate::first_`, `Gateway::second_`, `Log::State::mutexes`\n"})
        self.assertEqual((status, output.count("\n")), (1, 3), output)
        self.assertIn("scheduler/gate.h:12: docs/threading.md does not name Place::mutex\n", output)
        self.assertIn("scheduler/gate.h:14: docs/threading.md does not name Gate::second_\n", output)
        self.assertIn("gateway/log.cc:2: docs/threading.md does not name Log::State::mutex\n", output)
        self.assertEqual(check(sources)[1].count("\n"), 4)

    def test_the_wall_clock_is_asked_only_by_those_whose_business_the_date_is(self):
        use = "#include \"absl/time/clock.h\"\nconst absl::Time now = absl::Now();\n"
        status, output = check({"client/top.cc": use, "server/logging/log_line.cc": use, "tests/client/top_test.cc": use})
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("client/top.cc: asks the wall clock (absl::Now)", output)

    def test_the_page_has_a_row_for_each_folder_and_for_no_other(self):
        two_in_a_row = page(["tests", *FOLDERS[2:], f"{FOLDERS[0]}`, `{FOLDERS[1]}"])
        self.assertEqual(check(two_in_a_row), (0, ""))
        status, output = check(page([*(folder for folder in FOLDERS if folder != "model/gpu"), "tests", "model/magic"]))
        self.assertEqual((status, output.count("\n")), (1, 2), output)
        self.assertIn("docs/architecture.md: has no row for model/gpu", output)
        self.assertIn("docs/architecture.md: has a row for model/magic", output)
        status, output = check({"docs/architecture.md": "| folder | contents |\n"})
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("has no table of folders", output)

    def test_this_repository_passes(self):
        self.assertEqual(small_tree.check_repository("check_includes.py"), (0, ""))


if __name__ == "__main__":
    unittest.main()
