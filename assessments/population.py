"""A seed stands for the same people on every day and machine: nothing here asks the clock or a database.

People are numbered from 0 and made in blocks, each from generators of its own, so that a larger population, or one
with more scores, begins with the smaller one, row for row. Only raw bits and exactly rounded arithmetic are used: the
distributions of numpy may change with its version.
"""

import math
import unicodedata
from datetime import UTC, datetime
from functools import cache, cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from assessments.estimation import Floats
from assessments.occupations import OCCUPATIONS
from assessments.scoring import COMPONENTS, INPUT_VERSION, Scores, metadata, score_many
from assessments.services import HIGHEST_ABILITY, INPUT_SD, LOWEST_ABILITY
from qulab.db.bulk import Values

BLOCK = 2_000  # people; like every number below, part of what a seed stands for
MOST_USERS = 1_000_000
MOST_SCORES = 20  # of one person
MINUTE, DAY = 60_000, 86_400_000  # milliseconds
FIRST_DAY = int(datetime(2018, 1, 1, tzinfo=UTC).timestamp()) * 1000
SIGN_UPS = 2_192 * DAY  # the time in which MOST_USERS join: six years
BETWEEN_SCORES = 20 * DAY  # on average
GROWTH, LUCK = 0.06, 0.15  # of an ability from one score to the next, in SDs: what is added, and how that varies
ASSESSED = 0.3  # the part of the people who have assessments
COMPLETED = (0.85, 0.7, 0.5)  # the part of each component's assessments that are not in progress

PEOPLE, ASSESSMENTS, SCORES = 0, 1, 2  # streams of random bits of one block; a round of scores takes the next one

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
HR = {code: occupation.hr_score for code, occupation in OCCUPATIONS.items()}
MOMENT = "datetime64[ms]"
_encode = msgspec.json.Encoder().encode
HEX_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
HEX_PLACES = [place for place in range(36) if place not in (8, 13, 18, 23)]
FULL_NAMES = tuple(
    f"{given} {family}"
    for given_names, families in NAMES
    for given in given_names.split()
    for family in families.split()
)

Integers = NDArray[np.uint64]
Milliseconds = NDArray[np.int64]  # since 1970
Columns = dict[str, Values]


class Block:
    """The people whose numbers begin at `number` times BLOCK, at most `size` of them, and all that is theirs."""

    def __init__(self, seed: int, number: int, size: int = BLOCK) -> None:
        self.seed, self.number, self.size = seed, number, size
        self._bits = self.draw(PEOPLE, 10)
        self._numbers = np.arange(number * BLOCK, number * BLOCK + size)

    @cached_property
    def user_ids(self) -> list[str]:
        """In the order of the people's numbers, which is that of their ids."""
        return _uuid7(self.joined, self._bits[1], self._bits[2])

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

    def assessments(self, component: int) -> Columns:
        """Of one component of the test, for the part of the people who have begun it: the same for each component."""
        drawn = self.draw(ASSESSMENTS, 13)
        taken = np.flatnonzero(_uniform(drawn[0]) < ASSESSED)
        bits = drawn[1 + 4 * component :, taken]
        completed = _uniform(bits[0]) < COMPLETED[component]
        began = self.joined[taken] + ((component + _uniform(bits[1])) * DAY).astype(np.int64)
        items = np.where(completed, 8 + bits[2] % np.uint64(8), 1 + bits[2] % np.uint64(7))
        # What is in progress knows less: its estimate is still nearer to the mean.
        ability = np.round(np.where(completed, 1.0, 0.5) * self.ability[component, taken], 2)
        return {
            "id": _uuid7(began, bits[2], bits[3]),
            "user_id": [self.user_ids[index] for index in taken.tolist()],
            "status": ["completed" if done else "in_progress" for done in completed.tolist()],
            "component": [COMPONENTS[component]] * len(taken),
            "current_ability": ability.tolist(),
            "items_administered": items.tolist(),
            "created_at": began.astype(MOMENT),
            "updated_at": (began + items.astype(np.int64) * MINUTE).astype(MOMENT),
        }

    def scores(self, turn: int) -> "Turn":
        """The score number `turn`, from 0, of each of the people."""
        return Turn(self, turn)

    @cached_property
    def joined(self) -> Milliseconds:
        # The root of the root, exactly rounded everywhere: sign-ups grow with time, the more users the later.
        part = (self._numbers + 0.9 * _uniform(self._bits[5])) / MOST_USERS
        return FIRST_DAY + (SIGN_UPS * np.sqrt(np.sqrt(part))).astype(np.int64)

    @cached_property
    def ability(self) -> Floats:
        """θ by component, near N(0, 1); half of what makes them differ between people is common to all three."""
        normal = _normal(self._bits[6:10])
        ability: Floats = (normal[0] + normal[1:]) / math.sqrt(2)
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


