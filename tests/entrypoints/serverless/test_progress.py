"""Progress comes in order, not too often, and never after the answer."""

import asyncio
from typing import Any

import pytest

from ugclab.entrypoints.serverless.progress import Teller
from ugclab.schema.job import JobProgress


def at(percent: float) -> JobProgress:
    return JobProgress(percent=percent, stage="swap", plan="0-1:swap")


class Platform:
    """Takes posts, one at a time: it fails where two are under way."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.news = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.busy = False

    async def __call__(self, document: dict[str, Any]) -> None:
        assert not self.busy
        self.busy = True
        self.news.set()
        await self.open.wait()
        self.busy = False
        self.posts.append(document)


def test_the_latest_is_told_and_what_came_between_is_not() -> None:
    async def scene() -> list[dict[str, Any]]:
        platform = Platform()
        platform.open.clear()
        async with Teller(platform, every_s=0) as teller:
            for percent in range(5):
                teller.note(at(percent))
            await platform.news.wait()
            for percent in range(5, 50):
                await asyncio.to_thread(teller.note, at(percent))
            platform.news.clear()
            platform.open.set()
            await platform.news.wait()
        return platform.posts

    posts = asyncio.run(scene())
    assert [post["percent"] for post in posts] == [4, 49]
    assert [post["number"] for post in posts] == [1, 2]
    assert "plan" not in posts[0]


def test_a_post_under_way_arrives_before_the_end_and_none_comes_after() -> None:
    async def scene() -> tuple[int, int]:
        platform = Platform()
        platform.open.clear()
        async with Teller(platform, every_s=0) as teller:
            teller.note(at(1))
            await platform.news.wait()
            teller.note(at(2))
            asyncio.get_running_loop().call_later(0.05, platform.open.set)
        told = len(platform.posts)
        teller.note(at(3))
        await asyncio.sleep(0.05)
        return told, len(platform.posts)

    assert asyncio.run(scene()) == (1, 1)


def test_posts_are_rare() -> None:
    async def scene() -> int:
        platform = Platform()
        async with Teller(platform, every_s=60) as teller:
            for percent in range(20):
                teller.note(at(percent))
                await asyncio.sleep(0.005)
        return len(platform.posts)

    assert asyncio.run(scene()) == 1


def test_a_platform_that_hangs_or_fails_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> int:
        calls = 0

        async def send(document: dict[str, Any]) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise OSError("it is gone")
            await asyncio.Event().wait()

        async with Teller(send, every_s=0, patience_s=0.05) as teller:
            teller.note(at(1))
            while calls < 1:
                await asyncio.sleep(0)
            teller.note(at(2))
            while calls < 2:
                await asyncio.sleep(0)
        return calls

    assert asyncio.run(scene()) == 2
    assert "OSError" in caplog.text
    assert "TimeoutError" in caplog.text
