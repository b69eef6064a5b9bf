"""Downloads against a server on this machine that can misbehave in every way that matters."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import stat
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmark.datasets import download, fetch, locate, unpack
from benchmark.errors import BenchmarkError, DataError, UnknownNameError

PATTERNS = (r"(?:.*/)?TINY/((?:STIMULI|SCANPATHS)/.+)",)


@dataclass
class Server:
    """What the server has, how it behaves, and what it was asked."""

    content: bytes
    etag: str | None = '"v1"'
    ranges: bool = True
    lengths: bool = True
    cut: list[int] = field(default_factory=list)  # bytes to send, an answer each; then all
    statuses: list[int] = field(default_factory=list)  # to answer first
    asked: list[dict[str, str]] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    url: str = ""

    def part(self, headers) -> tuple[int, int]:
        """Status and first byte of the answer to a request."""
        asked = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
        if not (self.ranges and asked) or headers.get("If-Range", self.etag) != self.etag:
            return 200, 0
        first = int(asked[1])
        return (206, first) if first < len(self.content) else (416, len(self.content))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        state: Server = self.server.state
        state.asked.append(dict(self.headers))
        if state.statuses:
            state.answered.append(state.statuses[0])
            self.send_response(state.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status, first = state.part(self.headers)
        state.answered.append(status)
        body, total = state.content[first:], len(state.content)
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        if status == 416:
            self.send_header("Content-Range", f"bytes */{total}")
        if state.etag:
            self.send_header("ETag", state.etag)
        if state.lengths:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: state.cut.pop(0)] if state.cut else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """``serve(content, **behaviour)``: a running server."""
    running = []

    def start(content: bytes, **behaviour) -> Server:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.state = Server(content, **behaviour)
        server.state.url = f"http://127.0.0.1:{server.server_port}/data.zip"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server.state

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def get(server, target, **options):
    fetch.fetch(server.url, target, **{"pause": 0, "progress": False, **options})
    return target.read_bytes()


CONTENT = bytes(range(256)) * 2000  # several chunks


# Fetching


def test_fetches_and_leaves_nothing_else(serve, tmp_path):
    server = serve(CONTENT)
    assert get(server, tmp_path / "file") == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_goes_on_where_the_connection_broke(serve, tmp_path):
    server = serve(CONTENT, cut=[200_000, 100_000])
    assert get(server, tmp_path / "file") == CONTENT
    assert server.answered == [200, 206, 206]
    first = [int(asked["Range"][6:-1]) for asked in server.asked[1:]]
    assert 0 < first[0] <= 200_000 < first[1] + 100_000
    assert server.asked[1]["If-Range"] == '"v1"'


def test_a_later_call_goes_on_with_the_part(serve, tmp_path):
    server = serve(CONTENT, cut=[200_000])
    with pytest.raises(BenchmarkError, match="Gave up after 1 attempts"):
        get(server, tmp_path / "file", attempts=1)
    kept = (tmp_path / "file.part").stat().st_size
    assert 0 < kept <= 200_000
    assert not (tmp_path / "file").exists()
    assert get(server, tmp_path / "file") == CONTENT
    assert server.asked[1]["Range"] == f"bytes={kept}-"


def test_a_server_without_ranges_starts_again(serve, tmp_path):
    server = serve(CONTENT, cut=[200_000], ranges=False)
    assert get(server, tmp_path / "file") == CONTENT
    assert server.answered == [200, 200]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_resumed(serve, tmp_path, etag):
    server = serve(CONTENT, cut=[200_000], etag=etag)
    assert get(server, tmp_path / "file") == CONTENT
    assert "Range" not in server.asked[1]


def test_a_changed_file_starts_again(serve, tmp_path):
    server = serve(CONTENT, cut=[200_000])
    with pytest.raises(BenchmarkError):
        get(server, tmp_path / "file", attempts=1)
    server.content, server.etag = CONTENT[::-1], '"v2"'
    assert get(server, tmp_path / "file") == CONTENT[::-1]
    assert server.answered == [200, 200]


def test_a_server_that_ignores_if_range_cannot_mix_versions(serve, tmp_path):
    server = serve(CONTENT, cut=[200_000])
    with pytest.raises(BenchmarkError):
        get(server, tmp_path / "file", attempts=1)
    server.content, server.etag = CONTENT[::-1], '"v2"'
    server.part = lambda headers: (
        (206, int(headers["Range"][6:-1]))
        if "Range" in headers
        else (
            200,
            0,
        )
    )
    assert get(server, tmp_path / "file") == CONTENT[::-1]
    assert server.answered == [200, 206, 200]


def test_a_part_that_is_whole_is_not_fetched_again(serve, tmp_path):
    server = serve(CONTENT, cut=[200_000])
    with pytest.raises(BenchmarkError):
        get(server, tmp_path / "file", attempts=1)
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert get(server, tmp_path / "file") == CONTENT
    assert server.answered == [200, 416]


def test_a_part_longer_than_the_file_starts_again(serve, tmp_path):
    server = serve(CONTENT, cut=[200_000])
    with pytest.raises(BenchmarkError):
        get(server, tmp_path / "file", attempts=1)
    (tmp_path / "file.part").write_bytes(CONTENT + b"more")
    assert get(server, tmp_path / "file") == CONTENT
    assert server.answered == [200, 416, 200]


def test_a_damaged_note_starts_again(serve, tmp_path):
    (tmp_path / "file.part").write_bytes(b"junk")
    (tmp_path / "file.part.json").write_text("[")
    assert get(serve(CONTENT), tmp_path / "file") == CONTENT


def test_transient_errors_are_retried_and_then_reported(serve, tmp_path):
    server = serve(CONTENT, statuses=[503, 429, 500])
    assert get(server, tmp_path / "file") == CONTENT
    server = serve(CONTENT, statuses=[503] * 9)
    with pytest.raises(fetch.FetchError, match=r"answered 503 .* Gave up after 3 attempts"):
        get(server, tmp_path / "other", attempts=3)
    assert len(server.asked) == 3


def test_pauses_double(serve, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(fetch.time, "sleep", pauses.append)
    get(serve(CONTENT, statuses=[503] * 3), tmp_path / "file", pause=0.5)
    assert pauses == [0.5, 1, 2]


def test_a_refusal_is_not_retried(serve, tmp_path):
    server = serve(CONTENT, statuses=[404, 404])
    with pytest.raises(fetch.FetchError, match="answered 404"):
        get(server, tmp_path / "file")
    assert len(server.asked) == 1


def test_a_wrong_hash_is_deleted(serve, tmp_path):
    with pytest.raises(BenchmarkError, match=r"SHA-256 \w{64}, expected 00"):
        get(serve(CONTENT), tmp_path / "file", digest="00")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lengths", [True, False])
def test_too_large_a_file_is_given_up(serve, tmp_path, lengths):
    with pytest.raises(fetch.FetchError, match=r"given up|more than"):
        get(serve(CONTENT, lengths=lengths), tmp_path / "file", max_bytes=100_000)


def test_a_disk_too_small_is_noticed_before(serve, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(BenchmarkError, match="make room"):
        get(serve(CONTENT), tmp_path / "file")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "not writable"), (errno.EIO, "error")],
)
def test_disk_errors_say_what_to_do(tmp_path, number, words):
    with (
        pytest.raises(BenchmarkError, match=f"{words}.*--data-root"),
        fetch.disk_errors(tmp_path),
    ):
        raise OSError(number, os.strerror(number))


def test_a_folder_that_is_a_file(serve, tmp_path):
    (tmp_path / "root").write_text("")
    with pytest.raises(BenchmarkError, match="cannot be written"):
        get(serve(CONTENT), tmp_path / "root" / "file")


# Unpacking


def zip_of(path, members):
    """A zip archive of (name or ZipInfo, content) pairs."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def tar_of(path, members):
    """A tar archive of (name or TarInfo, content) pairs."""
    with tarfile.open(path, "w:gz") as file:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


