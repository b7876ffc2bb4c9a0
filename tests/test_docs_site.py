"""The documentation as a site: it builds without a warning, its links lead somewhere, and it needs no network."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer

import graycell
from graycell.cli import app

pytest.importorskip("mkdocs", reason="part of the extra 'docs'")
ROOT = Path(__file__).parent.parent


class Page(HTMLParser):
    """What a page has and points to."""

    def __init__(self, text: str):
        super().__init__()
        self.anchors, self.links, self.parts = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        of = dict(attrs)
        self.anchors |= {of[name] for name in ("id", "name") if of.get(name)}
        if tag == "a" and of.get("href"):
            self.links.append(of["href"])
        if tag in ("script", "img", "link") and of.get("rel") != "canonical":
            self.parts += [of[name] for name in ("src", "href") if of.get(name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the pages of the site by their path; that of a page not found, whose links need a host, is left out."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)], cwd=ROOT,
                          capture_output=True, text=True, check=False, timeout=600,
                          env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html") if path.name != "404.html"}


def test_every_link_leads_to_a_page_and_a_place_on_it(site):
    checked = 0
    for path, page in site.items():
        for link in (*page.links, *page.parts):
            to = urlsplit(link)
            if not to.scheme:
                target = (path.parent / unquote(to.path)).resolve() if to.path else path
                assert target.exists(), f"{path.name}: {link}"
                if to.fragment and target in site:
                    assert unquote(to.fragment) in site[target].anchors, f"{path.name}: {link}"
                checked += 1
    assert checked > 5000


def test_nothing_comes_from_another_host(site):
    outside = [f"{path.name}: {part}" for path, page in site.items() for part in page.parts if urlsplit(part).netloc]
    assert outside == []


def test_every_public_name_and_every_command_has_its_place(site):
    anchors = set().union(*(page.anchors for page in site.values()))
    described = {anchor.rpartition(".")[2] for anchor in anchors if anchor.startswith("graycell.")}
    assert [name for name in graycell.__all__ if name not in described] == []
    [commands] = [page for path, page in site.items() if path.name == "commands.html"]
    names = [name for name, one in typer.main.get_command(app).commands.items() if not one.hidden]
    assert [name for name in names if f"graycell-{name}" not in commands.anchors] == []
