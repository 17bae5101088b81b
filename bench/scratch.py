"""Directories for what a worker writes, a new one for each run.

Nothing is deleted before all has been measured. For some time ext4 does not use the inode of a
deleted file again, and each time it makes a file it looks at all of those: 4096 chunks that take
0.4 s to write took 2 s after as many had been deleted, whoever wrote them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

NAME = "scratch"


class Scratch:
    """Where one peer writes.

    Parameters
    ----------
    folder : str
        The directory of all peers.
    name : str
        What directories of this one begin with.
    """

    def __init__(self, folder: str, name: str) -> None:
        self._parent = Path(folder)
        self._name = name
        self.folder = Path()

    def renew(self) -> Path:
        """Return a new directory, and give back the memory and the disk that the last one takes."""
        if self.folder != Path():
            for path, _, names in os.walk(self.folder):
                for name in names:
                    os.truncate(os.path.join(path, name), 0)
        self._parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self._name}-", dir=self._parent))
        return self.folder


def clear(folder: Path) -> None:
    """Delete what has been written, at the very end."""
    shutil.rmtree(folder / NAME, ignore_errors=True)
