"""Corpora that `nmt data get` knows: where each file is, its checksum, its licence.

A new corpus is an entry of CATALOGUE. A file whose address always serves the same bytes has a
SHA-256. One that its publisher replaces from time to time has none; what is known of the version
that the project used is in the `notes`, and the hashes in `splits/` give the same dev and test
sets again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nmt.errors import UserError


@dataclass(frozen=True)
class RemoteFile:
    """A file to download; `name` is what the cache, a mirror and a user call it.

    A gzip file counts if it has the SHA-256, or if the text in it has `text_sha256`: a mirror may
    have compressed the same text again. `max_bytes` bounds what is downloaded, and what an archive
    may expand to, where no size is known.
    """

    name: str
    url: str
    sha256: str | None = None
    text_sha256: str | None = None
    text_bytes: int | None = None
    max_bytes: int = 2 << 30


@dataclass(frozen=True)
class TextPair:
    """Two gzip files, one a side, that become PREFIX.SOURCE and PREFIX.TARGET."""

    prefix: str
    source: RemoteFile
    target: RemoteFile


@dataclass(frozen=True)
class ZippedTable:
    """A zip archive with a table: source, tab, target, and columns that are ignored."""

    file: RemoteFile
    member: str


@dataclass(frozen=True)
class TarredPair:
    """A tar archive with a file for each side."""

    file: RemoteFile
    source_member: str
    target_member: str


@dataclass(frozen=True)
class Corpus:
    """A corpus with its files. `held_out` names the sets whose lines are taken out of the training
    text, by the hashes in `splits/CORPUS.SET`."""

    name: str
    summary: str
    languages: tuple[str, str]
    licence: str
    citation: str
    homepage: str
    content: tuple[TextPair, ...] | ZippedTable | TarredPair
    held_out: tuple[str, ...] = ()
    notes: str = ""

    @property
    def files(self) -> list[RemoteFile]:
        if isinstance(self.content, tuple):
            return [file for pair in self.content for file in (pair.source, pair.target)]
        return [self.content.file]

    @property
    def is_pinned(self) -> bool:
        return all(file.sha256 for file in self.files)


_MULTI30K = (
    "https://raw.githubusercontent.com/multi30k/dataset/"
    "a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/"
)


def _multi30k_file(name: str, sha256: str, text_sha256: str, text_bytes: int) -> RemoteFile:
    return RemoteFile(
        f"{name}.gz", f"{_MULTI30K}{name}.gz", sha256, text_sha256, text_bytes, max_bytes=8 << 20
    )


_MULTI30K_PAIRS = (
    TextPair(
        "train",
        _multi30k_file(
            "train.en",
            "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
            "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
            1801238,
        ),
        _multi30k_file(
            "train.fr",
            "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
            "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d",
            2111303,
        ),
    ),
    TextPair(
        "val",
        _multi30k_file(
            "val.en",
            "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
            "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
            63297,
        ),
        _multi30k_file(
            "val.fr",
            "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
            "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc",
            73924,
        ),
    ),
    TextPair(
        "test_2016_flickr",
        _multi30k_file(
            "test_2016_flickr.en",
            "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
            "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
            62076,
        ),
        _multi30k_file(
            "test_2016_flickr.fr",
            "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
            "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6",
            72261,
        ),
    ),
    TextPair(
        "test_2017_flickr",
        _multi30k_file(
            "test_2017_flickr.en",
            "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074",
            "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98",
            55242,
        ),
        _multi30k_file(
            "test_2017_flickr.fr",
            "3ba671ceb2299f3304ffafefea7a833d08632fbaf0ba18546f8a2ec2391af496",
            "6f3764e31dac41e9455e612958bcfd4e877c5e15cd66df2c2b2be6d9bd83e5b6",
            65691,
        ),
    ),
)

CATALOGUE: Mapping[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="multi30k",
            summary="image captions: 29,000 pairs for training, one dev and two test sets",
            languages=("en", "fr"),
            licence="none stated for the text; for research and education, not to be redistributed",
            citation=(
                "Elliott, Frank, Sima'an and Specia (2016), Multi30K: Multilingual English-German"
                " Image Descriptions; Elliott, Frank, Barrault, Bougares and Specia (2017),"
                " Findings of the Second Shared Task on Multimodal Machine Translation and"
                " Multilingual Image Description (the French)."
            ),
            homepage="https://github.com/multi30k/dataset",
            content=_MULTI30K_PAIRS,
        ),
        Corpus(
            name="tatoeba",
            summary="everyday sentences, about 6 words a line: 163,130 pairs in 2019, more today",
            languages=("en", "fr"),
            licence="CC BY 2.0 France; attribution: manythings.org/anki and tatoeba.org",
            citation="Tatoeba, https://tatoeba.org; pairs selected by manythings.org/anki.",
            homepage="https://www.manythings.org/anki/",
            content=ZippedTable(
                RemoteFile(
                    "fra-eng.zip",
                    "https://www.manythings.org/anki/fra-eng.zip",
                    max_bytes=64 << 20,
                ),
                "fra.txt",
            ),
            held_out=("dev", "test"),
            notes=(
                "The publisher replaces the file. The project's figures are from the version of"
                " 2019-04-07, with 167,130 pairs in all; a later one gives a larger training set"
                " and nearly the same dev and test sets."
            ),
        ),
        Corpus(
            name="europarl",
            summary="proceedings of the European Parliament, v7: about 2 million pairs",
            languages=("en", "fr"),
            licence="none stated; the source asks for the citation",
            citation=(
                "Koehn (2005), Europarl: A Parallel Corpus for Statistical Machine Translation,"
                " MT Summit X."
            ),
            homepage="https://www.statmt.org/europarl/",
            content=TarredPair(
                RemoteFile(
                    "fr-en.tgz",
                    "https://www.statmt.org/europarl/v7/fr-en.tgz",
                    max_bytes=1 << 30,
                ),
                "europarl-v7.fr-en.en",
                "europarl-v7.fr-en.fr",
            ),
            held_out=("dev", "test"),
            notes=(
                "The project's figures are from 282,238 pairs of this text, as the repository"
                " mjlaali/Europarl-ConcoDisco on GitHub has it, beginning with January 2000."
            ),
        ),
    )
}


def find_corpus(name: str) -> Corpus:
    if name not in CATALOGUE:
        raise UserError(
            f"no corpus is called {name!r}. Known: {', '.join(CATALOGUE)}, the test sets of"
            " sacreBLEU (such as wmt14), and the ids of mtdata. `nmt data list WORDS` searches"
            " for them."
        )
    return CATALOGUE[name]


def matches(text: str, words: list[str]) -> bool:
    """Whether each of the words occurs in a description, in any case."""
    return all(word.casefold() in text.casefold() for word in words)
