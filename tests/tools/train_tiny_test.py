"""Tests of tools/train_tiny.sh with a trainer that learns nothing: which stages run, in what pieces, and what is kept."""
import os
import pathlib
import re
import subprocess
import tempfile
import textwrap
import unittest

SOURCE = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])

# Fills the output as the trainer does (what it lacks from the model) and writes the weights of its stage. What a stage learned is
# the list of weights it started from.
TRAINER = textwrap.dedent('''\
    #!/usr/bin/env python3
    import os, pathlib, shutil, sys, time
    stage, flags = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
    sys.stdout.write(" ".join(sys.argv[1:]) + "\\n")  # at once: other stages write to the same pipe
    run, model, output = (pathlib.Path(flags[name]) for name in ("--run", "--model", "--output"))
    run.mkdir(parents=True, exist_ok=True)
    (run / "checkpoint.safetensors").write_bytes(bytes(1000))
    if run.name == "rate":  # 10 steps in 10 s while clips are made, then 20 a second
        print("\\r".join(f"denoiser: step {s} of 1000000, loss 0.5000, {r:.2f} steps/s, 9 min 9 s left"
                        for s, r in ((10, 1), (210, 10.5), (410, 13.6666), (610, 15.25))))
        print("denoiser: paused; the same command goes on")
        sys.exit(0)
    if stage == os.environ.get("STUB_PAUSES") and not (run / "paused").exists():
        (run / "paused").touch()
        print(stage + ": paused; the same command goes on")
        sys.exit(0)
    waits = pathlib.Path(str(run.parent / "waits"))
    if stage == os.environ.get("STUB_WAITS"):  # until it is killed: nobody writes to this pipe
        os.mkfifo(waits)
        print(stage + ": waits", flush=True)
        open(waits).read()
    if stage == os.environ.get("STUB_FAILS"):
        while "STUB_WAITS" in os.environ and not waits.exists():
            time.sleep(0.01)
        sys.exit(1)
    output.mkdir(exist_ok=True)
    for file in model.iterdir():
        if file.suffix != ".md" and not (output / file.name).exists():
            shutil.copy(file, output)
    writes = {"autoencoder": ["autoencoder"], "classifier": ["classifier"], "denoiser": ["transformer", "text_encoder"],
              "distill": ["transformer"], "routers": ["routers"], "wording": ["text_encoder"]}
    for name in writes[stage]:
        (output / (name + ".safetensors")).write_text(stage + " of " + str(run.name))
    print(stage + ": done; the result is in " + str(output))
    ''')


class TrainTinyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.trainer = self.root / "videodiffcr-train"
        self.trainer.write_text(TRAINER)
        self.trainer.chmod(0o755)

    def train(self, out, *arguments, **environment):
        """Exit status and output, errors included."""
        done = subprocess.run(
            ["bash", SOURCE / "tools" / "train_tiny.sh", self.root / out, *arguments], text=True, check=False, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "VIDEODIFFCR_TRAIN": str(self.trainer), **environment})
        return done.returncode, done.stdout

    def stages(self, out):
        return sorted(path.stem for path in (self.root / out / "runs").glob("*.done"))

    def weights(self, out, folder):
        """What was written over the shipped weights of a model folder, by file."""
        written = {}
        for path in (self.root / out / folder).glob("*.safetensors"):
            if path.stat().st_size < 1000:
                written[path.stem] = path.read_text()
        return written

    def check_the_end_of_new(self, out, output):
        self.assertEqual(self.stages(out), ["autoencoder", "classifier", "decoder", "denoiser", "distill", "distill_routed",
                                            "routers", "routers_again", "wording"])
        self.assertEqual(self.weights(out, "routed"),
                         {"autoencoder": "autoencoder of decoder", "classifier": "classifier of classifier",
                          "transformer": "distill of distill_routed", "routers": "routers of routers_again",
                          "text_encoder": "wording of wording"})
        self.assertEqual(self.weights(out, "teacher")["transformer"], "denoiser of denoiser")
        self.assertIn("--teacher", output)

    def test_from_nothing_to_the_end_every_stage_runs_once(self):
        status, output = self.train("out", "cpu", "new")
        self.assertEqual(status, 0, output)
        self.check_the_end_of_new("out", output)
        again, output = self.train("out", "cpu", "new")
        self.assertEqual((again, "distill" in output), (0, False), output)

    def test_a_cpu_stops_within_a_stage_and_the_next_call_goes_on(self):
        status, output = self.train("out", "cpu", STUB_PAUSES="denoiser")
        self.assertEqual(status, 3, output)
        self.assertEqual(self.stages("out"), ["autoencoder"])
        status, output = self.train("out", "cpu", STUB_PAUSES="denoiser")
        self.assertEqual(status, 0, output)
        self.assertNotIn("--finish-at-limit", output)

    def test_a_gpu_ends_each_stage_at_its_limit_over_all_pieces(self):
        status, output = self.train("out", "cuda", PIECE_SECONDS="500", STUB_PAUSES="denoiser")
        self.assertEqual(status, 3, output)
        autoencoder, denoiser = re.findall(r"--max-seconds (\d+)(.*)", output)
        self.assertEqual(autoencoder, ("240", " --finish-at-limit yes"))
        spent = int(denoiser[0])
        self.assertTrue(470 <= spent <= 485 and "--finish" not in denoiser[1], output)
        status, output = self.train("out", "cuda", PIECE_SECONDS="500", STUB_PAUSES="denoiser")
        self.assertEqual(status, 0, output)
        self.assertIn(f"--max-seconds {800 - spent} --finish-at-limit yes", output)
        self.check_the_end_of_new("out", output)

    def test_a_gpu_begins_no_stage_at_the_very_end_of_a_piece(self):
        status, output = self.train("out", "cuda", PIECE_SECONDS="70")
        self.assertEqual((status, self.stages("out")), (3, []), output)

    def test_on_a_gpu_stages_run_beside_each_other_to_the_same_end(self):
        status, output = self.train("out", "cuda", "new")
        self.assertEqual(status, 0, output)
        self.check_the_end_of_new("out", output)

    def test_a_stage_that_fails_beside_another_ends_the_script_and_a_further_call_goes_on(self):
        status, output = self.train("out", "cuda", "new", STUB_FAILS="classifier")
        self.assertEqual(status, 1, output)
        self.assertEqual(self.stages("out"), ["autoencoder", "denoiser", "distill"])
        status, output = self.train("out", "cuda", "new")
        self.assertEqual(status, 0, output)
        self.check_the_end_of_new("out", output)

    def test_nothing_is_left_running_beside_a_stage_that_fails(self):
        status, output = self.train("out", "cuda", "new", STUB_FAILS="distill", STUB_WAITS="classifier")
        self.assertEqual(status, 1, output)
        self.assertIn("classifier: waits", output)
        self.assertNotIn("classifier: done", output)

    def test_a_bare_machine_goes_on_from_what_was_kept(self):
        kept = str(self.root / "kept")
        status, output = self.train("first", "cuda", "new", KEEP=kept, STUB_FAILS="routers")
        self.assertEqual(status, 1, output)
        self.assertEqual(self.stages("first"), ["autoencoder", "classifier", "denoiser", "distill"])
        archives = {path.name: path.stat().st_size for path in pathlib.Path(kept).iterdir()}
        self.assertEqual(sorted(archives), ["runs.tar", "teacher.tar", "tiny.tar"])
        self.assertLess(max(archives.values()), 100_000, "no shipped weights and no checkpoint in them")

        status, output = self.train("second", "cuda", "new", RESTORE=kept)
        self.assertEqual(status, 0, output)
        self.assertNotIn("--steps 4000", output)
        for folder in ("tiny", "teacher"):
            names = sorted(path.name for path in (self.root / "second" / folder).iterdir())
            self.assertEqual(names, sorted(path.name for path in (SOURCE / "models" / "tiny").iterdir() if path.suffix != ".md"))
        self.assertEqual(self.weights("second", "teacher"),
                         {"autoencoder": "autoencoder of autoencoder", "classifier": "classifier of classifier",
                          "transformer": "denoiser of denoiser", "text_encoder": "denoiser of denoiser"})
        self.assertEqual(self.weights("second", "routed")["transformer"], "distill of distill_routed")

    def test_a_stage_that_fails_ends_the_script_and_is_not_done(self):
        status, _ = self.train("out", "cpu", STUB_FAILS="denoiser")
        self.assertEqual(status, 1)
        self.assertEqual(self.stages("out"), ["autoencoder"])

    def test_more_goes_on_from_what_new_has_made(self):
        status, output = self.train("out", "cuda", "more")
        self.assertEqual(status, 2)
        self.assertIn('out has no finished "new"', output)
        kept = str(self.root / "kept")
        self.assertEqual(self.train("out", "cuda", "new", KEEP=kept)[0], 0)
        for out in ("out", "elsewhere"):
            status, output = self.train(out, "cuda", "more", RESTORE=kept, PIECE_SECONDS="570", STUB_PAUSES="denoiser")
            self.assertEqual(status, 3, output)
            status, output = self.train(out, "cuda", "more", RESTORE=kept)
            self.assertEqual(status, 0, output)
            self.assertEqual(self.weights(out, "teacher")["transformer"], "denoiser of denoiser_more")
            self.assertEqual(self.weights(out, "routed"),
                             {"autoencoder": "autoencoder of decoder", "classifier": "classifier of classifier",
                              "transformer": "distill of distill_more", "routers": "routers of routers_more",
                              "text_encoder": "wording of wording"})

    def test_the_way_the_shipped_weights_were_made_runs_too(self):
        status, output = self.train("out", "cuda", "continue")
        self.assertEqual(status, 0, output)
        self.assertEqual(self.weights("out", "teacher")["transformer"], "denoiser of denoiser")
        self.assertEqual(self.weights("out", "routed"), {"autoencoder": "autoencoder of decoder",
                                                         "transformer": "distill of distill", "routers": "routers of routers"})

    def test_with_several_gpus_all_share_the_batches_for_as_many_steps_as_their_rate_allows(self):
        status, output = self.train("out", "cuda", "long", GPUS="4", DENOISER_SECONDS="120 220", PIECE_SECONDS="3000")
        self.assertEqual(status, 0, output)
        self.assertEqual(self.stages("out"), ["denoiser_first", "denoiser_second", "distill", "distill_routed", "routers",
                                              "routers_again", "wording"])
        calls = {re.search(r"runs/(\w+)", line)[1]: line for line in output.splitlines() if "/runs/" in line}
        self.assertNotIn("--gpus", calls.pop("wording"), "which runs beside distillation, on the last GPU")
        for call in calls.values():
            self.assertIn("--gpus 4", call)
        self.assertRegex(calls["denoiser_first"], "--steps 1960 --batch 256 --max-seconds 120 --finish-at-limit yes")
        self.assertRegex(calls["denoiser_second"], "--steps 3920 --batch 256 --max-seconds 220 --finish-at-limit yes")
        for name in ("denoiser_first", "denoiser_second", "distill", "distill_routed"):
            self.assertIn("--unknown-words 0.15", calls[name])
        self.assertEqual(self.weights("out", "teacher")["transformer"], "denoiser of denoiser_second")
        self.assertEqual(self.weights("out", "routed"),
                         {"transformer": "distill of distill_routed", "routers": "routers of routers_again",
                          "text_encoder": "wording of wording"})
        self.assertEqual(os.listdir(self.root / "out" / "runs").count("rate"), 0, "its checkpoint is of no use")

    def test_long_training_goes_on_elsewhere_and_measures_its_rate_once(self):
        kept = str(self.root / "kept")
        status, output = self.train("first", "cuda", "long", GPUS="2", KEEP=kept, STUB_FAILS="distill")
        self.assertEqual(status, 1, output)
        self.trainer.write_text(TRAINER.replace('if run.name == "rate":', 'assert run.name != "rate"\nif False:'))
        status, output = self.train("second", "cuda", "long", GPUS="2", RESTORE=kept)
        self.assertEqual(status, 0, output)
        self.assertNotIn("denoiser --model", output)
        self.assertEqual(self.weights("second", "routed")["transformer"], "distill of distill_routed")

    def test_long_training_can_be_tried_on_a_cpu(self):
        status, output = self.train("out", "cpu", "long")
        self.assertEqual(status, 0, output)
        self.assertNotIn("--gpus", output)

    def test_further_training_of_the_shipped_weights_goes_on_elsewhere(self):
        kept = str(self.root / "kept")
        status, output = self.train("out", "cuda", "continue", KEEP=kept, STUB_PAUSES="distill")
        self.assertEqual(status, 3, output)
        status, output = self.train("elsewhere", "cuda", "continue", RESTORE=kept)
        self.assertEqual(status, 0, output)
        self.assertNotIn("denoiser --model", output)
        self.assertEqual(self.weights("elsewhere", "teacher")["transformer"], "denoiser of denoiser")
        self.assertEqual(self.weights("elsewhere", "routed"), {"autoencoder": "autoencoder of decoder",
                                                               "transformer": "distill of distill", "routers": "routers of routers"})


if __name__ == "__main__":
    unittest.main()
