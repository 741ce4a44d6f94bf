"""A word means one thing on all pages; what it means here is said here, and its address never changes."""

from qulab.lab.glossary import database, events, memory, readings, testing
from qulab.lab.glossary.word import Word

__all__ = ["Word", "glossary"]


def glossary() -> list[Word]:
    """In the order of the alphabet."""
    words = [*database.words(), *memory.words(), *events.words(), *readings.words(), *testing.words()]
    return sorted(words, key=lambda word: word.name.lower())
