"""Glossaries and lexical constraints from text to ids, over a small tokenizer."""

import numpy as np
import pytest
from fixtures.search import TableEngine, beam_search, options_of, sentences
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.search.glossary import ConstraintEncoder, Glossary, check_constraints
from nmt.text.characters import RAW, TARGET
from nmt.text.tokenizer import train_tokenizer

TEXT = [
    "Le chat dort dans l'arbre.",
    "Les chats dorment.",
    "Un chien et un chat.",
    "L'arbre est vert.",
    "Chat noir, chien noir!",
    "Deux chiens courent vers l'arbre (vert).",
    "Le château est grand.",
]


def trained(**changes):
    options = {
        "vocabulary_size": 340,
        "byte_fallback": True,
        "character_coverage": 1.0,
        "max_lines": 1000,
    }
    return train_tokenizer(TEXT * 3, algorithm="bpe", **options, **changes)


@pytest.fixture(scope="module")
def tokenizer():
    return trained()


@pytest.fixture(scope="module")
def folding():
    return trained(fold_initial=True)


@pytest.fixture(scope="module")
def encoder(tokenizer):
    return ConstraintEncoder(tokenizer, tokenizer.forbidden_ids)


# --------------------------------------------------------------------------------------- glossaries


def test_a_glossary_finds_whole_words_the_longest_first_and_each_target_once():
    glossary = Glossary(
        [("dog", "chien"), ("hot dog", "hot-dog"), ("cat", "chat"), ("Cats & co", "Chats et Cie")]
    )
    assert glossary.required("A hot dog, a dog and a dog.") == ["hot-dog", "chien"]
    assert glossary.required("dogs, catalogue, hotdog") == []
    assert glossary.required("Cat! The CAT.") == ["chat"]  # a capital at the line's start only
    assert glossary.required("At Cats & co.") == ["Chats et Cie"]
    assert glossary.required("") == []


def test_glossaries_with_the_same_entries_are_equal_and_share_a_batch():
    one, same = Glossary([("a", "b"), ("c", "d")]), Glossary([("c", "d"), (" a ", "b ")])
    assert one == same and hash(one) == hash(same)
    assert one != Glossary([("a", "b"), ("c", "e")]) and one != Glossary([("a", "b")])


INVISIBLE = ["\u200b", "\u00ad", "\ufeff", "\u0000", "\u200d", "\ufe0f", "\u3164 \u2060", "\u2028"]


@pytest.mark.parametrize("text", INVISIBLE)
def test_an_entry_needs_visible_characters_on_both_sides(text):
    for entry in ((text, "chien"), ("dog", text)):
        with pytest.raises(UserError, match="of visible characters") as raised:
            Glossary([entry])
        assert repr(text) in str(raised.value)


@pytest.mark.parametrize("text", INVISIBLE)
@pytest.mark.parametrize("characters", [RAW, TARGET])
def test_a_required_or_banned_word_needs_visible_characters(text, characters, tokenizer):
    with pytest.raises(UserError, match=r"a banned word must be .* of visible characters\."):
        ConstraintEncoder(tokenizer, tokenizer.forbidden_ids, [text], characters)
    encoder = ConstraintEncoder(tokenizer, tokenizer.forbidden_ids, [], characters)
    with pytest.raises(UserError, match=r"a required phrase must be .* of visible characters\."):
        encoder.encode(required=[text])


def test_entries_in_a_line_are_named_as_they_were_written():
    glossary = Glossary([(" hot  dog ", "hot-dog"), ("don't", "non")])
    assert glossary.entries_in("Hot dog? Don't, don't!") == [
        ("hot  dog", "hot-dog"),
        ("don't", "non"),
    ]


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ("He is tired.", True),
        ("Is he tired?! ", True),
        ("He is tired.)", True),
        ("He is tired", False),
        ("Mr. Smith is tired.", False),
        ("It costs 3.5 euros.", False),
        ("", False),
    ],
)
def test_a_source_with_its_only_final_mark_at_the_end_is_one_sentence(source, is_one, encoder):
    assert encoder.encode(source=source).is_one_sentence == is_one


