"""Streams take turns; one that is left, late or broken does not hold up the others."""

import asyncio
import itertools
import threading
import time

import pytest

from charrnn.generation.interruption import pause_point
from charrnn.serve.engine import Engine, elsewhere
from charrnn.serve.limits import Limits
from charrnn.serve.problem import Problem


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


@pytest.fixture
def engine():
    engine = Engine(Limits(seconds=20.0, ahead=8, streams=3))
    yield engine
    engine.close()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


def test_the_parts_come_in_order_and_none_is_left_out(engine):
    async def main():
        work = (number if number % 3 else None for number in range(100))
        return [part async for part in engine.run(work)]

    assert run(main()) == [number for number in range(100) if number % 3]


def test_a_short_stream_ends_while_a_long_one_goes_on(engine):
    async def main():
        begun = asyncio.Event()

        async def endless():
            async for _ in engine.run(itertools.count()):
                begun.set()

        task = asyncio.ensure_future(endless())
        await begun.wait()
        parts = [part async for part in engine.run(iter([1, 2]))]
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return parts

    assert run(main()) == [1, 2]


def test_a_client_that_goes_ends_the_work(engine):
    ended = []

    def work():
        try:
            yield from itertools.count()
        finally:
            ended.append(True)

    async def main():
        stream = engine.run(work())
        assert await anext(stream) == 0
        await stream.aclose()
        await until(lambda: ended and not engine.num_streams)

    run(main())


def test_a_stream_is_not_far_ahead_of_its_client(engine):
    made = []

    def work():
        for number in itertools.count():
            made.append(number)
            time.sleep(0.001)
            yield number

    async def main():
        stream = engine.run(work())
        await anext(stream)
        await asyncio.sleep(0.3)
        before = len(made)
        await asyncio.sleep(0.1)
        assert len(made) == before <= 30
        for _ in range(100):
            await anext(stream)
        await stream.aclose()

    run(main())


@pytest.mark.parametrize("error", [Problem(400, "no"), ValueError("a bug")])
def test_an_error_is_raised_for_its_own_client_only(error, engine):
    def broken():
        yield 1
        raise error

    async def main():
        with pytest.raises(type(error)):
            [part async for part in engine.run(broken())]
        return [part async for part in engine.run(iter([1]))]

    assert run(main()) == [1]


def test_a_slow_call_does_not_hold_up_the_others(engine):
    may_end = threading.Event()

    def slow():
        yield (yield from elsewhere(lambda: may_end.wait(20)))

    async def main():
        stream = engine.run(slow())
        task = asyncio.ensure_future(anext(stream))
        await until(lambda: engine.num_streams)
        parts = [part async for part in engine.run(iter([1, 2]))]
        may_end.set()
        return parts, await task

    assert run(main()) == ([1, 2], True)


def test_a_slow_call_whose_client_has_gone_ends(engine):
    ended = threading.Event()

    def endless():
        try:
            while True:
                pause_point()
                time.sleep(0.001)
        finally:
            ended.set()

    def work():
        yield 1
        yield (yield from elsewhere(endless))

    async def main():
        stream = engine.run(work())
        await anext(stream)
        await asyncio.sleep(0.05)
        assert not ended.is_set()
        await stream.aclose()
        await until(ended.is_set)

    run(main())


def test_an_error_of_a_slow_call_is_raised_and_a_late_one_is_left():
    engine = Engine(Limits(seconds=0.2))
    may_end = threading.Event()

    def broken():
        yield (yield from elsewhere(lambda: 1 // 0))

    def late():
        yield (yield from elsewhere(lambda: may_end.wait(20)))

    async def main():
        with pytest.raises(ZeroDivisionError):
            await anext(engine.run(broken()))
        with pytest.raises(Problem, match="took more than"):
            await anext(engine.run(late()))

    run(main())
    may_end.set()
    engine.close()


def test_no_more_streams_than_the_limit(engine):
    async def main():
        streams = [engine.run(itertools.count()) for _ in range(4)]
        for stream in streams[:3]:
            await anext(stream)
        with pytest.raises(Problem) as error:
            await anext(streams[3])
        assert error.value.status == 429
        await streams[0].aclose()
        await until(lambda: engine.num_streams < 3)
        another = engine.run(iter([5]))
        assert await anext(another) == 5
        for stream in streams[1:3]:
            await stream.aclose()

    run(main())


def test_a_client_that_does_not_read_loses_its_place():
    engine = Engine(Limits(seconds=0.2, ahead=4))

    async def main():
        stream = engine.run(itertools.count())
        await anext(stream)
        await until(lambda: not engine.num_streams)
        await stream.aclose()

    run(main())
    engine.close()


def test_streams_end_when_the_engine_is_closed():
    engine = Engine(Limits())

    async def main():
        stream = engine.run(itertools.count())
        await anext(stream)
        engine.close()
        with pytest.raises(Problem) as error:
            [part async for part in stream]
        assert error.value.status == 503
        with pytest.raises(Problem):
            await anext(engine.run(iter([1])))

    run(main())


def test_a_stream_that_takes_too_long_is_ended():
    engine = Engine(Limits(seconds=0.05))

    async def main():
        with pytest.raises(Problem) as error:
            [part async for part in engine.run(None for _ in itertools.count())]
        assert error.value.status == 503
        await until(lambda: not engine.num_streams)

    run(main())
    engine.close()
