"""Tests of tools/gpu_check.sh and its table, with programs that print what the real ones would."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import time
import unittest

SOURCE = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])

# A videodiffcr-bench that measures nothing. The names of its cells are those of bench/*.cc (a test below holds them to it).
BENCH = textwrap.dedent('''\
    #!PYTHON -S
    import json, os, pathlib, sys, time
    flags = dict(word[2:].split("=", 1) for word in sys.argv[2:])
    command = sys.argv[1]
    print(command, flags)
    part = pathlib.Path(flags.get("json", command)).stem
    if part == os.environ.get("STUB_FAILS"):
        sys.exit("out of memory")
    if command == "make-model":
        os.makedirs(flags["output"])
        pathlib.Path(flags["output"], "config.json").write_text("{}")
        sys.exit(0)
    machine = "NVIDIA H200, 580.159, 1755 MHz, 3201 MHz, 690 W (read just after); EPYC, 16 threads"
    def write(rows, **context):
        pathlib.Path(flags["json"]).write_text(json.dumps({"context": dict(context, machine=machine), "rows": rows}))
    if command == "chunk":
        write([{"sessions": n, "budget": b, "chunk": "600.0 (612.0)" if n == "4" else "301.0 (303.0)", "frames/s": "80.5"}
               for n in flags.get("sessions", "1").split(",") for b in ("1.0", "0.7", "0.5")], **{"session MiB": "5700"})
    elif command == "sessions":
        rows = []
        context = {"seconds": flags["seconds"]}
        for request in ("first", "second", "third", "fourth"):
            context["first chunk of the " + request + " request, ms"] = "187.0"
        context["first chunk, ms"] = "105.0 (112.0)"
        context["first chunk, slowest, ms"] = "120.0: queue 2.0, encode 40.0"
        context["first frame, ms"] = "79.0 (84.0)"
        context["first chunk behind its first frame, ms"] = "106.0 (113.0)"
        for starts in ("aligned", "staggered"):
            context["memory before, " + starts] = "900 MiB, GPU 9000 MiB"
            context["memory after, " + starts] = "900 MiB, GPU 9440 MiB"
            rows += [{"starts": starts, "CPR": "1.0000", "denoise p50 of the second quarter": "187.0",
                      "denoise p50 of the last quarter": "188.0"} for _ in range(int(flags["sessions"]))]
            write(rows, **context)
            if part == os.environ.get("STUB_HANGS"):
                if os.fork() == 0:  # a server that does not end with its bench
                    os.setsid()
                    os.execv(pathlib.Path(sys.argv[0]).parent / "videodiffcr-server", ["server", "600"])
                time.sleep(600)
    elif command == "decode":
        write([{"decoder": d, "path": "serving", "decode p50": "4.50"} for d in ("Wan VAE", "TAEHV")])
    elif command == "kernels":
        times = {"FP8PrefillWithKVCacheKernel": "128.50", "nvjet_tst_128x256": "41.00", "ResidualNormRows": "12.80", "all others": "1.20",
                 "device_kernel (CausalConvTile)": "4.40", "device_kernel (GeluProductKernel)": "12.80", "nothing running": "4.50", "chunk, traced": "192.40"}
        write([{"kernel": kernel, "ms per chunk": ms} for kernel, ms in times.items()])
    elif command == "attention":
        write([{"sessions x queries x keys": sizes, "ours bf16, cut tiles": "695 (0.91)", "ours fp8, cut tiles": "813 (0.78)"}
               for sizes in ("1 x 3276 x 31356", "1 x 4680 x 32760")])
    elif command == "text":
        write([{"tokens": "512", "encode p50": "10.30"}])
    else:
        write([])
    ''').replace("PYTHON", os.path.realpath(sys.executable), 1)
TRAIN = textwrap.dedent("""\
    #!/bin/sh
    echo "$@"
    case $1 in
      routers) echo 'routers: 15 chunks, 0.512 s a chunk trained' ;;
      evaluate)
        for file in "$@"; do :; done  # the last
        { echo condition,n,all,all_standard_error; echo dense,2048,0.9648,0.0041; echo retention 0.7,2048,0.9443,0.0051; } >"$file" ;;
      *) echo 'mean without the first step: rollout 2.100 s (60.1 GiB), scores 3.000 s (65.0 GiB), all 5.100 s (65.0 GiB)' ;;
    esac
    sleep 0.3
    """)
LOOK = textwrap.dedent("""\
    #!/bin/sh
    case " $* " in *" -i 1 "*) most=40960 ;; *" -i 0 "*) most=30720 ;; *) most=81920 ;; esac  # all GPUs: of whoever holds most
    while true; do echo 20480; echo $most; echo 1024; sleep 0.1; done
    """)
TEST = """#!/bin/sh
echo '0.7 bf16, its tokens imposed on the plain path: least cosine of 3 chunks 0.999994; exchanged by the plain path'
echo '0.7 fp8, its tokens imposed on the plain path: least cosine of 3 chunks 0.998412; exchanged by the plain path'
echo '[  PASSED  ] 7 tests.'
"""
PARITY = "#!/bin/sh\necho 'total: 70 outputs, 70 passed, 0 failed'\n"
SANITIZER = "#!/bin/sh\necho '========= ERROR SUMMARY: 0 errors'\n"


class GpuCheck:
    """A packed folder of stubs, and runs of the script on it."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        for folder in (self.root / "python" / "torch", self.root / "tools"):
            folder.mkdir(parents=True)
        (self.root / "python" / "torch" / "__init__.py").touch()
        self.program(self.root / "tools" / "compute-sanitizer", SANITIZER)
        self.program(self.root / "tools" / "nvidia-smi", LOOK)
        self.packed = self.pack("packed", "abc1234", BENCH)

    def pack(self, name, commit, bench):
        """A folder as tools/gpu_pack.sh makes it."""
        stage, packed = self.root / f"stage-{name}", self.root / name
        for folder in (stage / "bin", stage / "lib", packed):
            folder.mkdir(parents=True)
        self.program(stage / "bin" / "videodiffcr-bench", bench)
        self.program(stage / "bin" / "videodiffcr-parity", PARITY)
        self.program(stage / "bin" / "videodiffcr-train", TRAIN)
        shutil.copy(shutil.which("sleep"), stage / "bin" / "videodiffcr-server")
        self.program(stage / "bin" / "cuda_kernels_test", TEST)
        for test in ("gpu_path_test", "real_shape_test"):
            self.program(stage / "bin" / test, TEST)
        (stage / "gpu_tests").write_text("cuda_kernels_test\ngpu_path_test\nreal_shape_test\n")
        (stage / "commit").write_text(f"{commit}\n")
        with tarfile.open(packed / "gpu_check.tar.xz", "w:xz") as tar:
            tar.add(stage, ".")
        for script in ("gpu_check.sh", "gpu_check_parts.sh", "gpu_check_table.py"):
            (packed / script).write_bytes((SOURCE / "tools" / script).read_bytes())
        return packed

    @staticmethod
    def program(path, text):
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *parts, **environment):
        """Exit status and output, errors included."""
        path = f"{self.root / 'tools'}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", self.packed / "gpu_check.sh", "run", self.packed, *parts], cwd=SOURCE, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(self.root / "python"), "TMPDIR": str(self.root),
                 "RESULTS": str(self.root / "results"), **environment})
        return done.returncode, done.stdout

    def log(self, name):
        with tarfile.open(self.root / "results" / "logs.tar.gz") as logs:
            return logs.extractfile(f"./{name}.log").read().decode()

    def table(self):
        return (self.root / "results" / "table.md").read_text()


class GpuCheckTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.check = GpuCheck(folder.name)

    def test_one_run_fills_every_row_of_the_table(self):
        status, output = self.check.run()
        self.assertEqual(status, 0, output)
        self.assertNotIn("not run", output)
        self.assertNotIn("unbound variable", output)
        self.assertIn("missing: nothing", output)
        self.assertIn("failed: none", output)
        self.assertIn("| chunk, dense, bf16 | 301.0 (303.0) ms | <= 325 ms | 296 |", output)
        self.assertIn("| viewers, 30 % routed, fp8, staggered | 3 of 3, least CPR 1.0000, 60 s | 4 |  |", output)
        self.assertIn("sessions-window12, aligned: denoise 187.0 -> 188.0 ms; server memory 900 MiB, GPU 9000 MiB -> 900 MiB, GPU 9440 MiB", output)
        self.assertIn("kernels-dense: FP8PrefillWithKVCacheKernel 128.50, nvjet_tst_128x256 41.00", output)
        self.assertIn("| routers, a chunk trained, real shape, one clip | 0.512 s, peak 30.0 GiB | <= 1.2 s, 80 GB |", output)
        self.assertIn("| videodiffcr, a step, real shape, one clip | 5.100 s, peak 30.0 GiB: rollout 2.100 s (60.1 GiB), "
                      "scores 3.000 s (65.0 GiB) | 80 GB |", output)
        self.assertIn("parity: total: 70 outputs, 70 passed, 0 failed", output)
        self.assertIn("test-gpu_path_test: [  PASSED  ] 7 tests.", output)
        self.assertIn("ERROR SUMMARY: 0 errors", output)
        self.assertIn("commit abc1234", self.check.table())
        with tarfile.open(self.check.root / "results" / "logs.tar.gz") as logs:
            self.assertIn("./sessions-bf16.json", logs.getnames())

    def test_every_mark_of_the_kernels_first_chunk_memory_nearness_and_quality_has_its_row(self):
        status, output = self.check.run("marks", SESSION_SECONDS="30")
        self.assertEqual(status, 0, output)
        for row in ("attention, fp8, 1 x 3276 x 31356 | 813 TFLOP/s (0.78 ms) | >= 880, then 940 |",
                    "attention, bf16, 1 x 4680 x 32760 | 695 TFLOP/s (0.91 ms) | >= 730 |",
                    "small kernels and nothing running, a chunk, 0.7, fp8 | 18.5 ms (ResidualNormRows 12.80, nothing running 4.50, "
                    "all others 1.20) | <= 18 ms |",
                    "GPU memory after the first aligned viewers, 0.7, fp8 | +440 MiB (9000 -> 9440) |",
                    "first chunk, warm, prompt to encoded bytes at the client, 25 requests | 105.0 (112.0) ms (0.7, fp8), ",
                    "the slowest of them, and where its time went | 120.0: queue 2.0, encode 40.0 ms (0.7, fp8), ",
                    "first frame, ahead of its chunk, of 25 more requests | 79.0 (84.0) ms (0.7, fp8), ",
                    "the chunk behind it | 106.0 (113.0) ms (0.7, fp8), ",
                    "least cosine to fp32 with its tokens, 30 % routed, bf16 | 0.999994 | >= 0.9999 |",
                    "least cosine to fp32 with its tokens, 30 % routed, fp8 | 0.998412 | >= 0.998 |",
                    "`tiny`, all seven attributes right, retention 0.7 | 0.944 +- 0.005 (fp8, n = 2048) |",
                    "Wan VAE per chunk | 4.50 ms | <= 65 ms |", "chunk, 30 % routed, fp8, 1 step | 301.0 (303.0) ms | <= 70 ms |"):
            self.assertIn(f"| {row}", output)
        self.assertRegex(self.check.log("quality"), "evaluate --model models/tiny --device cuda --precision fp8 --clips 2048 --seed 1 ")

    def test_a_part_that_is_named_twice_runs_once(self):
        status, output = self.check.run("chunk-cache", "chunk-cache-window12", "quality", "quality-bf16")
        self.assertEqual(status, 0, output)
        self.assertEqual(output.count("== chunk-cache-window12"), 1)
        self.assertIn("retention 0.7 | 0.944 +- 0.005 (fp8, n = 2048), 0.944 +- 0.005 (bf16, n = 2048) |", output)

    def test_a_second_call_may_add_to_what_the_first_measured_with_the_same_commit(self):
        self.check.run("attention", "text")
        status, output = self.check.run("--keep", "decode", "text")
        self.assertEqual(status, 0, output)
        self.assertIn("| attention, bf16, 1 x 3276 x 31356 | 695 TFLOP/s", output)
        self.assertIn("| Wan VAE per chunk | 4.50 ms |", output)
        (self.check.packed / "logs" / "commit").write_text("0ld0ld0\n")
        status, output = self.check.run("--keep", "decode")
        self.assertEqual(status, 1)
        self.assertIn("was measured with commit 0ld0ld0, not abc1234", output)

    def test_as_many_viewers_are_tried_as_the_chunks_of_four_sessions_leave_time_for(self):
        _, output = self.check.run("chunk-together", "sessions-window12")
        self.assertIn("| 4 of 4, least CPR", output)  # 600 ms for four: 0.98 * 750 / 150 is 4.9

    def test_one_word_measures_few_steps_and_chunks_of_one_latent_frame(self):
        status, output = self.check.run("chunk-few")
        self.assertEqual(status, 0, output)
        self.assertIn("| chunk, 30 % routed, fp8, 2 steps | 301.0 (303.0) ms |", output)
        self.assertIn("| chunk, 30 % routed, fp8, 1 latent frame, 1 step | 301.0 (303.0) ms |", output)
        with tarfile.open(self.check.root / "results" / "logs.tar.gz") as logs:
            made = logs.extractfile("./models.log").read().decode()
        folder = r"'[^']*/gpu_check[^']*/"
        for flags in (rf"'output': {folder}chunk-few-2-step', 'weights-from': {folder}window21', 'window-frames': '21', "
                      r"'denoise-steps': '1000,500'",
                      rf"'output': {folder}chunk-few-frame-wise', 'preset': 'causal-forcing-frame-wise'}}",
                      rf"'output': {folder}chunk-few-frame-wise-1-step', 'weights-from': {folder}chunk-few-frame-wise', "
                      r"'denoise-steps': '1000'}"):
            self.assertRegex(made, flags)

    def test_half_of_the_cache_is_measured_at_both_windows_with_memory_and_a_trace(self):
        status, output = self.check.run("chunk-cache")
        self.assertEqual(status, 0, output)
        self.assertIn("| chunk, 30 % routed, fp8, half of the cache | 301.0 (303.0) ms | <= 130 ms |", output)
        self.assertIn("| chunk, 30 % routed, fp8, window 12, half of the cache | 301.0 (303.0) ms | <= 105 ms |", output)
        self.assertIn("| -, -, 5700, 5700 |", output)
        self.assertIn("kernels-cache: FP8PrefillWithKVCacheKernel 128.50", output)
        with tarfile.open(self.check.root / "results" / "logs.tar.gz") as logs:
            made = logs.extractfile("./models.log").read().decode()
        self.assertRegex(made, r"chunk-cache-window12', 'weights-from': '[^']*/window21', 'window-frames': '12', "
                               r"'sink-frames': '3', 'budgets': '0.7,0.5', 'cache-retention': '0.5'")

    def test_viewers_are_tried_with_half_of_the_cache(self):
        status, output = self.check.run("sessions-cache", STARTS="aligned")
        self.assertEqual(status, 0, output)
        self.assertIn("| viewers, 30 % routed, fp8, half of the cache, aligned | 5 of 5, least CPR 1.0000, 60 s | 5 |", output)
        self.assertNotIn("== sessions-cache12", output)
        self.assertRegex(self.check.log("sessions-cache"), r"'precision': 'fp8', 'model-folder': '[^']*/chunk-cache', 'budget': '0.7'")
        self.assertRegex(self.check.log("models"), r"chunk-cache', 'weights-from': '[^']*/window21', 'window-frames': '21', .*"
                                                   r"'cache-retention': '0.5'")

    def test_an_earlier_build_runs_the_chunks_too_and_has_its_own_column(self):
        earlier = self.check.pack("earlier", commit="0ld0ld0", bench=BENCH.replace("301.0 (303.0)", "333.0 (334.0)"))
        status, output = self.check.run("--against", str(earlier), "chunk-fp8", "text")
        self.assertEqual(status, 0, output)
        self.assertIn("| what | ours | earlier, 0ld0ld0 | mark | bound |", output)
        self.assertIn("| chunk, 30 % routed, fp8 | 301.0 (303.0) ms | 333.0 (334.0) ms | <= 180 ms | 182 |", output)
        self.assertIn("| UMT5-XXL, 512 tokens | 10.30 ms |  | <= 20 ms | 6 |", output)  # parts of chunks alone are compared

    def test_an_earlier_build_that_fails_is_named_and_ours_stays(self):
        earlier = self.check.pack("earlier", commit="0ld0ld0", bench="#!/bin/sh\nexit 1\n")
        status, output = self.check.run("--against", str(earlier), "chunk-fp8")
        self.assertEqual(status, 1)
        self.assertIn("failed: chunk-fp8 (earlier build)\n", output)
        self.assertIn("| chunk, 30 % routed, fp8 | 301.0 (303.0) ms |  | <= 180 ms | 182 |", output)

    def test_a_fleet_needs_the_program_of_envoy_and_only_runs_when_it_is_named(self):
        status, output = self.check.run("fleet", ENVOY="/nowhere/envoy")
        self.assertEqual(status, 1)
        self.assertIn("fleet: ENVOY is '/nowhere/envoy'; it must name Envoy's program", output)
        _, output = self.check.run("text")
        self.assertNotIn("Envoy", output)

    def test_the_servers_of_a_fleet_are_rows_of_the_table(self):
        folder = self.check.root / "figures"
        folder.mkdir()
        (folder / "fleet.json").write_text(json.dumps({"context": {}, "rows": [
            {"gpus": 2, "viewers": 6, "finished": 6, "failed": 0, "least_cpr": 0.9876, "seconds": 60.0, "sessions": {"gpu-2": 3, "gpu-3": 3},
             "flat_out_chunks_per_second": 9.5}]}))
        done = subprocess.run([sys.executable, SOURCE / "tools" / "gpu_check_table.py", folder], capture_output=True, text=True, check=True)
        self.assertIn("| viewers, 30 % routed, fp8, one Envoy, GPUs: 2 | 6 of 6, least CPR 0.9876, 60 s; sessions of the servers 3, 3; "
                      "flat out 9.50 chunks/s | 6 |  |", done.stdout)

    def test_reliability_is_measured_only_when_it_is_named_with_a_model_whose_budgets_give_way(self):
        _, output = self.check.run("text")
        self.assertNotIn("reliability", output)
        status, output = self.check.run("reliability", ROWS="start")
        self.assertEqual(status, 1)  # the stub of the server is none
        self.assertIn("failed: reliability\n", output)
        self.assertIn("| property | wanted | measured | |", output)
        self.assertRegex(self.check.log("reliability"), r"unrecognized option '--model-folder=[^']*/reliability'")
        self.assertRegex(self.check.log("models"), r"reliability', 'weights-from': '[^']*/window21', 'window-frames': '21', 'budgets': '0.7,0.5'")

    def test_fleets_that_fit_run_beside_each_other(self):
        program = (f"import sys; sys.path.insert(0, {str(SOURCE / 'tools' / 'deploy')!r}); sys.dont_write_bytecode = True; "
                   "from fleet_phases import phases; print(*(phases(gpus) for gpus in (1, 2, 3, 4, 8)))")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), "[[[0]]] [[[0]], [[0, 1]]] [[[0]], [[0, 1]]] [[[0], [2, 3]], [[0, 1, 2, 3]]] "
                         "[[[0], [2, 3], [4, 5, 6, 7]], [[0, 1, 2, 3, 4, 5, 6, 7]]]")

    def test_a_teacher_in_host_memory_is_measured_only_when_it_is_named(self):
        _, output = self.check.run("training")
        self.assertNotIn("14B", output)
        status, output = self.check.run("training-14b")
        self.assertEqual(status, 0, output)
        self.assertIn("| videodiffcr, a step, teacher of 14B in host memory | 5.100 s, peak 30.0 GiB: rollout", output)
        with tarfile.open(self.check.root / "results" / "logs.tar.gz") as logs:
            self.assertRegex(logs.extractfile("./models.log").read().decode(), r"teacher-14b', 'preset': 'wan2.1-t2v-14b'}")
            self.assertRegex(logs.extractfile("./training-14b.log").read().decode(),
                             r"--teacher \S*/teacher-14b --fake-score \S*/window21 .*--teacher-blocks host")

    def test_the_memory_looked_at_is_that_of_the_gpu_that_trains(self):
        _, output = self.check.run("training-routers", CUDA_VISIBLE_DEVICES="1")
        self.assertIn("| routers, a chunk trained, real shape, one clip | 0.512 s, peak 40.0 GiB |", output)

    def test_frame_wise_models_are_made_for_a_part_alone(self):
        status, output = self.check.run("chunk-few-frame-wise-2-step")
        self.assertEqual(status, 0, output)

    def test_a_part_that_fails_is_named_and_the_others_go_on(self):
        status, output = self.check.run(STUB_FAILS="chunk-fp8")
        self.assertEqual(status, 1)
        self.assertIn("failed: chunk-fp8\n", output)
        self.assertIn("out of memory", output)
        self.assertIn("missing: chunk, dense, fp8; chunk, 30 % routed, fp8\n", output)

    def test_a_part_that_hangs_is_cut_keeps_what_it_had_and_leaves_nothing_running(self):
        # Of 14 s the hanging part gets 8 at most; the next would need 10 for half of its work.
        status, output = self.check.run("sessions", TIME_LIMIT_SECONDS="14", SESSION_SECONDS="2", STUB_HANGS="sessions-fp8")
        self.assertEqual(status, 1)
        self.assertIn("cut after", output)
        self.assertIn("| viewers, 30 % routed, fp8, aligned | 3 of 3", output)
        self.assertIn("| viewers, 30 % routed, fp8, staggered | not run |", output)
        self.assertIn("sessions-bf16: left out", output)
        deadline = time.monotonic() + 30  # what was killed may take a moment to be gone
        while self.programs_left() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(self.programs_left(), [])

    def programs_left(self):
        """Programs of ours that run still."""
        programs = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                programs.append(os.readlink(process / "exe"))
            except OSError:  # it has ended, or is another user's
                pass
        return [program for program in programs if program.startswith(str(self.check.root))]

    def test_any_command_may_use_the_packed_programs(self):
        done = subprocess.run(["bash", self.check.packed / "gpu_check.sh", "exec", self.check.packed, "videodiffcr-parity"],
                              capture_output=True, text=True, check=False, cwd=self.check.root,
                              env={**os.environ, "PYTHONPATH": str(self.check.root / "python")})
        self.assertEqual((done.returncode, done.stdout), (0, "total: 70 outputs, 70 passed, 0 failed\n"), done.stderr)

    def test_an_unknown_part_is_refused(self):
        status, output = self.check.run("chunks")
        self.assertEqual(status, 2)
        self.assertIn("no part 'chunks'", output)

    def test_the_cells_that_the_table_reads_are_written_by_the_bench(self):
        source = "".join(path.read_text() for path in (SOURCE / "bench").glob("*.cc"))
        for name in ("sessions", "budget", "chunk", "session MiB", "frames/s", "starts", "CPR", "denoise p50 of the second quarter",
                     "denoise p50 of the last quarter", "decoder", "path", "decode p50", "tokens", "encode p50", "machine",
                     "seconds", "first chunk, ms", "first chunk, slowest, ms", "first frame, ms",
                     "first chunk behind its first frame, ms", "sessions x queries x keys", "ours bf16, cut tiles",
                     "ours fp8, cut tiles", *(f"first chunk of the {request} request, ms" for request in ("first", "second", "third", "fourth")),
                     "kernel", "ms per chunk",
                     "nothing running", "chunk, traced"):
            self.assertIn(f'"{name}"', source)


if __name__ == "__main__":
    unittest.main()
