"""Hostile ways to write an address: refused before anything is resolved, without repeating secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugclab.errors import IntakeError
from ugclab.net.addresses import AllowedHosts
from ugclab.net.urls import clean_name, file_name, follow, read_url

NOBODY = AllowedHosts()
NAS = AllowedHosts.parse(["nas.example", "store.example:9000", "localhost:8000"])

HOSTILE = {
    "decimal": "https://2130706433/x",
    "hex": "https://0x7f000001/x",
    "hex parts": "https://0x7f.0.0.0x1/x",
    "octal": "https://0177.0.0.1/x",
    "octal whole": "https://017700000001/x",
    "short": "https://127.1/x",
    "zero": "https://0/x",
    "trailing dot": "https://127.0.0.1./x",
    "mapped": "https://[::ffff:127.0.0.1]/x",
    "mapped hex": "https://[::ffff:7f00:1]/x",
    "loopback 6": "https://[::1]/x",
    "zone": "https://[fe80::1%25eth0]/x",
    "nat64": "https://[64:ff9b::a9fe:a9fe]/x",
    "6to4": "https://[2002:7f00:1::]/x",
    "metadata": "https://169.254.169.254/latest/meta-data/",
    "circled digits": "https://①②⑦.⓪.⓪.①/x",
    "full width": "https://１２７.０.０.１/x",
    "ideographic dot": "https://127。0。0。1/x",
    "cyrillic": "https://ехample.com/x",
    "localhost": "https://LOCALHOST/x",
    "localhost dot": "https://a.localhost./x",
    "userinfo": "https://files.example@127.0.0.1/x",
    "password": "https://user:hunter2@files.example/x",
    "port is password": "https://user:hunter2/x@files.example",
    "backslash": "https://files.example\\@127.0.0.1/x",
    "percent": "https://%31%32%37.0.0.1/x",
    "tab": "https://files.ex\tample/x",
    "newline": "https://files.example/\r\nHost: 127.0.0.1",
    "null": "https://files.example\0.evil.example/x",
    "soft hyphen": "https://local\u00adhost/x",
    "space": "https://files.example 127.0.0.1/x",
    "ssh port": "https://files.example:22/x",
    "other port": "https://files.example:8443/x",
    "port zero": "https://files.example:0/x",
    "port huge": "https://files.example:99999999/x",
    "port arabic": "https://files.example:٤٤٣/x",
    "plain http": "http://files.example/x",
    "ftp": "ftp://files.example/x",
    "file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:6379/_FLUSHALL",
    "no host": "https:///x",
    "one slash": "https:/files.example/x",
    "no slashes": "https:files.example/x",
    "protocol-relative": "//files.example/x",
    "empty": "",
    "bracket": "https://[::1/x",
    "bracket tail": "https://[2606:4700::1]evil.example/x",
    "ipv future": "https://[v1.fe80]/x",
    "dots": "https://files..example/x",
    "long": "https://files.example/" + "a" * 9000,
}


@pytest.mark.parametrize("url", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_forms_are_refused(url: str) -> None:
    with pytest.raises(IntakeError) as caught:
        read_url(url, NOBODY)
    assert caught.value.hint
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_password_in_an_address_is_said_to_be_one() -> None:
    for name in ("userinfo", "password"):
        with pytest.raises(IntakeError, match="user name or password"):
            read_url(HOSTILE[name], NOBODY)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://Files.Example", "files.example", 443, "/"),
        ("HTTPS://files.example.:443/a?b#c", "files.example", 443, "/a?b"),
        (" https://files.example/a b/ü?q=ä&s=%2F+ ", "files.example", 443, "/a%20b/%C3%BC?q=%C3%A4&s=%2F+"),
        ("https://files.example:80/", "files.example", 80, "/"),
        ("https://93.184.216.34/x", "93.184.216.34", 443, "/x"),
        ("https://[2606:4700:0::1]/x", "2606:4700::1", 443, "/x"),
        ("https://xn--bcher-kva.example/x", "xn--bcher-kva.example", 443, "/x"),
        ("https://my_bucket.s3.example/x", "my_bucket.s3.example", 443, "/x"),
        ("http://nas.example/x", "nas.example", 80, "/x"),
        ("http://store.example:9000/x", "store.example", 9000, "/x"),
        ("http://localhost:8000/x", "localhost", 8000, "/x"),
    ],
)
def test_honest_forms_have_one_meaning(url: str, host: str, port: int, path: str) -> None:
    target = read_url(url, NAS)
    assert (target.host, target.port, target.path) == (host, port, path)


def test_a_presigned_address_is_sent_as_it_was_signed_and_never_shown() -> None:
    signed = "/b/k%20%2B.mp4?X-Amz-Credential=A%2F20261121&X-Amz-Signature=0abc&x-id=GetObject"
    target = read_url("https://s3.example" + signed, NOBODY)
    assert target.path == signed
    assert "Amz" not in repr(target) + str(target)


@given(st.text(max_size=60))
def test_whatever_follows_the_scheme_is_read_or_refused(text: str) -> None:
    try:
        target = read_url("https://" + text, NOBODY)
    except IntakeError:
        return
    assert target.host.isascii()
    assert target.path.isascii()
    assert target.path.isprintable()
    assert read_url(target.url, NOBODY) == target


def test_redirects_are_read_as_addresses() -> None:
    start = read_url("https://files.example/a/b?c", NOBODY)
    assert follow(start, "../d", NOBODY).path == "/d"
    assert follow(start, "//cdn.example/x?y=1", NOBODY).url == "https://cdn.example/x?y=1"
    for place in (
        "http://nas.example/",
        "//127.0.0.1/",
        "file:///etc/passwd",
        "\\\\127.0.0.1",
        "http:a",
        "//[",
        "//u@x/",
    ):
        with pytest.raises(IntakeError, match=r"files\.example redirects"):
            follow(start, place, NAS)
    assert follow(read_url("http://nas.example/", NAS), "http://store.example:9000/x", NAS).port == 9000


@pytest.mark.parametrize(
    ("header", "path", "name"),
    [
        ('attachment; filename="clip one.mp4"', "/x", "clip one.mp4"),
        ("attachment; filename*=UTF-8''m%C3%BCde.mov", "/x", "müde.mov"),
        ('attachment; filename="../../etc/passwd"', "/x", "passwd"),
        ('attachment; filename="C:\\\\a\\\\b.mp4"', "/x", "b.mp4"),
        ('attachment; filename=".bashrc"', "/x", "bashrc"),
        ("attachment; filename*=NONSENSE''%ff", "/a/clip.mp4", "ÿ"),
        ("", "/a/b%20c.mp4?X-Amz-Signature=1", "b c.mp4"),
        ("", "/a%2F..%2Fb.mp4", "b.mp4"),
        ("", "/", "download"),
        ("", "/..", "download"),
    ],
)  # fmt: skip
def test_names_are_harmless(header: str, path: str, name: str) -> None:
    target = read_url("https://files.example" + path, NOBODY)
    assert file_name(target, {"content-disposition": header}) == name


def test_names_are_cleaned() -> None:
    assert clean_name("a\u202egpj.exe\x1b[2J\0") == "agpj.exe[2J"
    assert clean_name("x" * 300 + ".mp4") == "x" * 116 + ".mp4"
    assert clean_name("ü" * 300 + ".mp4") == "ü" * 58 + ".mp4"
    assert clean_name("x." + "y" * 300) == "x." + "y" * 118
    assert clean_name("<script>.mp4") == "_script_.mp4"
