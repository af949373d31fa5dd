"""Catalogs of gettext."""

import polib
import pytest
from fixtures.documents import PO, read, translated, translator

from nmt.documents.translating import translate_document
from nmt.errors import UserError

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset={}\\n"\n'


def entries(content):
    return {entry.msgid: entry for entry in polib.pofile(content)}


def test_what_has_no_translation_gets_one_that_is_fuzzy():
    found = entries(translated(".po", PO))
    assert found["Hello <b>big</b> world"].msgstr == "WORLD <b>BIG</b> HELLO"
    assert found["Hello <b>big</b> world"].flags == ["fuzzy"]
    assert found["two\nlines here\n"].msgstr == "TWO\nHERE LINES\n"


def test_a_translation_is_kept_unless_asked_for_a_new_one():
    kept = entries(translated(".po", PO))["kept word"]
    assert (kept.msgstr, kept.flags) == ("mot gardé", [])
    new = entries(translated(".po", PO, retranslate=True))["kept word"]
    assert (new.msgstr, new.flags) == ("WORD KEPT", ["fuzzy"])


def test_obsolete_messages_stay():
    assert '#~ msgid "obsolete word"\n#~ msgstr "vieux mot"\n' in translated(".po", PO)


def test_each_plural_form_has_the_translation_of_its_text():
    forms = entries(translated(".po", PO))["One %d file"].msgstr_plural
    assert forms == {0: "FILE %d ONE", 1: "FILES %d SOME"}


def test_the_header_says_which_form_is_that_of_one():
    polish = (
        "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"
    )
    latvian = "nplurals=3; plural=(n%10==1 && n%100!=11 ? 1 : n != 0 ? 2 : 0);"
    for header, one in ((polish, 0), (latvian, 1)):
        source = PO.replace('"MIME', f'"Plural-Forms: {header}\\n"\n"MIME')
        forms = entries(translated(".po", source))["One %d file"].msgstr_plural
        assert [form for form, text in forms.items() if text == "FILE %d ONE"] == [one]
        assert len(forms) == 3


@pytest.mark.parametrize(
    ("header", "singular", "expected"),
    [
        ("nplurals=1; plural=0;", "%d file", ["FILES %d"]),
        ("nplurals=2; plural=(n > 1);", "One file", ["FILE ONE", "FILES %d"]),
        ("nplurals=2; plural=(n%10 != 1);", "One file", ["FILES %d", "FILES %d"]),
        ("nplurals=2; plural=(n%10 != 1);", "%d file", ["FILE %d", "FILES %d"]),
    ],
)
def test_a_form_of_many_numbers_says_which(header, singular, expected):
    source = (
        f'{HEADER.format("UTF-8")}"Plural-Forms: {header}\\n"\n\nmsgid "{singular}"\n'
        'msgid_plural "%d files"\nmsgstr[0] ""\n'
    )
    (entry,) = polib.pofile(translated(".po", source))
    assert list(entry.msgstr_plural.values()) == expected


def test_a_catalog_in_which_nothing_is_translated_stays_as_it_is():
    kept = f'# x\n{HEADER.format("UTF-8")}\n\n#~| msgid "old"\n#~ msgid "new"\n#~ msgstr "n"\n'
    for source in (kept, kept + '\nmsgid "%d"\nmsgstr ""', 'msgid "done"\nmsgstr "fait"'):
        assert translated(".po", source) == source


def test_the_header_of_a_template_is_completed():
    template = PO.replace("charset=UTF-8", "charset=CHARSET").replace(
        '"MIME', '"Language: \\n"\n"Plural-Forms: nplurals=INTEGER; plural=EXPRESSION;\\n"\n"MIME'
    )
    metadata = polib.pofile(translated(".pot", template, target="fr")).metadata
    assert metadata["Language"] == "fr"
    assert metadata["Plural-Forms"] == "nplurals=2; plural=(n > 1);"
    assert metadata["Content-Type"].endswith("UTF-8")


@pytest.mark.parametrize(
    ("language", "stated"),
    [
        ("de", "nplurals=2; plural=(n != 1);"),
        ("fr", "nplurals=2; plural=(n > 1);"),
        ("ru", None),
    ],
)
def test_plural_forms_are_stated_for_languages_that_have_two(language, stated):
    metadata = polib.pofile(translated(".po", PO, target=language)).metadata
    assert metadata.get("Plural-Forms") == stated


@pytest.mark.parametrize(
    ("stated", "language"), [("en", "fr"), ("en_US", "fr"), ("fr_CA", "fr_CA"), ("", "fr")]
)
def test_a_catalog_that_names_the_source_language_names_the_target(stated, language):
    source = PO.replace('"MIME', f'"Language: {stated}\\n"\n"MIME')
    assert polib.pofile(translated(".po", source)).metadata["Language"] == language


