"""Find the encoding and the delimiter of a text file, and recognise words for a missing value.

No character is replaced silently. A file is read as UTF-8 (or UTF-16) only if all its bytes are valid. Otherwise it is
read in the encoding that the user named, or as Windows-1252, with a note, if that is plausible. A file that mixes
encodings, or that is in another alphabet, is refused.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenor.errors import ConfigError, UnusableError

_CHUNK = 1 << 20
_OPENING = 1 << 16
# the longer byte order marks first: that of UTF-32 begins with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = ",;\t|"
_SAMPLE = 20
# text in which every second byte is NUL is UTF-16 without a byte order mark; other files with NUL are not text
_MOSTLY = 0.7
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")

MISSING_WORDS = (
    *("", "null", "nan", "na", "n/a", "#n/a", "#na", "n.a.", "none", "nil", "nat", "<na>"),
    *("-", "--", "---", "–", "—", ".", "?", "#value!", "#ref!", "#div/0!"),
)
"""Words that mean that a value is missing, in lower case and without surrounding spaces."""

# Western European text has at most one or two adjacent letters beyond ASCII. Chinese, Korean, Cyrillic, Greek and other
# texts have whole words of them. Quotes, dashes and the euro sign are not letters, and may be adjacent in any text
_MARKS_BESIDE = bytes([0x80, 0x82, 0x84, 0x85, *range(0x91, 0x98), 0xA0, 0xAB, 0xBB])
_LETTER_RUN = re.compile(rb"[\x80-\xff]{3,}")
_HIGH = bytes(range(0x80, 0x100))
_ASCII = bytes(range(0x80))
_FEW_LETTERS, _RUN_SHARE = 5, 0.25
# Text in other single-byte encodings, decoded as cp1252, has what no language of cp1252 has: signs within words
# (Polish, Romanian, Mac), capitals after small letters (Mac), or ð, þ and ý (Turkish, Baltic) without the vowels of
# Icelandic
_SMALL = rb"a-z\xdf-\xf6\xf8-\xff"
_SIGN_IN_WORD = re.compile(
    rb"[%b][\x86-\x88\xa1-\xa8\xaa\xac\xaf-\xb3\xb5\xb6\xb8-\xba\xbc-\xbf][%b]"
    rb"|[a-z][\x8a\x8c\x8e\x9f]|[A-Z][\x8a\x8e\x9f][a-z]" % (_SMALL, _SMALL)
)
_ICELANDIC = bytes([0xD0, 0xDD, 0xDE, 0xF0, 0xFD, 0xFE])
_WITH_THEM = bytes([0xC1, 0xE1, 0xC6, 0xE6, 0xC9, 0xE9, 0xCD, 0xED, 0xD3, 0xF3, 0xDA, 0xFA])
_NOT_WITH_THEM = bytes([0xE0, 0xE2, 0xE3, 0xE7, 0xE8, 0xEA, 0xEB, 0xEC, 0xEE, 0xEF, 0xF2, 0xF8, 0xF9, 0xFB])
# š and ž together with è, ì, ø, ù, æ or ð show Czech, Slovak or South Slavic text in another encoding
_HACEKS = bytes([0x8A, 0x8E, 0x9A, 0x9E])
_BESIDE_HACEKS = bytes([0xC8, 0xE8, 0xEC, 0xD8, 0xF8, 0xF9, 0xC6, 0xE6, 0xF0])
_FEWER_VOWELS, _FEW_HACEKS, _HACEK_SHARE, _SIGN_SHARE = 3, 2, 0.2, 0.02
_WORD = re.compile(rb"[^\s,;|\"]*[\x80-\xff][^\s,;|\"]*")
# a short line in another encoding may be valid UTF-8 by chance
_UTF8_LINES = 0.2
_NAME_IT = (
    "save it as UTF-8, or name its encoding: --encoding gbk (or shift_jis, cp1250, cp1251, cp1254, mac_roman, cp1252 …)"
)
_EXCEL = re.compile(r'(?i)"?sep=([^\w"])"?')

_NO_TEXT = ("is not text", "tenor reads CSV and Parquet")


@dataclass(frozen=True)
class TextEncoding:
    """The encoding of a file.

    Attributes
    ----------
    name
        Python's name of the codec; it skips a byte order mark.
    note
        What was assumed, in words; ``""`` if the file's bytes leave no doubt.
    """

    name: str
    note: str = ""


def known_encoding(name: str) -> str:
    """Python's name of the encoding `name`.

    Raises
    ------
    ConfigError
        There is no such text encoding, or it is not a superset of ASCII.
    """
    try:
        codec = codecs.lookup(name.strip())
        if b"date,1".decode(codec.name) == "date,1":
            return codec.name
    except (LookupError, ValueError):
        pass
    raise ConfigError(f"--encoding is {name[:40]!r}; it takes an encoding that Python knows, such as gbk or cp1251.")


def encoding_of(path: Path, *, read_texts: bool = True, given: str | None = None) -> TextEncoding:
    """Find the encoding in which all bytes of `path` can be decoded.

    Parameters
    ----------
    path
        A text file. It is read once as a whole, in chunks.
    read_texts
        Whether texts of the file are stored. If not (dates, numbers and symbols are ASCII), a file in an unknown
        encoding is decoded byte by byte instead of being refused.
    given
        The encoding that the user named, for files that are neither UTF-8 nor UTF-16.

    Raises
    ------
    UnusableError
        The file is not text, can't be read, or mixes encodings.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_OPENING)
        marked = next((name for mark, name in _MARKS if head.startswith(mark)), "")
        if marked:
            _require(path, marked)
            return TextEncoding(marked)
        if b"\x00" in head:
            return _unmarked_wide(path, head)
        if _fault(path, "utf-8") is None:
            return TextEncoding("utf-8")
        if given:
            if (fault := _fault(path, given)) is not None:
                raise UnusableError(f"is neither UTF-8 nor {given} (line {fault})", "correct --encoding")
            return TextEncoding(given, f"read as {given}")
        return _single_byte(path, read_texts=read_texts)
    except OSError as error:
        raise UnusableError(f"can't be read ({error.strerror})", "check the file and its rights") from error


