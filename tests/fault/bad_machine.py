"""A machine that misbehaves for one process: its disk is full or stalls, its clock is set.

Needs no rights: bad_machine.cc is compiled when it is first wanted, and loaded in front of the C library.
"""

import errno
import mmap
import os
import pathlib
import shutil
import struct
import subprocess

from support.processes import temporary_folder
from support.runner import Skipped, shared

HERE = pathlib.Path(__file__).resolve().parent
COMPILERS = ("clang++-19", "clang++", "g++", "c++")


@shared
def library():
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise Skipped("no C++ compiler")
    made = temporary_folder() / "bad_machine.so"
    subprocess.run([compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared",
                    HERE / "bad_machine.cc", "-o", made], check=True)
    return made


class BadMachine:
    """What writes under `folder` meet, and what the clock shows, in processes that are started with `env`."""

    def __init__(self, folder):
        control = temporary_folder() / "control"
        control.write_bytes(bytes(4096))
        with open(control, "r+b") as file:
            self._control = mmap.mmap(file.fileno(), 4096)
        self.env = {"LD_PRELOAD": str(library()), "BAD_MACHINE_CONTROL": str(control),
                    "BAD_MACHINE_FOLDER": os.path.realpath(folder)}

    def _set(self, form, at, value):
        struct.pack_into(form, self._control, at, value)

    def fill_disk(self):
        self._set("@I", 0, errno.ENOSPC)

    def empty_disk(self):
        self._set("@I", 0, 0)

    def stall_disk(self):
        self._set("@I", 4, 1)

    def release_disk(self):
        self._set("@I", 4, 0)

    def set_clock(self, seconds_ahead):
        self._set("@q", 8, seconds_ahead * 10**9)
        self._set("@I", 16, struct.unpack_from("@I", self._control, 16)[0] + 1)

    def waiting(self):
        """How many writes wait for the disk."""
        return struct.unpack_from("@I", self._control, 20)[0]

    def refused(self):
        """How many writes were refused."""
        return struct.unpack_from("@I", self._control, 24)[0]