def test_pieces_that_are_final_marks_close_a_sentence(encoder, tokenizer):
    closing = tokenizer.pieces(encoder.closing_ids)
    assert {".", "!"} <= {*closing} and not any(any(map(str.isalnum, name)) for name in closing)


def test_a_glossary_is_read_from_lines_with_a_tab(tmp_path):
    path = tmp_path / "glossary.tsv"
    path.write_text("dog\tchien\n\ncat\tchat noir\n", encoding="utf-8")
    assert Glossary.load(path).required("my dog, my cat") == ["chien", "chat noir"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dog\n", "line 1 must be source phrase, tab, target phrase. Received: 'dog'"),
        (
            "good dog\tchien\ngood  dog\tclébard\n",
            "one translation. Received for 'good  dog': 'chien' and 'clébard'",
        ),
    ],
)
def test_what_is_no_glossary_is_refused_with_its_line(text, message, tmp_path):
    path = tmp_path / "glossary.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        Glossary.load(path)


# ---------------------------------------------------------------------------------------- spellings


def test_a_word_is_spelt_after_a_space_after_an_apostrophe_and_with_a_capital(encoder, tokenizer):
    plain, attached, initial = encoder.spellings("arbre")
    assert list(plain.ids) == tokenizer.encode("arbre") and not (plain.attached or plain.initial)
    assert (
        tokenizer.encode("l'") + list(attached.ids) == tokenizer.encode("l'arbre")
        and attached.attached
    )
    assert list(initial.ids) == tokenizer.encode("Arbre") and initial.initial


def test_where_initials_are_folded_a_phrase_keeps_its_letters_but_at_the_lines_start(folding):
    encoder = ConstraintEncoder(folding, folding.forbidden_ids, ["Un"])
    plain, *_, initial = encoder.spellings("Le")
    assert folding.decode(plain.ids, initial=False) == "Le" and not plain.initial
    assert folding.decode(initial.ids, initial=False) == "le" and initial.initial
    assert not any(spelling.initial for spelling in encoder.spellings("arbre"))
    spelled = {
        (folding.decode(spelling.ids, initial=False), spelling.initial)
        for spelling in encoder.banned
    }
    assert spelled == {("Un", False), ("un", True)}
    assert folding.decode(encoder.encode("un chien").prefix) == "un chien"


def test_a_banned_word_is_spelt_in_every_segmentation(tokenizer):
    encoder = ConstraintEncoder(tokenizer, tokenizer.forbidden_ids, ["chat"])
    spelled = {tokenizer.decode(spelling.ids) for spelling in encoder.banned}
    assert spelled == {"chat", "Chat"}
    pieces = {tuple(tokenizer.pieces(spelling.ids)) for spelling in encoder.banned}
    assert ("▁", "c", "h", "a", "t") in pieces and ("c", "h", "a", "t") in pieces
    assert tuple(tokenizer.pieces(tokenizer.encode("chat"))) in pieces


@pytest.mark.parametrize("word", ["chat", "arbre", "l'arbre", "vert", "d"])
@pytest.mark.parametrize(("name", "banned"), [("tokenizer", "L"), ("folding", "Un")])
def test_whatever_a_search_writes_required_words_are_in_its_text_and_banned_ones_are_not(
    word, name, banned, request
):
    """From text to text: random tables, and the words are searched for in the output."""
    tokenizer = request.getfixturevalue(name)
    size, forbidden = tokenizer.vocabulary_size, tokenizer.forbidden_ids
    liked = [id for line in TEXT for id in tokenizer.encode(line)]

    def table(sentence, tokens):
        logits = np.random.default_rng((sentence, *tokens)).normal(0, 2, size)
        logits[liked] += 4
        logits[forbidden] = -np.inf
        return logits - np.log(np.exp(logits).sum())

    all_banned = ["chien", "noir", banned]
    encoder = ConstraintEncoder(tokenizer, forbidden, all_banned)
    constraints = encoder.encode(required=[word])
    found = beam_search(
        TableEngine(table),
        sentences(6),
        np.full(6, 16),
        beam_size=4,
        n_best=4,
        required=[constraints.required] * 6,
        banned=encoder.banned,
        word_boundaries=encoder.word_boundaries,
    )
    texts = [tokenizer.decode(hypothesis.ids) for hypotheses in found for hypothesis in hypotheses]
    assert len(texts) == 24
    for text in texts:
        assert _stands_in(word, text) or text.startswith(word[0].upper() + word[1:]), text
        assert not any(_stands_in(banned, text) for banned in all_banned), text


