"""Tests of tools/setup.sh's way with packages, on made-up systems: programs of these names come first on the path."""
import os
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"], "tools", "setup.sh")
TOOLS = ("bash", "sed", "grep", "dirname", "tr", "cat", "mkdir", "flock", "sleep", "tail", "env", "uname", "sh", "touch")
PACKAGES = [line.split()[1] for line in (SCRIPT.parent / "debian_packages.txt").read_text().splitlines() if line.startswith("build:")]


class System:
    """A system with `installed` packages; apt knows `known` ones, after an update if `update` is set."""

    def __init__(self, root, installed=(), known=(), bare=False, apt=True):
        self.root = pathlib.Path(root)
        self.programs = self.root / "bin"
        self.programs.mkdir()
        for tool in TOOLS:
            (self.programs / tool).symlink_to(next(p for p in (f"/bin/{tool}", f"/usr/bin/{tool}") if os.path.exists(p)))
        (self.root / "installed").write_text("\n".join([*installed, ""]))
        (self.root / "known").write_text("\n".join([*known, ""]))
        if not bare:
            (self.root / "updated").touch()
        self.program("id", "echo 0")
        if apt:
            self.program("dpkg-query", f'grep -qx -- "${{@: -1}}" {root}/installed && echo install ok installed')
            self.program("apt-cache", f'[ -e {root}/updated ] && grep -qx -- "$2" {root}/known && echo "  Candidate: 1.0" || echo "  Candidate: (none)"; '
                         'sleep 0.01; for i in {1..9}; do echo "  Version table: $i"; done')
            # Nothing is installed in truth, and what comes after is not for this test: it ends there.
            self.program("apt-get", f'if [ "$1" = update ]; then touch {root}/updated; else echo "$@" >{root}/asked; exit 100; fi')

    def program(self, name, text):
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def setup(self, *arguments, **environment):
        done = subprocess.run(["bash", SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=50,
                              env={"PATH": str(self.programs), "HOME": str(self.root), **environment})
        return done.returncode, done.stdout + done.stderr

    def asked(self):
        path = self.root / "asked"
        return path.read_text().split() if path.exists() else None


class SetupTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.names = [package.split("|")[0] for package in PACKAGES]

    def test_a_package_with_another_name_is_found_by_that(self):
        known = [name for name in self.names if name != "pkg-config"] + ["pkgconf"]
        system = System(self.root, known=known)
        system.setup()
        self.assertIn("pkgconf", system.asked())
        self.assertNotIn("pkg-config", system.asked())

    def test_a_package_that_is_there_by_another_name_is_not_asked_for(self):
        system = System(self.root, installed=["pkgconf"], known=self.names)
        system.setup()
        self.assertNotIn("pkg-config", system.asked())

    def test_a_bare_system_fetches_its_lists_before_it_judges_names(self):
        system = System(self.root, known=[*self.names, "clang-format-14"], bare=True)
        system.setup("--format")
        self.assertIn("libgrpc++-dev", system.asked())
        self.assertIn("clang-format-14", system.asked())

    def test_a_package_that_this_system_does_not_have_is_named_and_nothing_is_installed(self):
        system = System(self.root, known=[name for name in self.names if name != "pkg-config"])
        status, output = system.setup()
        self.assertEqual(status, 1)
        self.assertIn("pkg-config or pkgconf", output)
        self.assertIsNone(system.asked())

    def test_a_formatter_that_this_system_does_not_have_stops_nothing(self):
        system = System(self.root, known=self.names)
        system.setup("--format")
        self.assertIn("g++", system.asked())
        self.assertNotIn("clang-format-14", system.asked())

    def test_an_unknown_system_gets_the_list_of_what_it_needs(self):
        system = System(self.root, apt=False)
        status, output = system.setup()
        self.assertEqual(status, 1)
        for name in self.names:
            self.assertIn(name, output)

    def test_who_has_installed_all_by_hand_is_not_asked_for_packages_again(self):
        system = System(self.root, apt=False)
        _, output = system.setup(VIDEODIFFCR_PACKAGES="installed")
        self.assertNotIn("this script knows", output)


if __name__ == "__main__":
    unittest.main()
