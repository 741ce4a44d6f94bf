"""A seed stands for the same people on every day and machine: nothing here asks the clock or a database.

People are numbered from 0 and made in blocks, each from generators of its own, so that a larger population begins with
the smaller one, row for row. What they are worth at a test is `assessments.turns`' part.
"""

import math
import unicodedata
from datetime import UTC, datetime
from functools import cache, cached_property

import numpy as np

from assessments.bits import Integers, Milliseconds, normal, uniform, uuid7
from assessments.estimation import Floats
from assessments.occupations import OCCUPATIONS
from qulab.db.bulk import Values

BLOCK = 2_000  # people; like every number below, part of what a seed stands for
MOST_USERS = 1_000_000
MOST_SCORES = 20  # of one person
MINUTE, DAY = 60_000, 86_400_000  # milliseconds
FIRST_DAY = int(datetime(2018, 1, 1, tzinfo=UTC).timestamp()) * 1000
SIGN_UPS = 2_192 * DAY  # the time in which MOST_USERS join: six years
# Of two components' abilities, as the prior of the score has it: with another, intervals would not hold what they say.
CORRELATION = 0.3

PEOPLE = 0  # the stream of random bits that a block's people are made of; the others are those of their tests

EDUCATION = ("High school", "Associate", "Bachelor's", "Master's", "Doctorate")
NAMES = (
    ("Abebe Almaz Dawit Hana Kidist Selam Tesfaye Yonas", "Bekele Desta Girma Haile Kebede Mekonnen Tadesse Wolde"),
    ("Adaeze Chidi Emeka Ifeoma Kemi Ngozi Olu Tunde", "Adeyemi Balogun Eze Nwosu Obi Okafor Okonkwo Oyelaran"),
    ("Aisha Farid Hassan Karim Layla Nour Salma Yusuf", "Amari Aziz Haddad Khalil Mansour Nasser Rahman Saleh"),
    ("Ananya Arjun Diya Kiran Meera Priya Rohan Vikram", "Bose Desai Gupta Iyer Menon Patel Reddy Sharma"),
    ("Anna Björn Elin Freja Ingrid Lars Nils Søren", "Andersson Berg Dahl Hansen Holm Lindqvist Nyström Øster"),
    ("Carlos Elena Inés José Lucía Mateo Sofía Tomás", "Álvarez Castillo Fernández García Morales Ortega Peña Ruiz"),
    ("Chen Fang Hua Jing Lei Mei Wei Xin", "Gao Huang Li Liu Wang Xu Zhang Zhou"),
    ("Aiko Daiki Haruka Kenji Naoki Sakura Yui Yuto", "Fujita Ito Kobayashi Mori Nakamura Sato Suzuki Tanaka"),
    ("Emma Grace Henry Jack Lily Oliver Ruth Thomas", "Baker Campbell Evans Hughes Murphy Reid Turner Walker"),
    ("Alinta Aroha Hemi Kaia Malia Nikau Sione Tane", "Fonoti Kahale Latu Ngata Parata Tamihana Tupou Walker"),
    ("Anh Binh Duc Hanh Linh Minh Thu Tuan", "Bui Đang Do Hoang Le Nguyen Pham Tran"),
    ("Agnieszka Bartosz Jan Kasia Marek Ola Piotr Zofia", "Dąbrowski Kowal Lis Mazur Nowak Wójcik Zając Żak"),
)

WITHOUT_STROKES = str.maketrans("øđł", "odl")  # which Unicode does not decompose
MOMENT = "datetime64[ms]"
FULL_NAMES = tuple(
    f"{given} {family}"
    for given_names, families in NAMES
    for given in given_names.split()
    for family in families.split()
)

Columns = dict[str, Values]


class Block:
    """The people whose numbers begin at `number` times BLOCK, at most `size` of them, and how able they are."""

    def __init__(self, seed: int, number: int, size: int = BLOCK) -> None:
        self.seed, self.number, self.size = seed, number, size
        self._bits = self.draw(PEOPLE, 10)
        self._numbers = np.arange(number * BLOCK, number * BLOCK + size)

    @cached_property
    def user_ids(self) -> list[str]:
        """In the order of the people's numbers, which is that of their ids."""
        return uuid7(self.joined, self._bits[1], self._bits[2])

    @cached_property
    def emails(self) -> list[str]:
        """No two people of any seeds have the same."""
        return [
            f"{_ascii(name)}.{number}.seed{self.seed}@example.com"
            for name, number in zip(self._names, self._numbers.tolist(), strict=True)
        ]

    def users(self) -> Columns:
        joined = self.joined.astype(MOMENT)
        return {
            "id": self.user_ids,
            "email": self.emails,
            "name": self._names,
            "occupation_code": self.codes,
            "education_level": _chosen(EDUCATION, self._bits[3]),
            "years_experience": ((self._bits[4] % np.uint64(81)).astype(np.float64) / 2).tolist(),
            "created_at": joined,
            "updated_at": joined,
        }

    @cached_property
    def joined(self) -> Milliseconds:
        # The root of the root, exactly rounded everywhere: sign-ups grow with time, the more users the later.
        part = (self._numbers + 0.9 * uniform(self._bits[5])) / MOST_USERS
        return FIRST_DAY + (SIGN_UPS * np.sqrt(np.sqrt(part))).astype(np.int64)

    @cached_property
    def ability(self) -> Floats:
        """θ by component when they join, near N(0, 1)."""
        drawn = normal(self._bits[6:10])
        ability: Floats = math.sqrt(CORRELATION) * drawn[0] + math.sqrt(1 - CORRELATION) * drawn[1:]
        return ability

    @cached_property
    def _names(self) -> list[str]:
        return _chosen(FULL_NAMES, self._bits[4] >> np.uint64(16))

    @cached_property
    def codes(self) -> list[str]:
        return _chosen(tuple(OCCUPATIONS), self._bits[0])

    def draw(self, stream: int, rows: int) -> Integers:
        """`rows` random numbers of 64 bits for each of the people. All of a block are drawn, whatever its size."""
        bits = np.random.PCG64(np.random.SeedSequence((self.seed, self.number, stream)))
        drawn: Integers = bits.random_raw(rows * BLOCK)
        return drawn.reshape(rows, BLOCK)[:, : self.size]


def _chosen(options: tuple[str, ...], bits: Integers) -> list[str]:
    return [options[index] for index in (bits % np.uint64(len(options))).tolist()]


@cache
def _ascii(name: str) -> str:
    """A name as the part of an address before the @."""
    decomposed = unicodedata.normalize("NFKD", name.lower().translate(WITHOUT_STROKES))
    return decomposed.encode("ascii", "ignore").decode().replace(" ", ".")
