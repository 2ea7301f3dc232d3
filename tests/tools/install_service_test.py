"""The systemd unit, its user and its flags name the places of their own installation, whatever its prefix is."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

BUILD = os.environ["VIDEODIFFCR_BUILD_DIR"]


class InstallServiceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="videodiffcr-service-", dir="/tmp")  # one of the places that units hide
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def install(self, prefix, root=None):
        """What is said. Nothing needs to be built for this part of the installation."""
        environment = {**os.environ, "DESTDIR": str(root or "")}
        done = subprocess.run(["cmake", "--install", BUILD, "--component", "service", "--prefix", prefix], cwd=self.root,
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def check(self, prefix, settings, root=pathlib.Path("/")):
        """`prefix` and `settings` as the service sees them, under `root` until then."""
        unit = (root / f".{prefix}/lib/systemd/system/videodiffcr.service").read_text()
        self.assertIn(f"\nExecStart={prefix}/bin/videodiffcr-server $VIDEODIFFCR_FLAGS\n", unit)
        self.assertIn(f"\nEnvironmentFile=-{settings}/default/videodiffcr\n", unit)
        self.assertIn(f"\nDocumentation=file://{prefix}/share/doc/videodiffcr/operating.md\n", unit)
        self.assertNotRegex(unit, "@[a-z_]+@")
        flags = (root / f".{settings}/default/videodiffcr").read_text()
        self.assertIn(f'\nVIDEODIFFCR_FLAGS="--model-folder={prefix}/share/videodiffcr/models/tiny"\n', flags)
        self.assertTrue((root / f".{prefix}/lib/sysusers.d/videodiffcr.conf").exists())

    def test_places_follow_the_prefix(self):
        for prefix, settings in (("/usr", "/etc"), ("/usr/local", "/usr/local/etc"), ("/opt/videodiffcr", "/etc/opt/videodiffcr")):
            with self.subTest(prefix=prefix):
                root = self.root / prefix.replace("/", "_")
                self.install(prefix, root)
                self.check(prefix, settings, root)

    def test_without_a_root_of_its_own_nothing_is_laid_down_but_below_the_prefix(self):
        self.install(str(self.root / "prefix"))
        self.check(f"{self.root}/prefix", f"{self.root}/prefix/etc")

    def test_a_relative_prefix_is_named_in_full(self):
        said = self.install("relative")
        prefix = re.search(r"Installing: (.*)/lib/systemd/system/videodiffcr.service", said)[1]
        self.check(prefix, f"{prefix}/etc")

    def test_the_operators_flags_stay_when_it_is_installed_again(self):
        self.install("/usr", self.root)
        flags = self.root / "etc/default/videodiffcr"
        flags.write_text("mine")
        self.assertIn(f"Keeping: {flags}", self.install("/usr", self.root))
        self.assertEqual(flags.read_text(), "mine")

    def test_a_place_that_the_unit_hides_from_the_service_is_told(self):
        self.assertIn(f"no service can start from {self.root}/prefix", self.install(str(self.root / "prefix")))


if __name__ == "__main__":
    unittest.main()
