"""What of a score is cached and shown: frozen values, and what somebody answered is in no cache."""

from datetime import datetime
from typing import Any, Self

import msgspec
from sqlalchemy import Row

from assessments.models import AIRScore


class ListedScore(msgspec.Struct, frozen=True):
    """A score in a list: not what it was calculated from, of which there are some 2 kB a score."""

    id: str
    occupation_code: str
    air_score: float
    vr_score: float
    ci_lower: float
    ci_upper: float
    parameter_version: str
    created_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        return cls(**row._mapping)


class AIRScoreSnapshot(msgspec.Struct, frozen=True):
    id: str
    user_id: str
    occupation_code: str
    air_score: float
    vr_score: float
    hr_score: float
    synergy_score: float
    ci_lower: float
    ci_upper: float
    parameter_version: str
    calculation_metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, score: AIRScore) -> Self:
        return cls(**{name: getattr(score, name) for name in cls.__struct_fields__})

    def without_answers(self) -> Self:
        """All but what was answered, question by question: whoever wants to calculate it again reads the row."""
        told = {name: value for name, value in self.calculation_metadata.items() if name != "answers"}
        return msgspec.structs.replace(self, calculation_metadata=told)
