"""What is left out of URLs that are shown."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr.core._redact import redact_failure, redact_url, redact_urls_in

URLS = [
    ("http://h/x", "http://h/x"),
    ("https://h:8080/x/y", "https://h:8080/x/y"),
    ("http://user:SECRET@h/x?X-Amz-Signature=SECRET", "http://***@h/x?***"),
    ("https://TOKEN@h/x", "https://***@h/x"),
    ("https://u:p@[::1]:80/x#f", "https://***@[::1]:80/x#f"),
    ("https://[::1]:80/x@1", "https://[::1]:80/x@1"),
    ("s3://key:sec/ret@bucket/a", "s3://***@bucket/a"),
    ("s3://key:sec?ret@bucket/a", "s3://***@bucket/a"),
    ("s3://key:se@cret@bucket/a", "s3://***@bucket/a"),
    ("https://h/path@2.0/x", "https://h/path@2.0/x"),
    ("https://h:80/path@2.0/x?q", "https://h:80/path@2.0/x?***"),
    ("HTTPS://u:p@h", "HTTPS://***@h"),
    (
        "abfs://container@account.dfs.core.windows.net/a?sv=1&sig=S",
        "abfs://container@account.dfs.core.windows.net/a?***",
    ),
    ("abfs://container:SECRET@account/a", "abfs://***@account/a"),
    ("simplecache::https://u:p@h/x?sig=S", "simplecache::https://***@h/x?***"),
    ("zip://a.zarr::https://u:p@h/x.zip?sig=S", "zip://a.zarr::https://***@h/x.zip?***"),
    (
        "https://u:p@h/a?s=1::simplecache::https://v:q@i/b?t=2",
        "https://***@h/a?***::simplecache::https://***@i/b?***",
    ),
    ("https://h/a?s=1::SECRET", "https://h/a?***"),
    ("https://proxy/https://u:p@h/x?sig=S", "https://proxy/https://***@h/x?***"),
    ("https://h/a?u=https://x:y@z/?s=1", "https://h/a?***"),
    ("https://h/with blank?sig=a b", "https://h/with blank?***"),
    ("file:///data/a?b@c/d", "file:///data/a?b@c/d"),
    ("zip:///data/a?b@c.zip", "zip:///data/a?b@c.zip"),
    ("memory://a?b", "memory://a?b"),
    ("/data/a?b=c@d:e", "/data/a?b=c@d:e"),
    (r"C:\data\a?b=c", r"C:\data\a?b=c"),
    ("bucket/a?versionId=3", "bucket/a?versionId=3"),
    ("://u:p@h", "://u:p@h"),
    ("1://u:p@h", "1://u:p@h"),
    ("", ""),
]


@pytest.mark.parametrize(("url", "shown"), URLS)
def test_redact_url(url: str, shown: str) -> None:
    assert redact_url(url) == shown
    assert redact_url(shown) == shown


def test_what_remains_of_a_url() -> None:
    assert redact_url("bucket/a?sig=SECRET", relative=True) == "bucket/a?***"
    assert redact_url("bucket/what?/a", relative=True) == "bucket/what?/a"
    assert redact_url("/bucket/a?b=c", relative=True) == "/bucket/a?b=c"
    assert redact_url("http://u:p@h", relative=True) == "http://***@h"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no URL: a?b=c, d@e:f", "no URL: a?b=c, d@e:f"),
        (
            "404, message='Not Found', url='https://u:p@h/x?s=1'",
            "404, message='Not Found', url='https://***@h/x?***'",
        ),
        ("url=URL('https://h/x?s=1&t=2'), tried", "url=URL('https://h/x?***'), tried"),
        ('HTTPStore("https://u:p@h/x?s=1")', 'HTTPStore("https://***@h/x?***")'),
        ('HTTPStore("https://h/x?s=a\'b c")', 'HTTPStore("https://h/x?***")'),
        (
            "<FsspecStore(HTTPFileSystem, https://u:p@h/x?s=1)>",
            "<FsspecStore(HTTPFileSystem, https://***@h/x?***)>",
        ),
        ("cannot read https://u:p@h/x?s=1.", "cannot read https://***@h/x?***."),
        (
            "a https://u:p@h/x?s=1 b ftp://v@h/y\nhttp://w:x@z",
            "a https://***@h/x?*** b ftp://***@h/y\nhttp://***@z",
        ),
        ("see http://h/a?x=1, http://h/b?x='y'", "see http://h/a?***, http://h/b?***"),
        ("at /data/x?y=1 of http://h/a and me@host", "at /data/x?y=1 of http://h/a and me@host"),
        ("file:///a?b then http://u:p@h?q", "file:///a?b then http://***@h?***"),
    ],
)
def test_redact_urls_in(text: str, shown: str) -> None:
    assert redact_urls_in(text) == shown
    assert redact_urls_in(shown) == shown


@given(st.text("ab:/?@#[]. '\"<>&=://\n", max_size=40))
def test_what_is_local_stays_and_what_is_shown_is_settled(text: str) -> None:
    if "://" not in text:
        assert redact_urls_in(text) == redact_url(text) == text
    for redact in (redact_url, redact_urls_in):
        assert redact(redact(text)) == redact(text)


@given(
    st.text("abc./", max_size=8),
    st.sampled_from(["http", "https", "s3", "abfs", "ftp"]),
    st.sampled_from(["", "u", "user"]),
)
def test_no_secret_is_shown(path: str, scheme: str, user: str) -> None:
    url = f"{scheme}://{user}:SECRET@host/{path}?sig=SECRET&x=SECRET"
    for shown in (
        redact_url(url),
        redact_url(f"simplecache::{url}"),
        redact_urls_in(f"read {url}, twice '{url}' ({url})"),
    ):
        assert "SECRET" not in shown
        assert "host" in shown


@pytest.mark.parametrize(
    "piece", ["a://", "a://b:c/", "a", "::a", "a::", "?", "a://b@", ":", "'a://", "a://b:c@/?"]
)
def test_time_is_linear_in_the_length(piece: str) -> None:
    def spent(count: int) -> float:
        text = "http://" + piece * count
        before = time.process_time()
        for redact in (redact_url, redact_urls_in):
            redact(text)
        return time.process_time() - before

    # Quadratic would be minutes.
    assert spent(200_000) < 10


def test_failures_that_are_causes_of_each_other() -> None:
    """A hidden failure that is raised where its disguise is handled has that as its context."""
    hidden, disguise = OSError("http://u:p@h?a=1"), FileNotFoundError("http://v:q@i?b=2")
    hidden.__context__, disguise.__cause__ = disguise, hidden
    for error in (hidden, disguise):
        redact_failure(error)
    assert (hidden.args, disguise.args) == (("http://***@h?***",), ("http://***@i?***",))
    both = RuntimeError("x")
    both.__cause__, both.__context__ = KeyError("http://a:b@c"), ValueError("http://d:e@f")
    redact_failure(both)
    assert both.__cause__.args == ("http://***@c",)
    assert both.__context__.args == ("http://***@f",)
