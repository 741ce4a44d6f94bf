"""Whatever is sent to whatever address by whomever: the server does not break, and stores nothing that is not valid.

`QULAB_FUZZ_EXAMPLES=50000` tries more, and other inputs each time; the default tries the same ones each time.
"""

import os
import random
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis

from accounts import tasks
from qulab.cache.read_through import Cache
from qulab.db.engine import Database
from qulab.lab.crashes import parent
from qulab.lab.runs import queue
from qulab.lean.handler import LeanHandler

from .addresses import Route, is_list, route_of, routes
from .harvest import NEW_ADDRESS, Page, Seed, names_asked_for, names_of_all_forms
from .inputs import (
    HEADERS,
    IN_ADDRESSES,
    IN_FORMS,
    METHODS,
    NASTY,
    SIGNS,
    UNKNOWN,
    bodies,
    header_values,
    joined,
    values,
)
from .validity import Watch, what_is_wrong
from .wire import Answer, Pairs, Request, encoded, segment
from .world import CALLERS, FROM_ELSEWHERE, TOKEN, World

MORE = os.environ.get("QULAB_FUZZ_EXAMPLES")
EXAMPLES = int(MORE or 2_000)
BATCH = 100
PAGES = 150
FORM = "application/x-www-form-urlencoded"
AWAY = {"readyz"}  # says 503 where a worker is missing, as here