def opening_lines(path: Path, encoding: str) -> list[str]:
    """The lines in the first 64 KB of `path`, without line ends; the last one may be cut off."""
    with path.open("rb") as file:
        head = file.read(_OPENING)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head, len(head) < _OPENING)
    return re.split(r"\r\n|\r|\n", text.lstrip("\ufeff"))


def stated_delimiter(line: str) -> str:
    """The delimiter that Excel states in a first line such as ``sep=;``; ``""`` for any other line.

    Examples
    --------
    >>> stated_delimiter("sep=;"), stated_delimiter('"SEP=,"'), stated_delimiter("sep,text")
    (';', ',', '')
    """
    match = _EXCEL.fullmatch(line.strip(" \r\n\ufeff"))
    return match[1] if match else ""


def split_line(line: str, delimiter: str) -> list[str]:
    """The cells of one line, without their quotes."""
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [""]) or [""]


def delimiter_of(lines: Sequence[str], known: Callable[[list[str]], int]) -> str:
    """Find the delimiter: comma, semicolon, tab or vertical bar.

    The delimiter is chosen that yields the most known names in the header. Ties are decided by the number of lines with
    as many cells as the header, then by the number of cells.

    Parameters
    ----------
    lines
        The header and some lines below it.
    known
        Takes the names of a header; returns how many of them are known.
    """

    def rank(mark: str) -> tuple[int, float, int]:
        names = split_line(lines[0], mark) if lines else [""]
        sample = [line for line in lines[1 : 1 + _SAMPLE] if line.strip()]
        alike = sum(len(split_line(line, mark)) == len(names) for line in sample) / max(len(sample), 1)
        return known(names), alike if len(names) > 1 else 0.0, len(names)

    return max(_DELIMITERS, key=rank)


def is_missing(text: str) -> bool:
    """Whether `text` means that a value is missing.

    Examples
    --------
    >>> is_missing("N/A"), is_missing(" nan "), is_missing("Nan rises")
    (True, True, False)
    """
    return text.strip().casefold() in MISSING_WORDS


def is_missing_symbol(text: str) -> bool:
    """As `is_missing`, but words in capitals such as ``NA`` and ``NAN`` are symbols.

    Examples
    --------
    >>> is_missing_symbol("nan"), is_missing_symbol("None"), is_missing_symbol("N/A"), is_missing_symbol("NAN")
    (True, True, True, False)
    """
    return is_missing(text) and not (text.strip().isalpha() and text.strip().isupper())


