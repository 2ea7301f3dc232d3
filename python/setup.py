"""Makes the stubs of the proto file while the package is built: they are nowhere committed.

Needs protoc and grpc_python_plugin (Debian: protobuf-compiler, protobuf-compiler-grpc), or the package grpcio-tools.
"""
import importlib.util
import pathlib
import shutil
import subprocess
import sys

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
PROTO = "videodiffcr/v1/video_generation.proto"


def proto_folder():
    for folder in (HERE / "proto", HERE.parent / "proto"):
        if (folder / PROTO).exists():
            return folder
    sys.exit(f"{PROTO} is neither in {HERE / 'proto'} nor in {HERE.parent / 'proto'}")


def compiler():
    plugin = shutil.which("grpc_python_plugin")
    if shutil.which("protoc") and plugin:
        return ["protoc", f"--plugin=protoc-gen-grpc_python={plugin}"]
    if importlib.util.find_spec("grpc_tools"):
        return [sys.executable, "-m", "grpc_tools.protoc"]
    sys.exit("neither protoc with grpc_python_plugin nor grpcio-tools is installed: the stubs cannot be made")


class BuildWithStubs(build_py):
    def run(self):
        super().run()
        target = pathlib.Path(self.build_lib)
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run([*compiler(), f"--proto_path={proto_folder()}", f"--python_out={target}",
                        f"--grpc_python_out={target}", PROTO], check=True)


setup(cmdclass={"build_py": BuildWithStubs})