def test_a_message_whose_placeholder_is_lost_has_no_translation():
    @translator
    def forget(words):
        return ["x"], [(0, 0)]

    outcome = translate_document(read(".po", PO), forget)
    assert entries(outcome.content.decode())["One %d file"].msgstr_plural == {0: "", 1: ""}
    assert len(outcome.left) == 2


def test_the_encoding_that_the_header_names_is_kept():
    source = PO.replace("UTF-8", "ISO-8859-1").replace("Hello", "Café").encode("latin-1")
    assert "CAFÉ".encode("latin-1") in translated(".po", source)


def test_a_text_that_names_a_file_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text(PO, "utf-8")
    with pytest.raises(UserError, match="gettext catalog"):
        read(".po", "secret")


@pytest.mark.parametrize(
    "content",
    [
        *("msgid", 'msgstr "x"\nmsgid', "just text\n", 'msgid "a"\nmsgid "b"\n'),
        *('msgid "cut\nmsgstr ""\n', 'msgid "a"\n"cut\\"\nmsgstr ""\n', 'msgid "a"b"\nmsgstr ""\n'),
    ],
)
def test_what_is_no_catalog_is_refused(content):
    with pytest.raises(UserError, match=r"gettext catalog"):
        read(".po", content)


def test_where_a_catalog_is_malformed_is_said():
    with pytest.raises(UserError, match=r"Received: a syntax error \(line 1\)\."):
        read(".po", "just text\n")


def test_plural_forms_are_read_and_never_run():
    source = PO.replace('"MIME', '"Plural-Forms: nplurals=2; plural=__import__;\\n"\n"MIME')
    with pytest.raises(UserError, match="Plural-Forms"):
        read(".po", source)


def test_a_translation_that_the_encoding_lacks_makes_the_catalog_utf_8():
    @translator
    def with_ligature(words):
        return ["cœur"], []

    source = f'{HEADER.format("ISO-8859-1")}\n# été\nmsgid "heart one"\nmsgstr ""\n'
    content = translated(".po", source.encode("latin-1"), with_ligature).decode()
    assert "charset=UTF-8" in content
    assert '# été\n#, fuzzy\nmsgid "heart one"\nmsgstr "cœur"\n' in content


@pytest.mark.parametrize("stated", ["nplurals=2; plural=n/0;", "nplurals=0; plural=0;"])
def test_plural_forms_without_one_of_1_are_refused(stated):
    header = HEADER.format("UTF-8") + f'"Plural-Forms: {stated}\\n"\n'
    with pytest.raises(UserError, match="Plural-Forms cannot be read"):
        read(".po", f'{header}\nmsgid "one word"\nmsgstr ""\n')


def test_line_ends_of_windows_stay():
    source = f'{HEADER.format("UTF-8")}\nmsgid "one word"\nmsgstr ""\n'
    assert translated(".po", source.replace("\n", "\r\n")) == translated(".po", source).replace(
        "\n", "\r\n"
    )


@pytest.mark.parametrize(
    "message",
    [
        'msgid "translator-credits"',
        'msgctxt "NAME OF TRANSLATORS"\nmsgid "Your names"',
        'msgctxt "EMAIL OF TRANSLATORS"\nmsgid "Your emails"',
    ],
)
def test_the_names_of_the_translators_are_left_to_them(message):
    source = f'{HEADER.format("UTF-8")}\n{message}\nmsgstr ""\n'
    assert translated(".po", source) == source


def test_the_columns_of_a_message_stay():
    source = f'{HEADER.format("UTF-8")}\nmsgid "  -h, --help      show this\\n"\nmsgstr ""\n'
    assert 'msgstr "  --HELP -H,      THIS SHOW\\n"' in translated(".po", source)


@pytest.mark.parametrize(
    ("message", "text", "expected"),
    [
        (
            "The version of |project| is |release|.",
            "The version of {1} is {2}.",
            "|release|. IS |project| OF VERSION THE",
        ),
        (
            "See :ref:`the guide <guide-start>` for more.",
            "See the guide for more.",
            "MORE. FOR :ref:`GUIDE THE <guide-start>` SEE",
        ),
        (
            "Read `the manual <https://a.org>`__ or :py:func:`it <a.b>`",
            "Read the manual or it",
            ":py:func:`IT <a.b>` OR `MANUAL THE <https://a.org>`__ READ",
        ),
    ],
)
def test_values_and_links_of_restructured_text_go_with_their_words(message, text, expected):
    source = f'msgid ""\nmsgstr ""\n\nmsgid "{message}"\nmsgstr ""\n'
    assert [unit.text for unit in read(".po", source, stand_ins=True).units] == [text]
    assert entries(translated(".po", source, stand_ins=True))[message].msgstr == expected
