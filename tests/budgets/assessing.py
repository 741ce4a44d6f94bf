"""The addresses of the test. One statement of each finds out who is signed in."""

from assessments import sittings
from assessments.bank import CURRENT, Multiple, bank
from assessments.models import AIRScore
from assessments.progress import first_question
from assessments.scoring import COMPONENTS
from tests.access.people import account, sign_client_in
from tests.admin.conftest import store

from .conftest import Project
from .table import Case, post

OCCUPATION = {"occupation_code": "15-1252"}
ANSWER = {"question": "{question}", "letters": "a"}


def see_other(address: str, statements: int) -> Case:
    return Case(address, statements, status=303)


ASSESSING: dict[str, list[Case]] = {
    "assess/": [Case("/assess/", 3)],
    "assess/begin": [
        Case("/assess/begin", 3),  # the profile has no occupation, so the last score is asked
        Case("/assess/begin?q=nurse", 1),
        post("/assess/begin", 4, OCCUPATION, 303),  # a test is open
        post("/assess/begin", 3, status=422),
    ],
    "assess/<str:sitting_id>": [
        Case("/assess/{sitting}", 2),
        Case("/assess/nobody", 2, status=404),
    ],
    "assess/<str:sitting_id>/answer": [
        see_other("/assess/{sitting}/answer", 1),
        post("/assess/{sitting}/answer", 6, ANSWER, 303),
        post("/assess/{sitting}/answer", 2, {"question": "{question}"}, 422),
        post("/assess/{sitting}/answer", 3, {}, 400),
        post("/assess/nobody/answer", 2, ANSWER, 404),
    ],
    "assess/<str:sitting_id>/abandon": [
        Case("/assess/{sitting}/abandon", 2),
        post("/assess/{sitting}/abandon", 5, status=303)._replace(more_on_postgresql=-1),
        post("/assess/nobody/abandon", 2, status=404),
    ],
    "assess/results/<str:score_id>": [
        Case("/assess/results/{own_score}", 3),
        Case("/assess/results/{score}", 2, status=404),
    ],
    "assess/results/<str:score_id>.json": [
        Case("/assess/results/{own_score}.json", 2),
        Case("/assess/results/{score}.json", 2, status=404),
    ],
}


async def taker_for(project: Project) -> None:
    """A new account for each case, signed in, with a score and a test whose first question is a choice of several."""
    known = await account(project.database)
    await sign_client_in(project.client, known)
    halves = dict.fromkeys(["air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper"], 50.0)
    own = AIRScore(user_id=known.person.id, **OCCUPATION, parameter_version="1", **halves)
    await store(project.database, own)
    async with project.database.writing() as session:
        sitting_id = await sittings.begin(session, user_id=known.person.id, seed=_seed(), **OCCUPATION)
    async with project.database.reading() as session:
        progress = await sittings.progress_of(session, user_id=known.person.id, sitting_id=sitting_id)
    assert progress.pending is not None
    project.keys |= {"sitting": sitting_id, "question": progress.pending.question, "own_score": own.id}


def _seed() -> str:
    """One that draws a choice of several first."""
    for seed in map(str, range(1000)):
        first = first_question(COMPONENTS[0], seed=seed, version=CURRENT)
        if isinstance(bank().items[first.item_id], Multiple):
            return seed
    raise AssertionError("no test begins with a choice of several")
