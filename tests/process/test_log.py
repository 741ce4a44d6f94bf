"""What a newcomer reads: whole lines, and whose they are."""

import io

from qulab.local.log import Log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestLog:
    def test_names_the_process_in_a_column(self) -> None:
        stream = io.StringIO()
        log = Log(stream)

        log.write("web", "one")
        log.write("worker-relay", "two")

        assert stream.getvalue() == "web          | one\nworker-relay | two\n"

    def test_colours_only_a_terminal_and_each_process_alike(self) -> None:
        stream = Terminal()
        log = Log(stream)

        for name in ("web", "beat", "web"):
            log.write(name, "line")

        first, second, third = stream.getvalue().splitlines()
        assert first == third
        assert first.startswith("\x1b[")
        assert first.split("m")[0] != second.split("m")[0]

    def test_tells_once_that_nobody_reads_any_more(self) -> None:
        told: list[str] = []
        stream = io.StringIO()
        log = Log(stream, on_closed=lambda: told.append("closed"))
        stream.close()

        log.write("web", "one")
        log.write("web", "two")

        assert told == ["closed"]