EVERYTHING = (r"(.+)",)
pack = pytest.mark.parametrize("pack", [zip_of, tar_of])


@pack
def test_unpacks_what_is_wanted(pack, tmp_path):
    members = [("top/keep/a.txt", b"a"), ("top/skip/b.txt", b"b"), ("__MACOSX/top/keep/a.txt", b"")]
    archive = pack(tmp_path / "archive", members)
    assert unpack.unpack(archive, tmp_path / "out", [r"top/(keep/.*)"]) == 1
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [(str(f.relative_to(tmp_path / "out")), f.read_bytes()) for f in files] == [
        ("keep/a.txt", b"a")
    ]


@pack
@pytest.mark.parametrize(
    "name", ["../out.txt", "a/../../out.txt", "/out.txt", "C:/out.txt", "..\\out.txt"]
)
def test_refuses_paths_that_lead_out(pack, tmp_path, name):
    archive = pack(tmp_path / "archive", [(name, b"evil")])
    with pytest.raises(BenchmarkError, match="leads out of its folder"):
        unpack.unpack(archive, tmp_path / "in" / "out", EVERYTHING)
    assert [path.name for path in tmp_path.rglob("*")] == ["archive"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_refuses_links_and_devices_in_a_zip(tmp_path, kind):
    info = zipfile.ZipInfo("a")
    info.external_attr = (kind | 0o777) << 16
    with pytest.raises(BenchmarkError, match="a link, a device"):
        unpack.unpack(zip_of(tmp_path / "z", [(info, b"/etc")]), tmp_path / "out", EVERYTHING)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_refuses_links_and_devices_in_a_tar(tmp_path, kind):
    info = tarfile.TarInfo("a")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(BenchmarkError, match="a link, a device"):
        unpack.unpack(tar_of(tmp_path / "t", [(info, b"")]), tmp_path / "out", EVERYTHING)
    assert not (tmp_path / "out").exists()


@pack
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a/b", "A/b"])
def test_refuses_names_that_come_twice(pack, tmp_path, second):
    archive = pack(tmp_path / "archive", [("a/b", b"1"), (second, b"2")])
    with pytest.raises(BenchmarkError, match="twice"):
        unpack.unpack(archive, tmp_path / "out", EVERYTHING)


@pack
def test_refuses_a_file_that_is_also_a_folder(pack, tmp_path):
    archive = pack(tmp_path / "archive", [("a", b"1"), ("a/b", b"2")])
    with pytest.raises(BenchmarkError, match="both a file and a folder"):
        unpack.unpack(archive, tmp_path / "out", EVERYTHING)


@pack
def test_refuses_bombs(pack, tmp_path):
    archive = pack(tmp_path / "archive", [("a", bytes(10_000_000))])
    assert archive.stat().st_size < 50_000
    with pytest.raises(BenchmarkError, match="unpacks to more than"):
        unpack.unpack(archive, tmp_path / "out", EVERYTHING)
    many = pack(tmp_path / "many", [(f"{n}", b"") for n in range(20)])
    with pytest.raises(BenchmarkError, match="more than 10 entries"):
        unpack.unpack(many, tmp_path / "out2", EVERYTHING, unpack.Limits(files=10))
    large = pack(tmp_path / "large", [(f"{n}", os.urandom(1000)) for n in range(20)])
    with pytest.raises(BenchmarkError, match="unpacks to more than"):
        unpack.unpack(large, tmp_path / "out3", EVERYTHING, unpack.Limits(bytes=10_000))


@pack
def test_reports_damage(pack, tmp_path, truncate):
    archive = pack(tmp_path / "archive", [(f"{n}", os.urandom(1000)) for n in range(20)])
    truncate(archive)
    with pytest.raises(BenchmarkError, match="is no intact zip or tar archive"):
        unpack.unpack(archive, tmp_path / "out", EVERYTHING)


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>"])
def test_a_web_page_is_no_archive(tmp_path, content):
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(BenchmarkError, match="may have sent a web page"):
        unpack.unpack(tmp_path / "archive", tmp_path / "out", EVERYTHING)


# Whole data sets


@pytest.fixture
def published(make_fixatons, serve, tmp_path, monkeypatch):
    """MIT1003 as published by the local server, with the content of TINY."""
    tiny = make_fixatons()
    files = sorted(path for path in tiny.rglob("*") if path.is_file())
    archive = zip_of(
        tmp_path / "tiny.zip",
        [(f"Top/TINY/{f.relative_to(tiny).as_posix()}", f.read_bytes()) for f in files]
        + [("Top/TINY/STIMULI/.DS_Store", b"x"), ("Top/OTHER/STIMULI/a.jpeg", b"x")],
    )
    server = serve(archive.read_bytes())
    contents = ("STIMULI", "SCANPATHS")
    source = download.Source(server.url, PATTERNS, contents, download.tree_hash(tiny, contents))
    monkeypatch.setitem(download.SOURCES, "mit1003", source)
    return server


def run(tmp_path, **options):
    return download.download("mit1003", tmp_path / "root", False, pause=0, **options)


def leftovers(tmp_path):
    return [path.name for path in (tmp_path / "root" / ".downloads").iterdir()]


def test_downloads_verifies_and_installs(published, tmp_path):
    folder = run(tmp_path)
    assert folder == tmp_path / "root" / "FixaTons" / "MIT1003"
    dataset = locate.load("mit1003", tmp_path / "root")
    assert (dataset.name, len(dataset.fixations.x)) == ("mit1003", 4)
    assert leftovers(tmp_path) == []


def test_an_intact_data_set_is_not_fetched_again(published, tmp_path):
    run(tmp_path)
    run(tmp_path)
    assert len(published.asked) == 1


def test_what_differs_is_replaced_only_on_demand(published, tmp_path):
    folder = run(tmp_path)
    extra = folder / "SCANPATHS" / "a" / "mine"
    extra.write_text("1 2 3 4\n")
    with pytest.raises(BenchmarkError, match="--force"):
        run(tmp_path)
    assert extra.exists()
    run(tmp_path, force=True)
    assert not extra.exists()
    assert leftovers(tmp_path) == []


def test_a_failed_replacement_keeps_what_was_there(published, tmp_path):
    folder = run(tmp_path)
    published.content = b"<html>"
    published.etag = '"v2"'
    with pytest.raises(BenchmarkError):
        run(tmp_path, force=True)
    assert len(locate.load("mit1003", tmp_path / "root").fixations.x) == 4
    assert folder.is_dir()


def test_other_content_is_not_installed(published, tmp_path, monkeypatch):
    source = replace(download.SOURCES["mit1003"], tree="0" * 64)
    monkeypatch.setitem(download.SOURCES, "mit1003", source)
    with pytest.raises(BenchmarkError, match=r"not the data set expected .* Nothing was installed"):
        run(tmp_path)
    assert not (tmp_path / "root" / "FixaTons").exists()
    assert leftovers(tmp_path) == []


def test_the_hash_of_the_archive_is_checked_where_known(published, tmp_path, monkeypatch):
    source = replace(download.SOURCES["mit1003"], sha256="0" * 64)
    monkeypatch.setitem(download.SOURCES, "mit1003", source)
    with pytest.raises(BenchmarkError, match="SHA-256"):
        run(tmp_path)
    assert not (tmp_path / "root" / "FixaTons").exists()


def test_a_kill_while_unpacking_leaves_no_data_set(published, tmp_path, monkeypatch):
    def kill(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unpack, "_blocks", kill)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert not (tmp_path / "root" / "FixaTons").exists()
    # A real kill leaves the scratch folder, too; the next run clears it and needs no network.
    (tmp_path / "root" / ".downloads" / "mit1003-left" / "unpacked").mkdir(parents=True)
    published.statuses = [500] * 99
    assert run(tmp_path).is_dir()
    assert leftovers(tmp_path) == []


def test_a_full_disk_while_unpacking_keeps_the_archive(published, tmp_path, monkeypatch):
    def fill(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(unpack, "_blocks", fill)
        with pytest.raises(BenchmarkError, match="the disk is full"):
            run(tmp_path)
    assert leftovers(tmp_path) == ["mit1003.archive"]
    assert not (tmp_path / "root" / "FixaTons").exists()


def test_offline_says_the_address_and_where_to_put_files(published, tmp_path, monkeypatch):
    url = "http://127.0.0.1:9/data.zip"  # the discard port: nobody listens
    source = replace(download.SOURCES["mit1003"], url=url)
    monkeypatch.setitem(download.SOURCES, "mit1003", source)
    with pytest.raises(BenchmarkError) as caught:
        run(tmp_path, attempts=2)
    text = str(caught.value)
    archive = tmp_path / "root" / ".downloads" / "mit1003.archive"
    for words in (url, str(archive), str(tmp_path / "root" / "FixaTons" / "MIT1003"), "STIMULI"):
        assert words in text
    archive.write_bytes(published.content)
    assert run(tmp_path).is_dir()


def test_a_root_that_cannot_be_written(published, tmp_path):
    (tmp_path / "root").write_text("a file")
    with pytest.raises(BenchmarkError, match="--data-root"):
        run(tmp_path)


def test_names_without_a_source(tmp_path):
    with pytest.raises(BenchmarkError, match=r"pysaliency\.get_cat2000_train\(location=ROOT\)"):
        download.download("cat2000", tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean 'osie'"):
        download.download("osi", tmp_path)


def test_every_data_set_that_is_not_built_in_can_be_got():
    from benchmark import registry
    from benchmark.datasets.base import DatasetSpec

    entries = registry.datasets().values()
    specs = [DatasetSpec(**entry.metadata) for entry in entries]
    missing = [s.name for s in specs if s.folder and "No address" in download.how_to_get(s)]
    assert missing == []
    assert set(download.SOURCES) | set(download.PYSALIENCY_CALLS) <= set(registry.datasets())


def test_patterns_fit_the_archives_of_the_authors():
    def target(name: str, member: str) -> str | None:
        fits = [re.fullmatch(p, member) for p in download.SOURCES[name].patterns]
        return next((fit[1] for fit in fits if fit), None)

    top = "predicting-human-gaze-beyond-pixels-master"
    assert target("osie", f"{top}/data/stimuli/1001.jpg") == "stimuli/1001.jpg"
    assert target("osie", f"{top}/data/eye/fixations.mat") == "fixations.mat"
    assert target("osie", f"{top}/README.md") is None
    member = "FixaTons/MIT1003/SCANPATHS/i1/ajs"
    assert target("mit1003", member) == "SCANPATHS/i1/ajs"
    assert target("siena12", member) is None
    assert target("mit1003", "FixaTons/MIT1003/FIXATION_MAPS/i1.jpeg") is None


@pytest.mark.parametrize("name", ["mit1003", "siena12", "osie"])
def test_real_data_have_the_stored_hash(data_root, name):
    try:
        folder = locate.find(name, data_root)
    except DataError:
        pytest.skip(f"needs real data: {name} below BENCHMARK_DATA")
    source = download.SOURCES[name]
    assert download.tree_hash(folder, source.contents) == source.tree
