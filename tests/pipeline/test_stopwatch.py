"""The stopwatch counts what it says, also under threads, errors and recursion."""

import threading
import time

import pytest

from pipeline.stopwatch import Stopwatch


class Worker:
    def __init__(self, name: str = "a") -> None:
        self.name = name

    def work(self, depth: int = 0) -> int:
        if depth < 0:
            raise ValueError("negative")
        time.sleep(0.002)
        return self.work(depth - 1) + 1 if depth else 0


def test_calls_are_counted_per_key_and_the_result_passes_through():
    with Stopwatch(Worker, "work", key=lambda worker: worker.name) as watch:
        assert Worker("a").work(3) == 3
        Worker("b").work()
        Worker("b").work()
    assert watch.calls == {"a": 1, "b": 2}
    assert watch.total_ms["a"] >= 4 * 2 and watch.total_ms["b"] >= 2 * 2  # sleep never returns early


def test_the_class_is_as_before_also_after_an_error():
    original = Worker.work
    with Stopwatch(Worker, "work") as watch, pytest.raises(ValueError, match="negative"):
        Worker().work(-1)
    assert watch.calls == {"work": 1}
    assert Worker.work is original


def test_threads_do_not_hide_each_other():
    with Stopwatch(Worker, "work") as watch:
        threads = [threading.Thread(target=Worker().work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert watch.calls == {"work": 8}


def test_only_calls_within_another_watch_count():
    class Outer:
        def run(self) -> None:
            Worker("inner").work()

    with Stopwatch(Outer, "run") as outer, Stopwatch(Worker, "work", key=lambda w: w.name, within=outer) as inner:
        Worker("alone").work()
        Outer().run()
    assert inner.calls == {"inner": 1}
    assert inner.total_ms["inner"] <= outer.total_ms["run"]


def test_waiting_is_no_processor_time():
    with Stopwatch(Worker, "work") as watch:
        Worker().work(24)
    assert watch.total_ms["work"] >= 25 * 2
    # 25 naps of 2 ms against the calls around them, 50 us each; a busy machine makes the naps longer, not the calls.
    assert 0 < watch.cpu_ms["work"] < watch.total_ms["work"] / 2
