"""Values that break things: of every type, size and encoding, with what databases, pages and shells take ill."""

from hypothesis import strategies as st

from .wire import Text

IN_ADDRESSES, IN_FORMS = [256, 1_000], [1_000, 10_000, 80_000]  # characters of a long value

NASTY: list[Text] = [
    "", " ", "\t", "\x00", "a\x00b", "\x01\x02\x1b[31m", "\r\nSet-Cookie: a=b", "\n\n", "\u2028\u2029", "\ufeff",
    "\u200b\u202e", "\ud800", "\udfff\ud800", "\ufffd", "\U0010ffff", "e\u0301", "İıſK", "ﬃ", "１２", "٣", "½",
    "🐘👩‍👩‍👧", b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"%00", b"%", b"%zz", "0", "-1", "-0",
    "+1", "1.0", "1e3", "1e400", "-1e400", "1_000", "0x10", "1" * 20, "1" * 400, "1" * 5_000, ".", "1,5", str(2**31),
    str(-(2**31) - 1), str(2**63), str(2**64), "NaN", "nan", "Infinity", "-inf", "true", "null", "None", "2026-02-30",
    "0001-01-01", "0000-00-00", "9999-12-31", "10000-01-01", "2026-03-01T12:00:00+99:99", "yesterday", "' OR 1=1 --",
    "'; DROP TABLE users; --", '"', "\\", "%", "_", "%%s", "$1", ":id", "?", "{}", "{0}", "%(a)s", "%s%n",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</script>", "&lt;&#0;&#xd800;",
    "{{ settings.SECRET_KEY }}", "{% load x %}", "javascript:alert(1)", "=cmd|' /C calc'!A0", "../../../etc/passwd",
    "..", ".", "//evil.example", "/\\evil.example", "https://evil.example/", "file:///etc/passwd", "[]", "[1,2",
    '{"a": {"b": []}}', "[" * 500, "a" * 36, "a" * 37, "a" * 255, "a" * 256, "a@b.c", "a@" + "b" * 250 + ".c",
    "A@EXAMPLE.COM", "a@b.c\x00", "é@é.example", '"a b"@example.com', "a@[127.0.0.1]",
    "00000000-0000-0000-0000-000000000000", "00000000-0000-7000-8000-000000000001", "-id", "--id", "id,name",
    "created", "*",
]  # fmt: skip

UNKNOWN = [
    "x",
    "_",
    "__proto__",
    "constructor",
    "csrfmiddlewaretoken",
    "id",
    "is_staff",
    "version",
    "created_at",
    "[]",
    "a[b]",
    "",
    "\x00",
]


# What makes a value worse that was good.
SIGNS: list[Text] = [
    "\x00", "\x01", "\x1b", "\x7f", "\x85", "\n", "\r\n", "\t", "\u2028", "\u202e", "\ufffd", "\ud800", b"\xff", "'",
    "%", "\u0300" * 60, " " * 300, "9" * 20, "e99", "-",
]  # fmt: skip


def joined(value: Text, sign: Text) -> bytes:
    return b"".join(one if isinstance(one, bytes) else one.encode("utf-8", "surrogatepass") for one in (value, sign))


def values(known: list[str], lengths: list[int]) -> st.SearchStrategy[Text]:
    """For a parameter or a field. `known` is what the project takes itself, somewhere."""
    return st.one_of(
        st.sampled_from(NASTY),
        st.sampled_from(known),
        st.text(max_size=12),
        st.binary(min_size=1, max_size=6),
        st.integers().map(str),
        st.floats().map(repr),
        st.datetimes().map(str),
        st.builds(
            lambda sign, length: sign * length, st.sampled_from(["a", "é", "🐘", "%", "1"]), st.sampled_from(lengths)
        ),
    )


# As h11 lets them through: no control characters, and no spaces around.
header_values = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60).map(
        lambda text: text.strip().encode("latin-1")
    ),
    st.sampled_from(
        [
            b"*", b"*/*", b"gzip;q=2", b"gzip, br", b"identity;q=0", b"text/html;q=x", b"xx-yy-zz", b"en;q=9" * 50,
            b"W/\"a\"", b'"', b"0", b"bytes=0-", b"bytes=5-1", b"bytes=-1,-2", b"Thu, 01 Jan 1970 00:00:00 GMT",
            b"Thu, 99 Foo 9999 99:99:99 GMT", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
            b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00", b"ff-x", b"a=b; c", b"=;=;=",
            b"qulab-session=" + b"a" * 43, b"qulab-learner=e30:1:x", b"csrftoken=\xff", b"%F0%9F",
            b"http://localhost/lab/5?x=\xe9", b"application/json", b"multipart/form-data",
            b"text/plain; charset=\xff", b"application/x-www-form-urlencoded; charset=utf-16",
            b"application/x-www-form-urlencoded; charset=no-such", b"multipart/form-data; boundary=" + b"x" * 300,
            b"a" * 3_000,
        ]
    ),
)  # fmt: skip

HEADERS = [
    "Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Cookie", "Host", "HX-Boosted", "HX-Current-URL",
    "HX-Request", "HX-Target", "If-Modified-Since", "If-None-Match", "Origin", "Range", "Referer", "Traceparent",
    "X-CSRFToken", "X-Forwarded-For", "X-Forwarded-Proto", "X-HTTP-Method-Override", "X-Requested-With",
]  # fmt: skip

METHODS = ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"]

_PART = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
MULTIPART = b"multipart/form-data; boundary=b"
# A body that is no form of this project, with what it says it is.
bodies = st.one_of(
    st.tuples(st.just(MULTIPART), st.binary(max_size=60).map(lambda data: _PART % (b"name", b"", data) + b"--b--\r\n")),
    st.tuples(st.just(MULTIPART), st.binary(max_size=60).map(lambda name: _PART % (name, b"", b"x"))),
    st.just((MULTIPART, _PART % (b"name", b'; filename="a.txt"', b"x") + b"--b--\r\n")),
    st.just((MULTIPART, _PART % (b"name", b'; filename="../\x00', b"x" * 70_000))),
    st.just((MULTIPART + b"\xff", b"--b--\r\n")),
    st.tuples(st.sampled_from([b"application/json", b"", b"text/plain; charset=utf-16"]), st.binary(max_size=200)),
    st.just((b"application/json", b"[" * 10_000)),
    st.just((b"application/x-www-form-urlencoded", b"a=1&" * 300)),
    st.just((b"application/x-www-form-urlencoded", b"&&==;;%%=&=" * 20)),
    st.just((b"application/x-www-form-urlencoded; charset=utf-16", "name=a".encode("utf-16"))),
)
