"""Encodings, delimiters and missing words of text files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.errors import ConfigError, UnusableError
from tenor.ingest.files.text_files import (
    delimiter_of,
    encoding_of,
    is_missing,
    is_missing_symbol,
    known_encoding,
    opening_lines,
    split_line,
    stated_delimiter,
)

TEXT = "Datum;Schluß\n2024-01-02;„10,5“\n"


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("codec", "mark", "name", "note"),
    [
        ("utf-8", b"", "utf-8", ""),
        ("utf-8-sig", b"", "utf-8-sig", ""),
        ("utf-16", b"", "utf-16", ""),
        ("utf-16-be", b"\xfe\xff", "utf-16", ""),
        ("utf-32", b"", "utf-32", ""),
        ("utf-16-le", b"", "utf-16-le", "no byte order mark"),
        ("utf-16-be", b"", "utf-16-be", "no byte order mark"),
        ("cp1252", b"", "cp1252", "read as Windows-1252"),
    ],
)
def test_every_encoding_gives_the_same_text(tmp_path: Path, codec: str, mark: bytes, name: str, note: str) -> None:
    text = (
        TEXT if codec != "utf-16-le" and not codec.startswith("utf-16-be") else TEXT.replace("„", "").replace("“", "")
    )
    path = written(tmp_path, mark + text.encode(codec))
    encoding = encoding_of(path)
    assert encoding.name == name
    assert note in encoding.note
    assert bool(encoding.note) == bool(note)
    assert opening_lines(path, encoding.name) == text.split("\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("naïve\nna".encode() + b"\xefve\n", "is UTF-8 in some places, but not in line 2: save it as UTF-8"),
        (b"a\nb\n\x81\n", r"is neither UTF-8 nor Windows-1252 \(line 3\)"),
        (b"\xff\xfea\x00\n\x00\x00\xdc", "begins as UTF-16, but line"),
        (b"a,b\x00\x01\x02,c\n", "is not text"),
    ],
)
def test_what_is_no_text_or_several_kinds_of_it_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UnusableError, match=message):
        encoding_of(written(tmp_path, content))


WORDS = {
    "gbk": "贵州茅台涨停，成交放大",
    "big5": "台積電營收創新高，股價上漲",
    "euc_kr": "현대차 실적 발표",
    "euc_jp": "決算を発表しました",
    "cp1251": "Газпром увеличил прибыль",
    "koi8_r": "Акции выросли",
    "cp1253": "Κέρδη της εταιρείας",
    "cp874": "หุ้นขึ้นแรง",
    "cp1250": "Źródło: spółka ogłosiła większy zysk, później niż żądano",
    "cp1256": "ارتفاع أرباح الشركة",
}


@pytest.mark.parametrize("codec", WORDS)
def test_another_alphabet_is_not_read_as_western_european(tmp_path: Path, codec: str) -> None:
    text = f"time,symbol,text\n2024-05-01T10:00:00Z,AAA,{WORDS[codec]}\n" + "2024-05-01T10:00:00Z,AAA,plain\n" * 50
    path = written(tmp_path, text.encode(codec))
    with pytest.raises(UnusableError, match="name its encoding: --encoding gbk"):
        encoding_of(path)
    named = encoding_of(path, given=codec)
    assert path.read_text(encoding=named.name) == text
    assert named.note == f"read as {codec}"


OTHER_LETTERS = {
    "cp1254": ["Banka kârını ikiye katladı", "Borsa yılın en yüksek gününü gördü", "İş hacmi büyüdü, şirket umutlu"],
    "iso8859-9": ["Fabrika yeni bir hat açıyor, ışıklar yandı"],
    "cp1250": ["Kopalnia sprzedała mniej węgla", "Może być drożej", "Preţurile oraşului şi ale băncii"],
    "iso8859-2": ["Huta zwiększyła produkcję, właściciel chwali"],
    "cp1257": ["Bankas šiemet uždirbo daugiau, akcijos ūžia", "Rūpnīca šodien pārdeva dažas iekārtas"],
    "mac_roman": ["Das Werk in Köln läuft für immer", "Le café à côté a été vendu", "El año más frío"],
}


@pytest.mark.parametrize(("codec", "text"), [(codec, text) for codec, texts in OTHER_LETTERS.items() for text in texts])
def test_letters_that_windows_1252_has_not_are_asked_for_in_short_files(tmp_path: Path, codec: str, text: str) -> None:
    path = written(tmp_path, f"time,symbol,text\n2024-05-01T10:00:00Z,AAA,{text}\n".encode(codec))
    with pytest.raises(UnusableError, match="name its encoding: --encoding gbk"):
        encoding_of(path)
    assert text in path.read_text(encoding=encoding_of(path, given=codec).name)


@pytest.mark.parametrize(
    "text",
    [
        "Félagið jók hagnað sinn; Þórður keypti hlut",
        "Tórshavn: Bankin økir sín ágóða, og tað er gott",
        "Škoda: l’usine a été agrandie, déjà",
        "Šokk ja žürii, äri õitseb",
        "m² und m³, 20°C, ±5 %, ½ Preis, n°5, 1º, Mª",
        "Søren køber aktier på børsen, får æren",
        "col·lecció d´hivern; £5, ¥300, 10µm, §12",
    ],
)
def test_rare_letters_and_signs_of_western_texts_are_no_other_alphabet(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, f"text\n{text}\n".encode("cp1252"))
    assert encoding_of(path).name == "cp1252"
    assert text in path.read_text(encoding="cp1252")


def test_a_file_that_mixes_utf8_with_another_alphabet_is_refused_as_mixed(tmp_path: Path) -> None:
    path = written(tmp_path, ("成交放大\n" * 9).encode() + "贵州茅台涨停\n".encode("gbk"))
    with pytest.raises(UnusableError, match="is UTF-8 in some places, but not in line 10"):
        encoding_of(path)


@pytest.mark.parametrize(
    "text",
    [
        "Müller größer, Überschuß für Öl",
        "élève à côté, «déjà» œuvre – l’été",
        "määrä päätös yö näyttää hyvää",
        "“It’s…” — £5–€6 ‘ok’ “…” «…»",
        "Ação não é opção; informações",
        "Hækkun á Íslandi, þróun óþekkt",
        "¿Qué? ¡Así!",
    ],
)
def test_western_european_text_stays_western(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, f"text\n{text}\n".encode("cp1252"))
    assert encoding_of(path).name == "cp1252"


def test_a_named_encoding_is_for_files_that_are_not_utf8(tmp_path: Path) -> None:
    assert encoding_of(written(tmp_path, "text\n涨停\n".encode()), given="gbk").name == "utf-8"
    assert encoding_of(written(tmp_path, "text\n涨停\n".encode("utf-16")), given="gbk").name == "utf-16"
    with pytest.raises(UnusableError, match=r"is neither UTF-8 nor euc_jp \(line 2\): correct --encoding"):
        encoding_of(written(tmp_path, b"text\n\xff\xfe\xff\n"), given="euc_jp")


def test_names_of_encodings() -> None:
    assert [known_encoding(name) for name in ("GBK", "windows-1251", " Shift-JIS ")] == ["gbk", "cp1251", "shift_jis"]
    for name in ("gkb", "", "utf-16", "rot13", "base64", "x" * 500, "cp037", "\x00"):
        with pytest.raises(ConfigError, match="takes an encoding that Python knows"):
            known_encoding(name)


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("sep=;", ";"),
        ("SEP=\t", "\t"),
        ('"sep=|"', "|"),
        ("\ufeffsep=,", ","),
        ("sep=", ""),
        ("sep=ab", ""),
        ("sep;text", ""),
        ("sep=x", ""),
    ],
)
def test_the_line_in_which_excel_names_the_mark(line: str, mark: str) -> None:
    assert stated_delimiter(line) == mark


def test_a_character_cut_by_the_reading_in_pieces_is_whole(tmp_path: Path) -> None:
    path = written(tmp_path, b"x" * ((1 << 20) - 1) + "é\n".encode())
    assert encoding_of(path).name == "utf-8"
    assert encoding_of(written(tmp_path, b"x\n" * (1 << 20) + b"\xe9\n")).name == "cp1252"


def test_a_file_whose_texts_are_not_read_needs_no_known_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, "株,1\n".encode("shift-jis") + b"\x81\n")
    assert encoding_of(path, read_texts=False).name == "latin-1"


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_under_which_the_header_means_most(mark: str) -> None:
    def known(names: list[str]) -> int:
        return len({"text", "time", "symbol"} & {name.strip() for name in names})

    lines = [mark.join(("text", "time", "symbol")), mark.join(('"a, b; c"', "2024-01-02 10:00", "AAA"))]
    assert delimiter_of(lines, known) == mark
    assert split_line(lines[1], mark)[0] == "a, b; c"


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_without_known_names_lines_of_one_width_decide(mark: str) -> None:
    lines = [mark.join(("2024-01-02", "1.5", "2", "3")), mark.join(("2024-01-03", "1.5", "2", "3"))]
    assert delimiter_of(lines, lambda _: 0) == mark


def test_missing_words() -> None:
    assert all(map(is_missing, ("", " ", "N/A", "nan", "None", "NULL", "-", "—", "#N/A", "<NA>", "NaT")))
    assert not any(map(is_missing, ("0", "none of it", "A", "Nancy")))
    assert all(map(is_missing_symbol, ("", "N/A", "nan", "None", "null", "-", "NaN")))
    assert not any(map(is_missing_symbol, ("NA", "NAN", "NULL", "NONE", "A")))


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_they_decode_whole_or_are_refused(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    try:
        encoding = encoding_of(path)
    except UnusableError:
        return
    content.decode(encoding.name)