class Turn:
    """One score of each of a block's people."""

    def __init__(self, block: Block, turn: int) -> None:
        self.block, self._turn = block, turn
        self._bits = block.draw(SCORES + turn, 9)

    @cached_property
    def ids(self) -> list[str]:
        return _uuid7(self._moments, self._bits[1], self._bits[2])

    @cached_property
    def event_ids(self) -> list[str]:
        return _uuid7(self._moments, self._bits[3], self._bits[4])

    @cached_property
    def scored(self) -> Scores:
        theta, hr = self._theta, np.array([HR[code] for code in self.block.codes])
        return score_many(theta, np.full(theta.shape, INPUT_SD), hr)

    def columns(self) -> Columns:
        scores, moments = self.scored, self._moments.astype(MOMENT)
        hr, sd = scores.hr.tolist(), [INPUT_SD] * len(COMPONENTS)
        parts = zip(self._theta.tolist(), hr, scores.vr_se.tolist(), scores.clipped.tolist(), strict=True)
        return {
            "id": self.ids,
            "user_id": self.block.user_ids,
            "occupation_code": self.block.codes,
            "air_score": scores.air.tolist(),
            "vr_score": scores.vr.tolist(),
            "hr_score": hr,
            "synergy_score": scores.synergy.tolist(),
            "ci_lower": scores.ci_lower.tolist(),
            "ci_upper": scores.ci_upper.tolist(),
            "parameter_version": [INPUT_VERSION] * len(hr),
            # Encoded one by one: as dicts, all of them together would keep the garbage collector busy.
            "calculation_metadata": [
                msgspec.Raw(
                    _encode(metadata(theta, sd, hr, vr_se=vr_se, clipped=clipped, parameter_version=INPUT_VERSION))
                )
                for theta, hr, vr_se, clipped in parts
            ],
            "created_at": moments,
            "updated_at": moments,
        }

    @cached_property
    def _moments(self) -> Milliseconds:
        return self.block.joined + ((self._turn + _uniform(self._bits[0])) * BETWEEN_SCORES).astype(np.int64)

    @cached_property
    def _theta(self) -> Floats:
        """n × 3: an ability that grows from one score to the next, measured with some luck."""
        theta = self.block.ability + self._turn * GROWTH + LUCK * _normal(self._bits[5:8])
        return np.clip(np.round(theta, 2), LOWEST_ABILITY, HIGHEST_ABILITY).T


def _uuid7(moments: Milliseconds, high: Integers, low: Integers) -> list[str]:
    """UUIDs of version 7 (RFC 9562): 48 bits of time, 4 of the version, 12 random, 2 of the variant, 62 random."""
    upper = (moments.astype(np.uint64) << np.uint64(16)) | np.uint64(0x7000) | (high & np.uint64(0x0FFF))
    lower = np.uint64(1 << 63) | (low >> np.uint64(2))
    octets = np.stack([upper, lower], axis=1).astype(">u8").view(np.uint8)
    text = np.full((len(octets), 36), ord("-"), dtype=np.uint8)
    text[:, HEX_PLACES] = HEX_DIGITS[np.stack([octets >> 4, octets & 15], axis=2).reshape(-1, 32)]
    ids: list[str] = text.view("S36").ravel().astype("U36").tolist()
    return ids


def _uniform(bits: Integers) -> Floats:
    """In [0, 1), as dense as a float can be."""
    return (bits >> np.uint64(11)).astype(np.float64) / 2**53


def _normal(bits: Integers) -> Floats:
    """Near N(0, 1), never beyond ±3.5: the sum of four numbers of 16 bits, which no rounding can change."""
    parts = [(bits >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)]
    total: Integers = np.sum(parts, axis=0)
    return (total.astype(np.float64) - 2 * 0xFFFF) * math.sqrt(3) / 0x10000


def _chosen(options: tuple[str, ...], bits: Integers) -> list[str]:
    return [options[index] for index in (bits % np.uint64(len(options))).tolist()]


@cache
def _ascii(name: str) -> str:
    """A name as the part of an address before the @."""
    decomposed = unicodedata.normalize("NFKD", name.lower().translate(WITHOUT_STROKES))
    return decomposed.encode("ascii", "ignore").decode().replace(" ", ".")
