"""Fetching the official archive, from a server on loopback."""

import hashlib
import http.server
import io
import json
import os
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from morocco.archive.official import OFFICIAL_LIMITS, fetch_official
from morocco.archive.safe_zip import Limits
from morocco.errors import MoroccoError
from morocco.tasks.registry import TASKS

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "sample"
FETCH = ROOT / "scripts" / "fetch_data.py"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def official(extra=(), drop=(), prefix="combined/"):
    """A zip laid out as the official one, with what its packer left in it."""
    members = {"__MACOSX/combined/._TERRa": b"\0\5\x16\7"}
    for path in sorted(SAMPLE.rglob("*.jsonl")):
        name = str(path.relative_to(SAMPLE))
        if name not in drop:
            members[f"{prefix}{name}"] = path.read_bytes()
            members[f"__MACOSX/{prefix}{name.replace('/', '/._')}"] = b"\0\5\x16\7"
    members[f"{prefix}TERRa/test.jsonl"] = b'{"premise": "x", "hypothesis": "y", "idx": 0}\n'
    members[f"{prefix}.DS_Store"] = b"\0"
    if prefix:
        members[prefix] = b""
    members.update(extra)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.hits += 1
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/archive.zip")
            self.end_headers()
            return
        if self.path != "/archive.zip":
            self.send_error(404)
            return
        self.send_response(200)
        if server.declared is not None:
            self.send_header("Content-Length", str(server.declared))
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()

    def start(body, declared="honest"):
        server.body, server.hits = body, 0
        server.declared = len(body) if declared == "honest" else declared
        server.url = f"http://127.0.0.1:{server.server_address[1]}/archive.zip"
        return server

    yield start
    server.shutdown()
    thread.join()
    server.server_close()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def left(folder):
    return sorted(os.listdir(folder))


def test_fetches_verifies_and_unpacks_the_splits_only(serve, tmp_path):
    body = official()
    server = serve(body)
    target = tmp_path / "data" / "official"
    seen = []
    fetched = fetch_official(
        server.url, sha256(body), target, progress=lambda got, size: seen.append((got, size))
    )
    assert fetched.sha256 == sha256(body)
    assert seen[-1] == (len(body), len(body))
    files = {str(p.relative_to(target)) for p in target.rglob("*") if p.is_file()}
    assert files == {*fetched.files, "source.json"}
    for task in TASKS.values():
        assert (target / task.eval_file).read_bytes() == (SAMPLE / task.eval_file).read_bytes()
    assert fetched.files["TERRa/val.jsonl"] == sha256((SAMPLE / "TERRa/val.jsonl").read_bytes())
    assert json.loads((target / "source.json").read_text())["url"] == server.url
    assert left(tmp_path / "data") == ["official"]
    # what came from that archive is not fetched again, unless a file of it is gone
    assert fetch_official(server.url, sha256(body), target) == fetched
    assert server.hits == 1
    (target / "RCB" / "val.jsonl").unlink()
    fetch_official(server.url, sha256(body), target)
    assert server.hits == 2
    assert (target / "RCB" / "val.jsonl").is_file()


def test_without_a_hash_it_fetches_each_time_and_says_what_it_got(serve, tmp_path):
    server = serve(official())
    first = fetch_official(server.url, None, tmp_path / "t")
    server.body = official(drop=["TERRa/train.jsonl"])
    server.declared = len(server.body)
    second = fetch_official(server.url, None, tmp_path / "t")
    assert first.sha256 != second.sha256 == sha256(server.body)
    assert not (tmp_path / "t" / "TERRa" / "train.jsonl").exists()


def test_follows_redirects_and_takes_a_local_file(serve, tmp_path):
    body = official(prefix="")
    server = serve(body)
    url = server.url.replace("archive.zip", "redirect")
    assert fetch_official(url, sha256(body), tmp_path / "a").sha256 == sha256(body)
    (tmp_path / "local.zip").write_bytes(body)
    local = (tmp_path / "local.zip").as_uri()
    assert fetch_official(local, None, tmp_path / "b").sha256 == sha256(body)


def check_refused(tmp_path, url, message, *, sha=None, limits=OFFICIAL_LIMITS):
    """Refused with a message that names the address or archive; what was there stays."""
    target = tmp_path / "data" / "official"
    target.mkdir(parents=True, exist_ok=True)
    (target / "mine.txt").write_text("before")
    with pytest.raises(MoroccoError) as caught:
        fetch_official(url, sha, target, timeout_seconds=5, limits=limits)
    assert message in str(caught.value)
    assert left(target) == ["mine.txt"]
    assert left(tmp_path / "data") == ["official"]
    return str(caught.value)


