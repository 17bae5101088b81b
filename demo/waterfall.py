"""Drawing the requests of reads: one bar per request, from its start to its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from demo.recording import Recording

COLOURS = ("C0", "C1", "C2")


def draw(recordings: Mapping[str, Recording], title: str, path: Path) -> None:
    """Draw one panel per read, with a common time axis.

    Parameters
    ----------
    recordings : mapping
        Mapping from the title of each panel to the requests of one read.
    title : str
        Title of the picture.
    path : Path
        Path of the PNG file to write.
    """
    figure, axes = plt.subplots(
        len(recordings), 1, sharex=True, figsize=(10, 3.4 * len(recordings)), squeeze=False
    )
    longest = max(recording.seconds for recording in recordings.values())
    for axis, (name, recording), colour in zip(axes[:, 0], recordings.items(), COLOURS):
        requests = sorted(recording.requests, key=lambda request: request.start)
        axis.barh(
            range(1, len(requests) + 1),
            [1000 * (request.end - request.start) for request in requests],
            left=[1000 * request.start for request in requests],
            height=0.9,
            color=colour,
        )
        axis.axvline(1000 * recording.seconds, color="0.4", linestyle="--", linewidth=1)
        axis.set_ylim(max(len(requests), 3) + 1, 0)
        axis.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, prune="both"))
        axis.set_ylabel("request")
        axis.set_title(
            f"{name}: {len(requests)} request{'s' * (len(requests) != 1)}, {recording.nbytes / 1e6:.2f} MB, "
            f"{1000 * recording.seconds:.0f} ms",
            loc="left",
        )
    axes[-1, 0].set_xlim(0, 1040 * longest)
    axes[-1, 0].set_xlabel("time since the read began [ms]; dashed: the read is done")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
