from pathlib import Path

from tests.chaos.notes import Ended, Notes, Progress, Written, read_notes

EVENTS = [Written("1", "Chaos0", "0", 1), Written("2", "Chaos0", "0", 2)]


class TestNotes:
    def test_count_what_was_stored(self, tmp_path: Path) -> None:
        notes = Notes(tmp_path / "notes")

        notes.end(notes.intend(EVENTS), stored=True, acknowledged=True)
        notes.end(notes.intend(EVENTS), stored=False)

        assert notes.stored == 2
        assert notes.unresolved == []

    def test_of_a_writer_that_was_killed_tell_its_successor_what_to_look_up(self, tmp_path: Path) -> None:
        Notes(tmp_path / "notes").intend(EVENTS)

        successor = Notes(tmp_path / "notes")

        assert [intended.events for intended in successor.unresolved] == [EVENTS]
        assert successor.intend(EVENTS) == 2

    def test_last_words_are_left_out(self, tmp_path: Path) -> None:
        file = tmp_path / "notes"
        notes = Notes(file)
        notes.end(notes.intend(EVENTS), stored=True)
        with file.open("ab") as half:
            half.write(b'\n{"type":"inten')

        notes.end(notes.intend(EVENTS), stored=True)

        assert Notes(file).stored == 4
        assert sum(isinstance(note, Ended) for note in read_notes(file)) == 2


class TestProgress:
    def test_reads_on_from_where_it_was(self, tmp_path: Path) -> None:
        notes, progress = Notes(tmp_path / "notes"), Progress(tmp_path / "notes")
        assert progress.look() == 0

        notes.end(notes.intend(EVENTS), stored=True)
        assert progress.look() == 2

        transaction = notes.intend(EVENTS)
        assert progress.look() == 2

        notes.end(transaction, stored=True)
        assert progress.look() == 4

    def test_reads_a_line_when_it_is_whole(self, tmp_path: Path) -> None:
        file = tmp_path / "notes"
        notes, progress = Notes(file), Progress(file)
        notes.end(notes.intend(EVENTS), stored=True)
        whole = file.read_bytes()
        file.write_bytes(whole[:-3])
        assert progress.look() == 0

        file.write_bytes(whole)

        assert progress.look() == 2