def test_wrong_hash(serve, tmp_path):
    body = official()
    text = check_refused(tmp_path, serve(body).url, "SHA-256 is", sha="0" * 64)
    assert sha256(body) in text
    assert "0" * 64 in text


def test_transfer_cut_short(serve, tmp_path):
    body = official()
    server = serve(body[:5000], declared=len(body))
    check_refused(tmp_path, server.url, f"ended after 5000 of {len(body)} bytes")
    # and where the server does not say how much it will send
    server = serve(body[:5000], declared=None)
    check_refused(tmp_path, server.url, "not a zip archive, or a truncated one")


def test_no_network(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x.zip"
        text = check_refused(tmp_path, url, "cannot be reached")
    assert "data/sample" in text
    assert "file:///" in text


def test_http_error_and_a_page_instead_of_an_archive(serve, tmp_path):
    server = serve(b"<html>we have moved</html>")
    check_refused(tmp_path, server.url + "x", "HTTP 404")
    check_refused(tmp_path, server.url, "not a zip archive")


def test_more_than_the_bound(serve, tmp_path):
    body = official()
    limits = Limits(archive_bytes=10_000)
    check_refused(tmp_path, serve(body, declared=None).url, "more than 10000 bytes", limits=limits)


@pytest.mark.parametrize("url", ["ftp://x/y.zip", "combined.zip", "data:,x", "HTTP//x", ""])
def test_other_addresses(tmp_path, url):
    check_refused(tmp_path, url, "is no http, https or file address")


LINK = zipfile.ZipInfo("combined/link")
LINK.external_attr = 0o120777 << 16


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"../evil.jsonl": b"x"}, "climbing"),
        ({"/etc/evil": b"x"}, "absolute"),
        ({"combined/../../TERRa/val.jsonl": b"x"}, "climbing"),
        ({"other/TERRa/val.jsonl": b'{"idx": 0}\n'}, "TERRa/val.jsonl is there twice"),
        ({"combined/RCB/val.jsonl": b'{"idx": 0}\n{"idx"'}, "RCB/val.jsonl:2: not valid JSON"),
        ({"combined/RCB/val.jsonl": b""}, "RCB/val.jsonl: no records"),
        ({"combined/RCB/val.jsonl": b'{"idx": 1}\n' * 2}, "RCB/val.jsonl:2: idx 1 already"),
        ({"combined/PARus/test.jsonl": b" " * 4_000_000}, "a bomb"),
        ({LINK: b"/etc/passwd"}, "a link or special file"),
        ({f"n{i}": b"" for i in range(1000)}, "members, above"),
    ],
)
def test_hostile_archive(serve, tmp_path, extra, message):
    check_refused(tmp_path, serve(official(extra)).url, message)


def test_archive_without_a_task(serve, tmp_path):
    body = official(drop=["RuCoS/val.jsonl", "LiDiRus/LiDiRus.jsonl"])
    check_refused(tmp_path, serve(body).url, "lacks LiDiRus/LiDiRus.jsonl, RuCoS/val.jsonl")


# the script that `make data` runs


def script(config, target):
    return subprocess.run(
        [sys.executable, FETCH, "--config", config, "--target", target],
        capture_output=True,
        text=True,
        check=False,
    )


def test_script_says_to_record_the_hash_then_verifies_it(serve, tmp_path):
    body = official()
    server = serve(body)
    config = tmp_path / "config.yaml"
    config.write_text(f"models: nonsense\ndata:\n  root: none\n  official_url: {server.url}\n")
    done = script(config, tmp_path / "official")
    assert done.returncode == 0, done.stderr
    assert f"official_sha256: {sha256(body)}" in done.stdout
    with config.open("a") as file:
        file.write(f"  official_sha256: {sha256(body)}\n")
    done = script(config, tmp_path / "official")
    assert done.returncode == 0
    assert "Not verified" not in done.stdout
    assert server.hits == 1  # it was that very archive


def test_script_names_what_is_wrong_in_the_config(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("data:\n  root: x\n")
    done = script(config, tmp_path / "official")
    assert done.returncode == 2
    assert f"{config}:1 data.official_url" in done.stderr
    config.write_text("data:\n  official_url: http://x\n  official_sha256: abc\n")
    done = script(config, tmp_path / "official")
    assert f"{config}:3 data.official_sha256: 'abc' is no SHA-256" in done.stderr