@pytest.fixture
async def world(
    database: Database,
    cache: Cache,
    streams_client: Redis,
    redis_url: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    async def nothing(*_: Any, **__: Any) -> None:
        return

    async def crashed_not(*_: Any, **__: Any) -> None:
        raise parent.Crashing

    async def room(*_: Any, **__: Any) -> bool:
        return True

    monkeypatch.setattr(queue, "send", nothing)
    monkeypatch.setattr(parent, "crash", crashed_not)
    monkeypatch.setattr(tasks, "send_reset", nothing)
    monkeypatch.setattr(MovingWindowRateLimiter, "hit", room)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.REDIS_URL = redis_url
    settings.CELERY_BROKER_URL = f"{redis_url.removesuffix('/0')}/2"
    world = World(database, LeanHandler())
    await world.renew()
    return world


class Known:
    """What the project takes: routes with requests that lead there, and the names and values of all of them."""

    def __init__(self) -> None:
        self.routes = routes()
        self.seeds: dict[str, list[Seed]] = {route.name: [] for route in self.routes}
        self.names: list[str] = []
        self.words: list[str] = []

    def add(self, seed: Seed) -> bool:
        """Whether it is of a shape that was not known for its address."""
        name = route_of(seed.path)
        if name is None or any(seed.shape == one.shape for one in self.seeds[name]):
            return False
        self.seeds[name].append(seed)
        return True

    def settle(self, asked: set[str]) -> None:
        pairs = [pair for seeds in self.seeds.values() for seed in seeds for pair in seed.query + seed.fields]
        self.names = sorted(asked | names_of_all_forms() | {str(name) for name, _ in pairs})
        self.words = sorted({str(value) for _, value in pairs})


async def learned(world: World) -> Known:
    """Walk through the pages as the two who see most; then ask each address what names it looks for."""
    known = Known()
    for caller in ("operator", "person"):
        waiting, seen = [Seed("GET", "/", [], []), Seed("GET", "/accounts/", [], [])], 0
        while waiting and seen < PAGES:
            seed, seen = waiting.pop(0), seen + 1
            answer = await world.ask(request_of(world, caller, seed))
            if "html" in answer.headers.get("content-type", ""):
                found = Page(seed.path, answer.body.decode(), caller)
                waiting += [one for one in found.seeds if known.add(one) and one.method == "GET"]
    with names_asked_for() as asked:
        for route in known.routes:
            path = route.path(dict.fromkeys(route.groups, world.ids[0]))
            known.seeds[route.name] += [Seed(method, path, [], []) for method in ("GET", "POST")]
            for method in ("GET", "POST"):
                await world.ask(request_of(world, "operator", Seed(method, path, [], [])))
    known.settle(asked)
    return known


def request_of(world: World, caller: str, seed: Seed) -> Request:
    """As a browser would send it."""
    headers = (
        ("Host", b"localhost"),
        ("Cookie", "; ".join(world.cookies(caller)).encode()),
        ("Content-Type", FORM.encode()),
        ("X-CSRFToken", TOKEN.encode()),
    )
    client = "127.0.0.1" if caller == "operator" else FROM_ELSEWHERE
    return Request(seed.method, seed.path, encoded(seed.query), headers, encoded(seed.fields), client)


Input = tuple[str, Seed, list[tuple[str, bytes]], tuple[bytes, bytes] | None]


Target = tuple[Seed, bool, int]


def targets(known: Known) -> list[Target]:
    """Every field of every form, and every parameter of every link: True for those of forms."""
    seeds = [seed for name in sorted(known.seeds) for seed in known.seeds[name]]
    places = [(seed, in_form) for seed in seeds for in_form in (True, False)]
    return [(seed, in_form, n) for seed, in_form in places for n in range(len(seed.fields if in_form else seed.query))]


@st.composite
def careful(draw: Any, known: Known, target: Target, ids: list[str]) -> Input:
    """Somebody who may, and a request that would do, but for this one value."""
    seed, in_form, place = target
    pairs = list(seed.fields if in_form else seed.query)
    name, value = pairs[place]
    worse = values(known.words + ids, IN_FORMS if in_form else IN_ADDRESSES)
    pairs[place] = (name, draw(st.one_of(worse, st.sampled_from(SIGNS).map(lambda sign: joined(value, sign)))))
    changed = seed._replace(fields=pairs) if in_form else seed._replace(query=pairs)
    return draw(st.sampled_from([seed.caller, seed.caller, "staff"])), changed, [], None


@st.composite
def wild(draw: Any, known: Known, route: Route, ids: list[str]) -> Input:
    """Anybody, with any number of things wrong: in the address, the form, the headers, the kind of body."""
    seed: Seed = draw(st.sampled_from(known.seeds[route.name]))
    words = known.words + ids
    path = seed.path
    if route.groups and draw(st.integers(0, 2)) == 0:
        path = route.path({name: segment(draw(_group(pattern, ids))) for name, pattern in route.groups.items()})
    query = draw(_changed(seed.query, known.names, values(words, IN_ADDRESSES)))
    fields = draw(_changed(seed.fields, known.names, values(words, IN_FORMS))) if seed.method == "POST" else []
    method = seed.method if draw(st.integers(0, 9)) else draw(st.sampled_from(METHODS))
    headers = draw(st.lists(st.tuples(st.sampled_from(HEADERS), header_values), max_size=2))
    body = None if draw(st.integers(0, 14)) else draw(bodies)
    return draw(st.sampled_from(CALLERS)), Seed(method, path, query, fields), headers, body


def _group(pattern: str, ids: list[str]) -> st.SearchStrategy[Any]:
    short = [one for one in NASTY if len(one) <= max(IN_ADDRESSES)]
    fitting = st.from_regex(pattern, fullmatch=True)
    if is_list(pattern):  # what does not fit leads nowhere
        return st.integers(0, 19).flatmap(lambda dice: fitting if dice else st.sampled_from(short))
    return st.one_of(fitting, st.sampled_from(ids), st.sampled_from(short))


WAYS = ["replace", "replace", "replace", "leave out", "double", "add"]


@st.composite
def _changed(draw: Any, pairs: Pairs, names: list[str], value: st.SearchStrategy[Any]) -> Pairs:
    """Up to three of them are replaced, left out, doubled, or joined by another."""
    changed = list(pairs)
    for _ in range(draw(st.integers(0, 3))):
        how = draw(st.sampled_from(WAYS))
        if how == "add" or not changed:
            changed.append((draw(st.sampled_from(names) | st.sampled_from(UNKNOWN)), draw(value)))
            continue
        place = draw(st.integers(0, len(changed) - 1))
        if how == "leave out":
            changed.pop(place)
        elif how == "double":
            changed.append((changed[place][0], draw(value)))
        else:
            changed[place] = (changed[place][0], draw(value))
    return changed


def drawn(known: Known, ids: list[str], count: int) -> list[Input]:
    """Half of them with one value that is wrong, as many for each; half wild, as many for each address. All mixed."""
    wrong_values = [careful(known, target, ids) for target in targets(known)]
    found = [one for strategy in wrong_values for one in some(strategy, count // 2 // len(wrong_values))]
    for route in known.routes:
        found += some(wild(known, route, ids), count // 2 // len(known.routes))
    random.Random(len(found)).shuffle(found)
    return found


def some(strategy: st.SearchStrategy[Input], count: int) -> list[Input]:
    found: list[Input] = []

    @hypothesis(
        max_examples=max(count, 1),
        derandomize=not MORE,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(one: Input) -> None:
        found.append(one)

    collect()
    return found


def sent(world: World, one: Input, number: int) -> Request:
    caller, seed, headers, body = one
    usual = request_of(world, caller, seed)
    fresh = usual.body.replace(encoded([("", NEW_ADDRESS)]), encoded([("", f"{number}{NEW_ADDRESS}")]))
    kind, content = body or (FORM.encode(), fresh)
    given = dict(usual.headers) | {"Content-Type": kind, "Content-Length": str(len(content)).encode()} | dict(headers)
    return usual._replace(headers=tuple(given.items()), body=content)


def what_is_wrong_with(answer: Answer, route: str | None, *, changed: bool) -> list[str]:
    """What no answer may be, whatever was asked."""
    wrong = []
    if answer.status >= 500 and not (answer.status == 503 and route in AWAY):
        wrong.append(f"answered {answer.status}")
    if answer.status >= 400 and changed:
        wrong.append(f"answered {answer.status}, and stored something")
    if "content-security-policy" not in answer.headers or "x-content-type-options" not in answer.headers:
        wrong.append("has not the headers that each answer has")
    if answer.headers.get("location", "/").startswith(("//", "/\\")) or ":" in answer.headers.get("location", "")[:8]:
        wrong.append(f"leads to {answer.headers['location']!r}")
    wrong += [f"cookie {one!r}" for one in answer.cookies if "SameSite=Lax" not in one]
    return wrong


def report(tried: Counter[str], statuses: Counter[int], seconds: float, dialect: str) -> str:
    spread = ", ".join(f"{count:,} × {status}" for status, count in sorted(statuses.items()))
    addresses = f"{tried.total():,} inputs to {len(tried)} addresses (at least {min(tried.values())} to each)"
    return f"\nfuzz on {dialect}: {addresses} in {seconds:.0f} s: {spread}"


async def test_no_input_breaks_the_server_or_what_is_stored(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    known = await learned(world)
    chosen = drawn(known, world.ids, EXAMPLES)
    watch = Watch(world.database)
    await watch.open()
    began, tried, statuses, wrong = time.monotonic(), Counter[str](), Counter[int](), []
    tried.update({route.name: 0 for route in known.routes})
    for number, one in enumerate(chosen):
        if number % BATCH == 0:
            wrong += await what_is_wrong(world.database)
            await world.renew()
            await watch.look()
        request = sent(world, one, number)
        try:
            answer = await world.ask(request)
        except Exception as error:  # as a server that is handed one
            answer = Answer([{"status": 500, "headers": []}])
            wrong.append(f"raised {error!r:.300}")
        statuses[answer.status] += 1
        route = route_of(request.scope()["path"])
        tried["(no address)" if route is None else route] += 1
        found = what_is_wrong_with(answer, route, changed=await watch.something_changed())
        wrong += [f"{what}: {one[0]}, {request!s:.1500}" for what in found]
        if answer.status < 400 and request.method == "POST":
            await world.renew(everything=request.path.startswith("/accounts/"))
            await watch.look()
    wrong += await what_is_wrong(world.database)
    await watch.close()
    with capsys.disabled():
        print(report(tried, statuses, time.monotonic() - began, world.database.dialect))

    assert not wrong, f"{len(wrong)} things went wrong:\n" + "\n".join(dict.fromkeys(wrong))
    assert all(tried.values()), [route for route, count in tried.items() if not count]
