"""Progress is drawn on a terminal and nowhere else: a file or pipe that reads the errors gets no control characters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

Progress = Callable[[int, int], None]  # (done, total), in units of the work; cheap enough to call often


@contextmanager
def bar(label: str, unit: str = "", *, stream: TextIO) -> Iterator[Progress]:
    """A progress bar on `stream`, which is `sys.stderr`: a command's own `self.stderr` ends each write with a newline.

    What is given is called with (done, total). It may begin again at zero, with another total.
    """
    with tqdm(desc=label, unit=f" {unit}", file=stream, disable=None, dynamic_ncols=True) as drawn:

        def progress(done: int, total: int) -> None:
            drawn.total = total
            drawn.update(done - drawn.n)

        yield progress