def _unmarked_wide(path: Path, head: bytes) -> TextEncoding:
    """Recognise UTF-16 without a byte order mark; raises UnusableError for other files with NUL bytes."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) / 2
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros > _MOSTLY * half and not others and _fault(path, name) is None:
            return TextEncoding(name, "read as UTF-16, though it has no byte order mark")
    raise UnusableError(*_NO_TEXT)


def _single_byte(path: Path, *, read_texts: bool) -> TextEncoding:
    """Choose Windows-1252 for a file that is not UTF-8, or refuse the file."""
    if not read_texts:
        name = "cp1252" if _fault(path, "cp1252") is None else "latin-1"
        return TextEncoding(name, "it is not UTF-8: read as Windows-1252")
    if words := _other_alphabet(path):
        raise UnusableError(f"is not UTF-8, and read as Windows-1252 it would be {words!r}", _NAME_IT)
    with path.open("rb") as file:
        if any(_MULTIBYTE.search(line) for line in file):
            raise UnusableError(f"is UTF-8 in some places, but not in line {_fault(path, 'utf-8')}", "save it as UTF-8")
    if word := _other_letters(path):
        raise UnusableError(f"is not UTF-8, and read as Windows-1252 it would have the word {word!r}", _NAME_IT)
    fault = _fault(path, "cp1252")
    if fault is not None:
        raise UnusableError(f"is neither UTF-8 nor Windows-1252 (line {fault})", _NAME_IT)
    return TextEncoding("cp1252", "it is not UTF-8: read as Windows-1252")


def _other_alphabet(path: Path) -> str:
    """A word, decoded as Windows-1252, that shows another alphabet; ``""`` if there is none or encodings are mixed."""
    letters = in_words = lines = of_utf8 = 0
    shown = ""
    with path.open("rb") as file:
        for line in file:
            if line.isascii():
                continue
            plain = line.translate(None, _MARKS_BESIDE)
            words = _LETTER_RUN.findall(plain)
            letters += len(plain) - len(plain.translate(None, _HIGH))
            in_words += sum(map(len, words))
            lines, of_utf8 = lines + 1, of_utf8 + _is_utf8(line)
            if words and not shown:
                shown = words[0].decode("cp1252", "replace")[:20]
    mixed = of_utf8 > _UTF8_LINES * lines
    return shown if letters >= _FEW_LETTERS and in_words > _RUN_SHARE * letters and not mixed else ""


def _other_letters(path: Path) -> str:
    """A word, decoded as Windows-1252, that shows another encoding of Latin letters; ``""`` if there is none."""
    high = bytearray()
    signs, words = 0, {"sign": "", "icelandic": "", "hacek": ""}

    def show(kind: str, line: bytes, part: bytes) -> None:
        word = next((word for word in _WORD.findall(line) if part in word), part)
        words[kind] = words[kind] or word.decode("cp1252", "replace")[:20]

    with path.open("rb") as file:
        for line in file:
            if line.isascii():
                continue
            high += line.translate(None, _ASCII)
            if match := _SIGN_IN_WORD.search(line):
                signs += len(_SIGN_IN_WORD.findall(line))
                show("sign", line, match[0])
            for kind, marks in (("icelandic", _ICELANDIC), ("hacek", _HACEKS)):
                if (mark := next((mark for mark in marks if mark in line), None)) is not None:
                    show(kind, line, bytes([mark]))

    def count(marks: bytes) -> int:
        return sum(map(high.count, marks))

    if signs > _SIGN_SHARE * len(high):
        return words["sign"]
    runes, vowels = count(_ICELANDIC), count(_WITH_THEM)
    if runes and (_FEWER_VOWELS * vowels < runes or vowels < count(_NOT_WITH_THEM)):
        return words["icelandic"]
    haceks = count(_HACEKS)
    foreign = haceks >= _FEW_HACEKS and haceks > _HACEK_SHARE * len(high) and count(_BESIDE_HACEKS)
    return words["hacek"] if foreign else ""


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _require(path: Path, encoding: str) -> None:
    fault = _fault(path, encoding)
    if fault is not None:
        name = encoding.removesuffix("-sig").upper()
        raise UnusableError(f"begins as {name}, but line {fault} is not {name}", "save it as UTF-8")


def _fault(path: Path, encoding: str) -> int | None:
    """The number of the first line that can't be decoded; None if all can."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            try:
                decoder.decode(chunk, not chunk)
            except UnicodeDecodeError as error:
                return lines + error.object[: error.start].count(b"\n")
            if not chunk:
                return None
            lines += chunk.count(b"\n")
