"""Weights are fetched, verified and found again by the backbone that asked for them."""

from __future__ import annotations

import hashlib
import os

import pytest
import requests
from click.testing import CliRunner

from benchmark import registry, weights
from benchmark.cli import main
from benchmark.errors import BenchmarkError, UnknownNameError
from models.deepgaze.backbones.download import downloaded
from tests.benchmark.datasets import test_download as downloads

serve = downloads.serve
CONTENT = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of weights, which does not exist yet."""
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def publish(serve, monkeypatch):
    """``publish(content, **behaviour)``: a server with the weights of the backbone "net"."""

    def start(content=CONTENT, sha256=DIGEST[:8], **behaviour):
        server = serve(content, **behaviour)
        metadata = {"name": "net", "summary": "a net", "url": server.url, "sha256": sha256}
        entries = {"net": registry.Entry("net", "nowhere", "Net", metadata)}
        monkeypatch.setattr(registry, "backbones", lambda: entries)
        return server

    return start


def download(**options):
    return weights.download("net", progress=False, **{"pause": 0, **options})


def test_fetches_and_leaves_nothing_else(publish, folder):
    server = publish()
    file = download()
    assert file == folder / "data.zip"
    assert file.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [file]
    assert downloaded(server.url, "net") == file  # where the backbone looks


def test_what_is_there_and_intact_is_not_fetched_again(publish):
    server = publish()
    assert download() == download()
    assert server.answered == [200]
    download(force=True)
    assert server.answered == [200, 200]


def test_what_is_there_and_damaged_is_told(publish, folder, truncate):
    publish()
    truncate(download())
    with pytest.raises(BenchmarkError, match=f"does not start with {DIGEST[:8]}. Replace it with"):
        download()
    assert download(force=True).read_bytes() == CONTENT


def test_goes_on_where_it_stopped(publish, folder):
    server = publish(cut=[200_000])
    with pytest.raises(BenchmarkError, match="Gave up after 1 attempts") as caught:
        download(attempts=1)
    assert f"put it here as {folder / 'data.zip'}" in str(caught.value)
    assert not (folder / "data.zip").exists()
    assert download().read_bytes() == CONTENT
    assert server.answered == [200, 206]


def test_other_weights_are_refused_and_deleted(publish, folder):
    publish(sha256="0123abcd")
    with pytest.raises(BenchmarkError, match=f"has the SHA-256 {DIGEST}, expected 0123abcd"):
        download()
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable(publish, folder):
    publish()
    folder.mkdir(mode=0o500)
    with pytest.raises(BenchmarkError, match="choose another one with BENCHMARK_WEIGHTS"):
        download()


def test_a_folder_that_is_a_file(publish, folder):
    publish()
    folder.touch()
    with pytest.raises(BenchmarkError, match="choose another folder with BENCHMARK_WEIGHTS"):
        download()


def test_what_cannot_be_downloaded():
    with pytest.raises(BenchmarkError, match="'vgg19' install with a package"):
        weights.download("vgg19")
    message = r"'alexnet-caffe' cannot be .*: copy http.*bvlc_alexnet.caffemodel to .*weights \("
    with pytest.raises(BenchmarkError, match=message):
        weights.download("alexnet-caffe")
    with pytest.raises(UnknownNameError, match="Did you mean 'vgg19'"):
        weights.download("vgg-19")


def test_addresses_and_hashes_are_complete():
    found = {
        name: entry.metadata
        for name, entry in registry.backbones().items()
        if entry.metadata.get("url")
    }
    assert set(found) == {"alexnet", "vgg19-torchvision"}
    for metadata in found.values():
        assert metadata["url"].startswith("https://")
        assert len(metadata["sha256"]) >= 8


def test_the_command(publish, folder, tmp_path):
    publish()
    done = CliRunner().invoke(main, ["download", "net"])
    assert done.exit_code == 0
    assert f"Ready: {folder / 'data.zip'}\n" in done.output  # the progress bar is there, too
    refused = CliRunner().invoke(main, ["download", "net", "--data-root", str(tmp_path)])
    assert refused.exit_code == 1
    assert "leave out --data-root" in refused.output


def test_without_a_connection(monkeypatch, folder):
    def offline(*arguments, **options):
        raise requests.ConnectionError("Network is unreachable")

    monkeypatch.setattr(requests, "get", offline)
    monkeypatch.setattr("benchmark.datasets.fetch.time.sleep", lambda seconds: None)
    done = CliRunner().invoke(main, ["download", "alexnet"])
    assert done.exit_code == 1
    assert "cannot be reached" in done.output
    assert f"put it here as {folder / 'alexnet-owt-7be5be79.pth'}" in done.output
    assert "Traceback" not in done.output
