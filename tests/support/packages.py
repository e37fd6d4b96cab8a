"""Packages of other languages that a suite needs: kept in build/, never installed into the system."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
ATTEMPTS = 4


def _fresh(folder, source):
    """Whether `folder` was filled from exactly this list, and the stamp that says so."""
    stamp = folder / "stamp"
    digest = hashlib.sha256(source.read_bytes() + sys.version.encode()).hexdigest()
    return stamp.exists() and stamp.read_text() == digest, stamp, digest


def _retry(command, cwd=None):
    """A registry may fail for a moment."""
    for attempt in range(ATTEMPTS):
        if subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(3 * attempt)
    raise RuntimeError(f"failed {ATTEMPTS} times: {' '.join(map(str, command))}")


def run_in_venv(name, requirements):
    """Goes on in a virtual environment with these packages: the script starts anew in it, once."""
    folder = BUILD / "venv" / name
    if pathlib.Path(sys.prefix) == folder:
        return
    fresh, stamp, digest = _fresh(folder, requirements)
    if not fresh:
        shutil.rmtree(folder, ignore_errors=True)
        _retry([sys.executable, "-m", "venv", folder])
        _retry([folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements])
        stamp.write_text(digest)
    python = folder / "bin" / "python"
    os.execv(python, [python, *sys.argv])


def node_folder(name, package):
    """A folder with the node_modules of this package.json."""
    folder = BUILD / "node" / name
    fresh, stamp, digest = _fresh(folder, package)
    if not fresh:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(package, folder / "package.json")
        _retry(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts",
                "--loglevel=error"], cwd=folder)
        stamp.write_text(digest)
    return folder


def java_classes(name, project):
    """The class path of the dependencies of this pom.xml."""
    folder = BUILD / "java" / name
    fresh, stamp, digest = _fresh(folder, project)
    classes = folder / "classes.txt"
    if not fresh:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _retry(["mvn", "-q", "-B", "-ntp", "-f", project, f"-Dmaven.repo.local={BUILD / 'java' / 'repository'}",
                "dependency:build-classpath", f"-Dmdep.outputFile={classes}"])
        stamp.write_text(digest)
    return classes.read_text().strip()
