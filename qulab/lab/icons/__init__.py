"""An icon is drawn in the colour of the words beside it, and says nothing that they do not: it is hidden from readers.

The files are Lucide's, unchanged; their licence stands beside them.
"""

import re
from functools import lru_cache
from pathlib import Path

from django.utils.safestring import SafeString, mark_safe

FOLDER = Path(__file__).parent
SHAPES = re.compile(r"<(?:path|rect|circle|line|ellipse|polyline|polygon)\b[^>]*/>")


@lru_cache
def icon(name: str) -> SafeString:
    """Raises FileNotFoundError for a name that has no file."""
    shapes = SHAPES.findall((FOLDER / f"{name}.svg").read_text(encoding="utf-8"))
    drawn = f'<svg class="sign" viewBox="0 0 24 24" aria-hidden="true">{"".join(shapes)}</svg>'
    return mark_safe(drawn)  # noqa: S308 - files of our own
