"""Processes of an experiment: they answer, stop, tell why they failed, and never outlive who started them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from qulab.lab.experiments.processes.children import SCRIPT, ChildFailed, Kind, children
from tests.bench.conftest import children_running

ECHO = "tests.bench.echo"


class TestChildren:
    async def test_answers_in_turn_and_is_gone_after_its_block(self, tmp_path: Path) -> None:
        async with children([Kind("echo", ECHO, {"word": "a"})], tmp_path) as (echo,):
            assert len(children_running()) == 1
            assert [await echo.ask("say", times=2), await echo.ask("later", times=3)] == ["aa", "aaa"]

        assert children_running() == []

    async def test_comes_to_its_end_when_it_is_told_to_stop(self, tmp_path: Path) -> None:
        async with children([Kind("echo", ECHO, {"word": "a"})], tmp_path) as (echo,):
            for _ in range(2):  # the word is for one question
                waiting = asyncio.create_task(echo.ask("until_stopped"))
                done, _pending = await asyncio.wait([waiting], timeout=0.2)
                assert not done
                echo.stop()
                assert await waiting == "stopped"

    async def test_tells_what_one_that_failed_has_said(self, tmp_path: Path) -> None:
        with pytest.raises(ChildFailed, match=r"(?s)^echo ended with code 1 before it had answered to 'fail'.*oh no"):
            async with children([Kind("echo", ECHO, {"word": "a"})], tmp_path) as (echo,):
                await echo.ask("fail")

        assert children_running() == []

    async def test_ends_those_that_did_start_when_another_does_not(self, tmp_path: Path) -> None:
        kinds = [Kind("echo", ECHO, {"word": "a"}), Kind("nothing", "tests.bench.nothing")]

        with pytest.raises(ChildFailed, match="nothing ended with code 1"):
            async with children(kinds, tmp_path):
                pytest.fail("one of them cannot have started")

        assert children_running() == []

    async def test_is_gone_when_its_block_is_cancelled(self, tmp_path: Path) -> None:
        started = asyncio.Event()

        async def hold() -> None:
            async with children([Kind("echo", ECHO, {"word": "a"})], tmp_path) as (echo,):
                started.set()
                await echo.ask("until_stopped")

        holding = asyncio.create_task(hold())
        await started.wait()
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding

        assert children_running() == []

    def test_ends_when_its_starter_is_gone(self) -> None:
        command = [sys.executable, "-P", str(SCRIPT), ECHO]
        environment = {**os.environ, "PYTHONPATH": str(django_settings.BASE_DIR)}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment) as child:
            assert child.stdin is not None
            child.stdin.write(b'{"word": "a"}\n["until_stopped", {}]\n')
            child.stdin.close()  # as the system does for one that was killed

            try:
                assert child.wait(timeout=20) == 1
            finally:
                child.kill()
