"""Directories for the data that a worker writes, a new one for each run.

Nothing is deleted before the last measurement. For some time, ext4 does not reuse the inodes of
deleted files, and it checks all these inodes each time it creates a file. Writing 4096 chunks takes
0.4 s. If 4096 other chunks were deleted shortly before, writing takes 2 s with every package.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

NAME = "scratch"


class Scratch:
    """The directories in which one peer writes.

    Parameters
    ----------
    folder : str
        Parent directory, shared by all peers.
    name : str
        Prefix of the directory names of this peer.
    """

    def __init__(self, folder: str, name: str) -> None:
        self._parent = Path(folder)
        self._name = name
        self.folder = Path()

    def renew(self) -> Path:
        """Return a new directory; truncate all files in the previous one to free their space."""
        if self.folder != Path():
            for path, _, names in os.walk(self.folder):
                for name in names:
                    os.truncate(os.path.join(path, name), 0)
        self._parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self._name}-", dir=self._parent))
        return self.folder


def clear(folder: Path) -> None:
    """Delete all written data, after the last measurement."""
    shutil.rmtree(folder / NAME, ignore_errors=True)
