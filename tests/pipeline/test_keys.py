"""CURVE: who is on the list is served, nobody else is; the list is read again while the publisher runs."""

import itertools
import resource
import shutil
import stat
import threading

import pytest
import zmq

from engines.body import load_body
from pipeline.client import StreamTimeoutError, subscribe
from pipeline.keys import AllowedClients, KeyFileError, create, load_pair, load_public, main
from pipeline.sinks.publisher import Publisher
from tests.pipeline.synthetic_results import result

BODY = load_body()


@pytest.fixture
def keys(tmp_path):
    assert main(["new", "--dir", str(tmp_path / "keys")]) == 0
    return tmp_path / "keys"


@pytest.fixture
def publisher(keys):
    """Publishes at 50 Hz until the test ends, on an address that needs keys."""
    publisher = Publisher("tcp://0.0.0.0:0", BODY, keys=keys)
    publisher.reach = publisher.bound_address.replace("0.0.0.0", "127.0.0.1")
    stop = threading.Event()

    def play():
        for index in itertools.count():
            publisher.write(result(BODY, index))
            if stop.wait(0.02):
                return

    thread = threading.Thread(target=play)
    thread.start()
    yield publisher
    stop.set()
    thread.join()
    publisher.close()


def served(address, keys=None, timeout_s=0.7):
    with subscribe(address, keys=keys, timeout_s=timeout_s) as frames:
        try:
            return next(frames).bodies[0].track_id == 1
        except StreamTimeoutError:
            return False


def other_client(keys, folder, name):
    """A subscriber's folder with a new key, not on the publisher's list."""
    create(keys, name)
    (keys / "clients" / f"{name}.key").unlink()
    folder.mkdir()
    shutil.copy(keys / "server.key", folder)
    shutil.copy(keys / f"{name}.key", folder / "client.key")
    shutil.copy(keys / f"{name}.key_secret", folder / "client.key_secret")
    return folder


def test_only_listed_keys_are_served(publisher, keys, tmp_path):
    assert served(publisher.reach, keys, timeout_s=10)
    assert not served(publisher.reach)  # plaintext
    assert not served(publisher.reach, other_client(keys, tmp_path / "stranger", "stranger"))
    wrong_server = tmp_path / "wrong"
    create(wrong_server)
    assert not served(publisher.reach, wrong_server)
    assert served(publisher.reach, keys, timeout_s=10)


def test_the_list_is_read_again_without_a_restart(publisher, keys, tmp_path):
    late = other_client(keys, tmp_path / "late", "late")
    with subscribe(publisher.reach, keys=keys, timeout_s=10) as other, subscribe(publisher.reach, keys=late) as frames:
        assert frames.next_frame(0.5) is None
        shutil.copy(keys / "late.key", keys / "clients")
        assert served(publisher.reach, late, timeout_s=10)
        next(other)

    with subscribe(publisher.reach, keys=late, timeout_s=10) as frames, subscribe(publisher.reach, keys=keys) as other:
        next(frames)
        (keys / "clients" / "late.key").unlink()
        with pytest.raises(StreamTimeoutError):  # an open connection ends too
            for _ in range(1000):
                frames.next_frame(0.0)
                if frames.next_frame(1.0) is None:
                    raise StreamTimeoutError
        while other.next_frame(0.0):
            pass
        assert other.next_frame(10.0) is not None
        assert other.stats.restarts == 0


def test_a_broken_file_on_the_list_does_not_lock_the_others_out(publisher, keys):
    (keys / "clients" / "broken.key").write_text("\0\xff not a key")
    (keys / "clients" / "short.key").write_text('curve\n    public-key = "abc"\n')
    assert served(publisher.reach, keys, timeout_s=10)


def test_out_of_descriptors_withdraws_no_key(keys):
    allowed = AllowedClients(keys / "clients")
    listed = allowed.keys()
    assert listed == {load_public(keys, "client")}
    (keys / "clients" / "another.key").write_bytes((keys / "client.key").read_bytes())  # the folder is to be read again
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        assert allowed.keys() == listed
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert allowed.withdrawals() == 0
    shutil.rmtree(keys / "clients")
    assert allowed.keys() == set() and allowed.withdrawals() == 1


def test_secrets_are_private(keys):
    for name in ("server", "client"):
        assert stat.S_IMODE((keys / f"{name}.key_secret").stat().st_mode) == 0o600
        assert load_pair(keys, name).secret not in (keys / f"{name}.key").read_bytes()
        assert load_pair(keys, name).secret.decode() not in repr(load_pair(keys, name))
    assert load_public(keys, "client") == load_public(keys / "clients", "client")


def test_a_second_client_keeps_the_servers_key(keys):
    before = load_pair(keys, "server")
    assert main(["new", "--dir", str(keys), "--client", "laptop"]) == 0
    assert load_pair(keys, "server").secret == before.secret
    assert zmq.curve_public(load_pair(keys, "laptop").secret) == load_public(keys / "clients", "laptop")


def test_keys_are_never_overwritten(keys, capsys):
    assert main(["new", "--dir", str(keys)]) == 1
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../x", "server", "", "a/b"])
def test_client_names_that_are_no_file_names_are_refused(tmp_path, name):
    with pytest.raises(SystemExit):
        main(["new", "--dir", str(tmp_path), "--client", name])
    assert not list(tmp_path.iterdir())


def test_missing_keys_say_how_to_make_them(tmp_path):
    with pytest.raises(KeyFileError, match="bodystream keys new"):
        Publisher("tcp://127.0.0.1:0", BODY, keys=tmp_path)
