"""Named sets: where they are looked for, and downloads from servers that are good, bad or silent."""

import gzip
import hashlib
import http.server
import socket
import threading
import time

import numpy as np
import pytest
from data_makers import idx_bytes, images, labels, write_idx_folder

from fastnet.data import DataUnavailable, download, fetch, load_data, registry
from fastnet.data.known import FILE_NAMES, KNOWN, KnownSet, RemoteFile
from fastnet.errors import DataError
from fastnet.paths import cache_dir

ARRAYS = images(), labels(), images(3, seed=1), labels(3)
CONTENT = {name: gzip.compress(idx_bytes(array), mtime=0) for name, array in zip(FILE_NAMES, ARRAYS, strict=True)}


class Server(http.server.ThreadingHTTPServer):
    """Serves what ``answers`` holds: path -> (status, headers, body)."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.requests = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        status, headers, body = self.server.answers.get(self.path, (404, {}, b"not here"))
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, no FASTNET_DATA and no proxy."""
    monkeypatch.delenv("FASTNET_DATA", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("fastnet.data.known.cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def toy(monkeypatch):
    """Defines a known set ``toy`` with these mirrors."""

    def define(*mirrors):
        files = [RemoteFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENT.items()]
        monkeypatch.setitem(KNOWN, "toy", KnownSet("toy", "Toy", "MIT", tuple(files), mirrors))

    return define


def serve(server, folder, changed=None):
    for name, data in (CONTENT | (changed or {})).items():
        server.answers[f"/{folder}/{name}"] = (200, {"Content-Length": str(len(data))}, data)
    return f"{server.url}{folder}/"


def test_download_into_the_cache_and_no_second_time(server, cache, toy, capsys):
    toy(serve(server, "good"))
    for _ in range(2):
        train, test = load_data("toy")
        np.testing.assert_array_equal(train.X, ARRAYS[0].reshape(6, -1))
        np.testing.assert_array_equal(test.y, ARRAYS[3])
        assert train.name == "toy"
        assert train.n_classes == 10
    assert len(server.requests) == 4
    assert {path.name for path in (cache / "toy").iterdir()} == set(FILE_NAMES)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    assert told[0].startswith("toy: train-images-idx3-ubyte.gz 0.0 of 0.0 MB")


def test_only_what_is_missing_is_downloaded(server, cache, toy):
    toy(serve(server, "good"))
    write_idx_folder(cache / "toy")
    (cache / "toy" / "t10k-labels-idx1-ubyte").unlink()
    load_data("toy")
    assert server.requests == ["/good/t10k-labels-idx1-ubyte.gz"]


def test_the_next_mirror_is_asked_when_one_fails(server, cache, toy):
    first = FILE_NAMES[0]
    bad = {
        "missing": None,
        "portal": b"<html>please log in</html>",
        "other": gzip.compress(b"something else"),
        "same_size": CONTENT[first][:-1] + b"\1",
        "short": CONTENT[first][:-5],
        "long": CONTENT[first] + bytes(1 << 20),
        "empty": b"",
    }
    mirrors = [serve(server, name, {first: data}) for name, data in bad.items() if data is not None]
    toy(f"{server.url}missing/", *mirrors, serve(server, "good"))
    assert len(load_data("toy")[0]) == 6
    assert len(server.requests) == 7 + 1 + 3 * 2  # the other files: 404, then the first mirror that has them


def test_redirects_stay_with_http(server, cache, toy, tmp_path):
    secret = tmp_path / "secret.gz"
    secret.write_bytes(CONTENT[FILE_NAMES[0]])
    good = serve(server, "good")
    for name in FILE_NAMES:
        server.answers[f"/moved/{name}"] = (302, {"Location": f"{good}{name}"}, b"")
        server.answers[f"/file/{name}"] = (302, {"Location": secret.as_uri()}, b"")
        server.answers[f"/ftp/{name}"] = (302, {"Location": "ftp://127.0.0.1/x"}, b"")
    toy(f"{server.url}file/", f"{server.url}ftp/")
    with pytest.raises(DataUnavailable, match=r"Redirection to url .file:.*redirected to .ftp:"):
        load_data("toy")
    toy(f"{server.url}moved/")
    assert len(load_data("toy")[0]) == 6


def test_a_connection_that_breaks_leaves_nothing(server, cache, toy):
    body = CONTENT[FILE_NAMES[0]]
    server.answers[f"/broken/{FILE_NAMES[0]}"] = (200, {"Content-Length": str(len(body))}, body[: len(body) // 2])
    toy(f"{server.url}broken/")
    with pytest.raises(DataUnavailable, match=r"127\.0\.0\.1"):
        load_data("toy")
    assert not cache.exists()


def test_a_silent_server_is_given_up(cache, toy, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        toy(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        start = time.monotonic()
        with pytest.raises(DataUnavailable, match="no data for"):
            load_data("toy")
        assert time.monotonic() - start < 5


def test_name_resolution_that_hangs_is_given_up(cache, toy, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    release = threading.Event()

    def hang(*args, **kwargs):
        release.wait(20)
        raise OSError("gone")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    toy("http://mirror.invalid/")
    with pytest.raises(DataUnavailable, match="no data for"):
        load_data("toy")
    release.set()


def test_patience_is_below_ten_seconds():
    assert download.PATIENCE < 10


def test_the_error_says_where_to_put_which_files(cache, toy, monkeypatch, tmp_path):
    toy()
    with pytest.raises(DataUnavailable) as caught:
        load_data("toy")
    told = str(caught.value)
    assert "\n" not in told
    for part in ("toy is not on this machine", "train-images-idx3-ubyte,", str(cache / "toy"), "$FASTNET_DATA/toy"):
        assert part in told
    monkeypatch.setenv("FASTNET_DATA", str(tmp_path / "mine"))
    with pytest.raises(DataUnavailable, match=r"mine.toy or .*cache.toy"):
        load_data("toy")


def test_fastnet_data_comes_before_the_cache(server, cache, toy, monkeypatch, tmp_path):
    toy(serve(server, "good"))
    monkeypatch.setenv("FASTNET_DATA", str(tmp_path / "mine"))
    assert fetch("toy") == cache / "toy"  # not there: downloaded
    arrays = write_idx_folder(tmp_path / "mine" / "toy", n_test=5)
    assert fetch("toy") == tmp_path / "mine" / "toy"
    _, test = load_data("toy")
    assert len(test) == len(arrays[3]) == 5
    (tmp_path / "mine" / "toy" / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match=r"mine.toy: expected t10k-images-idx3-ubyte .plain or .gz., which is missing"):
        load_data("toy")


def test_a_label_beyond_the_ten_classes_of_a_named_set(cache, toy):
    write_idx_folder(cache / "toy")
    (cache / "toy" / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([0, 1, 10, 2, 3, 4], np.uint8)))
    toy()
    with pytest.raises(DataError, match="labels from 0 to 9, one for each of 10 classes, got 10 in row 2"):
        load_data("toy")


def test_two_at_once(server, cache, toy):
    toy(serve(server, "good"))
    results = []
    threads = [threading.Thread(target=lambda: results.append(len(load_data("toy")[0]))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [6] * 6
    assert {path.name for path in (cache / "toy").iterdir()} == set(FILE_NAMES)


def test_a_cache_that_cannot_be_written(server, cache, toy):
    toy(serve(server, "good"))
    cache.write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: cannot be written: "):
        load_data("toy")


def test_fetch_knows_its_names():
    for name in ("glyphs", "nothing"):
        with pytest.raises(DataError, match=f"one of mnist, fashion-mnist, kmnist, got '{name}'"):
            fetch(name)


def test_the_registry_is_complete():
    names = [known.name for known in registry()]
    assert names == ["mnist", "fashion-mnist", "kmnist", "glyphs"]
    for known in registry()[:-1]:
        assert [file.name for file in known.files] == list(FILE_NAMES)
        assert len({file.sha256 for file in known.files}) == 4
        assert all(len(bytes.fromhex(file.sha256)) == 32 for file in known.files)
        assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in known.mirrors)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x/cache"}, "/x/cache/fastnet"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/fastnet"),
        ("linux", {}, "/home/me/.cache/fastnet"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "/home/me/Library/Caches/fastnet"),
        ("win32", {"LOCALAPPDATA": "/x/local"}, "/x/local/fastnet"),
        ("win32", {}, "/home/me/AppData/Local/fastnet"),
    ],
)
def test_cache_dir(monkeypatch, platform, environment, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("os.path.expanduser", lambda path: path.replace("~", "/home/me"))
    assert cache_dir().as_posix() == expected
