"""One thing after the other on a thread of its own, never more than one behind."""

import threading

import pytest

from pipeline.one_ahead import OneAhead

PATIENCE_S = 10.0
"""Nothing that is to happen takes nearly as long."""
MOMENT_S = 0.1
"""What must not happen would have happened by then."""


@pytest.fixture
def ahead():
    made = OneAhead("under test")
    yield made
    made.close()


def failing(words: str):
    def call():
        raise ValueError(words)

    return call


def test_everything_runs_once_in_order_on_the_same_other_thread(ahead):
    ran, threads = [], set()
    for number in range(100):
        ahead.submit(lambda number=number: (ran.append(number), threads.add(threading.current_thread())))
    ahead.wait()
    assert ran == list(range(100))
    assert len(threads) == 1 and threading.current_thread() not in threads


def test_the_caller_goes_on_while_what_it_gave_runs(ahead):
    gate, passed = threading.Event(), []
    ahead.submit(lambda: passed.append(gate.wait(PATIENCE_S)))
    assert passed == []
    gate.set()
    ahead.wait()
    assert passed == [True]


def test_nobody_comes_two_things_ahead(ahead):
    gate, began, submitted = threading.Event(), threading.Event(), threading.Event()
    ahead.submit(lambda: gate.wait(PATIENCE_S))

    def second():
        ahead.submit(began.set)
        submitted.set()

    caller = threading.Thread(target=second, daemon=True)
    caller.start()
    assert not submitted.wait(MOMENT_S) and not began.is_set(), "the first still runs"
    gate.set()
    assert submitted.wait(PATIENCE_S) and began.wait(PATIENCE_S)
    caller.join(PATIENCE_S)


def test_waiting_lasts_until_nothing_is_left_to_run(ahead):
    gate, done = threading.Event(), threading.Event()
    ahead.submit(lambda: gate.wait(PATIENCE_S))
    waiter = threading.Thread(target=lambda: (ahead.wait(), done.set()), daemon=True)
    waiter.start()
    assert not done.wait(MOMENT_S)
    gate.set()
    assert done.wait(PATIENCE_S)
    waiter.join(PATIENCE_S)
    ahead.wait()


def test_an_error_is_raised_by_the_next_wait_and_only_once(ahead):
    ahead.submit(failing("no bodies"))
    with pytest.raises(ValueError, match="no bodies"):
        ahead.wait()
    ahead.wait()


def test_an_error_is_raised_by_the_next_submit_which_then_runs_nothing(ahead):
    ran = []
    ahead.submit(failing("no bodies"))
    with pytest.raises(ValueError, match="no bodies"):
        ahead.submit(lambda: ran.append("lost"))
    ahead.wait()
    assert ran == []
    ahead.submit(lambda: ran.append("later"))
    ahead.wait()
    assert ran == ["later"], "the thread outlives an error"


def test_a_thread_that_is_ended_from_inside_says_so_too(ahead):
    def leave():
        raise SystemExit(3)

    ahead.submit(leave)
    with pytest.raises(SystemExit):
        ahead.wait()


def test_after_closing_the_thread_does_what_it_has_and_ends():
    ahead, gate, threads = OneAhead("under test"), threading.Event(), []
    ahead.submit(lambda: (threads.append(threading.current_thread()), gate.wait(PATIENCE_S)))
    ahead.close()
    gate.set()
    ahead.wait()
    (thread,) = threads
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_closing_may_wait_for_what_runs():
    ahead, gate, ran = OneAhead("under test"), threading.Event(), []
    ahead.submit(lambda: ran.append(gate.wait(PATIENCE_S)))
    ahead.close(MOMENT_S)
    assert ran == []
    gate.set()
    ahead.close(PATIENCE_S)
    assert ran == [True]


def test_a_call_that_hangs_does_not_keep_the_process_alive(ahead):
    threads = []
    ahead.submit(lambda: threads.append(threading.current_thread()))
    ahead.wait()
    assert threads[0].daemon and threads[0].name == "under test"