def _stands_in(word, text):
    """As whole words, and not glued to the punctuation before it, but for apostrophes and their
    like."""
    padded = f" {text} "
    places = [i for i in range(len(padded)) if padded.startswith(word, i)]
    return any(not padded[i - 1].isalnum() and not padded[i + len(word)].isalnum() for i in places)


@settings(max_examples=200, deadline=None)
@given(word=st.text(alphabet="chatnoirldve'- ", min_size=1, max_size=8).filter(str.strip))
def test_every_spelling_spells_its_word(word, encoder, tokenizer):
    for spelling in encoder.spellings(word.strip()):
        assert tokenizer.decode(spelling.ids).strip(" ").lower() == word.strip().lower()


# ----------------------------------------------------------------------------------------- refusals


def test_what_cannot_be_is_refused(tokenizer):
    encoder = ConstraintEncoder(tokenizer, tokenizer.forbidden_ids, ["chat"])
    with pytest.raises(UserError, match="the required phrase 'chat noir' contains a banned word"):
        encoder.encode(required=["chat noir"])
    with pytest.raises(UserError, match="the prefix 'Un chat' contains a banned word"):
        encoder.encode(prefix="Un chat")
    with pytest.raises(UserError, match=r"a required phrase must be .* Received: ' '"):
        encoder.encode(required=[" "])
    with pytest.raises(UserError, match="a banned word must be a line of text"):
        ConstraintEncoder(tokenizer, [], [""])
    with pytest.raises(UserError, match="cannot spell"):
        encoder.encode(required=["a\x07b"])


def test_more_than_the_maximum_length_is_refused(encoder):
    constraints = encoder.encode("Le chat", ["arbre"])
    needed = len(constraints.prefix) + len(constraints.required[0][0].ids) + 1
    check_constraints(constraints, needed, options_of())
    with pytest.raises(
        UserError, match=f"need {needed} tokens including </s>, but at most {needed - 1}"
    ):
        check_constraints(constraints, needed - 1, options_of())


@pytest.mark.parametrize(
    ("max_length", "options"),
    [(3, {}), (50, {"no_repeat_ngram_size": 1}), (50, {"sampling": True})],
)
def test_a_refusal_names_the_entries_of_a_glossary(max_length, options, encoder):
    entries = [("black cat", "chat noir"), ("black dog", "chien noir")]
    constraints = encoder.encode(required=[target for _, target in entries])
    with pytest.raises(UserError) as raised:
        check_constraints(constraints, max_length, options_of(**options), entries)
    assert "'black cat' -> 'chat noir', 'black dog' -> 'chien noir'" in str(raised.value)
    assert "max_length_ratio" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": True}, "required words need a beam search"),
        (
            {"beam_size": 4, "num_beam_groups": 2, "diversity_penalty": 0.5},
            "required words need a beam search",
        ),
        ({"no_repeat_ngram_size": 1}, "repeat 1 tokens, which no_repeat_ngram_size forbids"),
    ],
)
def test_requirements_that_an_option_rules_out_are_refused(options, message, encoder):
    constraints = encoder.encode(required=["chat noir", "chien noir"])
    check_constraints(constraints, 50, options_of())
    with pytest.raises(UserError, match=message):
        check_constraints(constraints, 50, options_of(**options))
