"""What a writer is about to commit is noted before the COMMIT, and what became of it after: no end stays a guess.

Only processes are killed, never the machine: what was written to a file is there.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec


class Written(msgspec.Struct, frozen=True):
    """One event, as its writer knows it. `number` counts within its aggregate, from 1."""

    id: str
    type: str
    aggregate: str
    number: int
    poison: bool = False


class Intended(msgspec.Struct, frozen=True, tag="intended"):
    """A transaction is about to be committed."""

    transaction: int
    events: list[Written]


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The end of a transaction. `acknowledged`: by its COMMIT; otherwise it was looked up in the table."""

    transaction: int
    stored: bool
    acknowledged: bool


Note = Intended | Ended
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Note] = msgspec.json.Decoder(Note)


class Notes:
    """The append-only file of one writer."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._open: dict[int, Intended] = {}
        self._last = 0
        self.stored = 0  # events
        for note in read_notes(file):
            self._keep(note)

    @property
    def unresolved(self) -> list[Intended]:
        """Transactions whose end is not known."""
        return list(self._open.values())

    def intend(self, events: list[Written]) -> int:
        self._add(Intended(self._last + 1, events))
        return self._last

    def end(self, transaction: int, *, stored: bool, acknowledged: bool = False) -> None:
        self._add(Ended(transaction, stored, acknowledged))

    def close(self) -> None:
        os.close(self._descriptor)

    def _add(self, note: Note) -> None:
        # The newline comes first: it ends what a predecessor may have left half written.
        os.write(self._descriptor, b"\n" + _encoder.encode(note))
        self._keep(note)

    def _keep(self, note: Note) -> None:
        if isinstance(note, Intended):
            self._open[note.transaction] = note
            self._last = note.transaction
        elif intended := self._open.pop(note.transaction, None):
            self.stored += len(intended.events) if note.stored else 0


def read_notes(file: Path) -> Iterator[Note]:
    for line in file.read_bytes().split(b"\n"):
        try:
            yield _decoder.decode(line)
        except msgspec.DecodeError:
            continue  # empty, or the last words of a writer that was killed


class Progress:
    """How many events a writer has stored, read on from where the last look ended."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self._sizes: dict[int, int] = {}
        self.stored = 0

    def look(self) -> int:
        if self._file.exists():
            with self._file.open("rb") as notes:
                notes.seek(self._offset)
                data = notes.read()
            *_, last = lines = data.split(b"\n")
            read = [self._read(line) for line in lines]
            self._offset += len(data) - (0 if read[-1] else len(last))  # one half written is read again
        return self.stored

    def _read(self, line: bytes) -> bool:
        try:
            note = _decoder.decode(line)
        except msgspec.DecodeError:
            return False
        if isinstance(note, Intended):
            self._sizes[note.transaction] = len(note.events)
        elif note.stored:
            self.stored += self._sizes.get(note.transaction, 0)
        return True
