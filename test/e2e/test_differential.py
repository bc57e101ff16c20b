"""A little of the differential tester and of the leak hunt; test/differential runs more."""

import asyncio
import json
import pathlib
import sys

import pytest

TESTER = pathlib.Path(__file__).resolve().parent.parent / "differential"
FOUND = sorted((TESTER / "found").glob("*.json"))
sys.path.insert(0, str(TESTER))

from differ import meanings  # noqa: E402
from differ.hunt import hunt  # noqa: E402
from differ.place import Place  # noqa: E402
from differ.trial import Trial  # noqa: E402

pytestmark = pytest.mark.long


@pytest.fixture
def make_place(binary, cluster, tmp_path_factory, workdir):
    """A factory: make_place("transaction", setting=value)."""
    made = []

    def make(mode, more="", **settings):
        made.append(Place(binary, mode, settings, cluster, workdir, more))
        return made[-1]

    yield make
    for place in made:
        place.close()


def try_seeds(trial, seeds):
    for seed in seeds:
        failure = trial.try_seed(seed)
        if failure is not None:
            trial.shrink(failure, 20)
            pytest.fail(f"seed {seed}: {failure.difference.describe()}\n{failure.script()}")


@pytest.mark.parametrize("mode", ("transaction", "session"))
def test_made_up_sequences_give_the_same_answers_as_postgresql(make_place, mode):
    # In session mode RESET goes back to what the server had, not the client.
    trial = Trial(make_place(mode), has_startup=mode != "session")
    try_seeds(trial, range(1, 41))
    assert trial.tally.answers > 500
    if mode == "transaction":
        assert trial.tally.other_pid > 0, "nobody ever found himself on another server"


def test_texts_mean_to_each_session_what_its_parameters_say(make_place):
    trial = Trial(make_place("transaction", meanings.FRESH, default_pool_size=meanings.SESSIONS,
                             max_pinned=meanings.SESSIONS), author=meanings.Author)
    try_seeds(trial, range(1, 61))
    assert trial.tally.answers > 1000


def test_what_once_differed_is_the_same_now(make_place):
    trial = Trial(make_place("transaction"), 5.0)
    differs = {}
    for path in FOUND:
        difference = trial.replay(json.loads(path.read_text()))
        if difference is not None:
            differs[path.stem] = difference.describe()
    assert FOUND
    if differs:
        pytest.fail("\n".join(f"{name}: {text}" for name, text in differs.items()))


@pytest.mark.parametrize("state", ("pin", "allow"))
def test_nobody_sees_the_state_of_another(make_place, state):
    place = make_place("transaction", default_pool_size=5, max_pinned=-1, server_state=state)
    place.pooled.refresh()
    place.new_pooler()
    found, strange = asyncio.run(hunt(place.pooled, 60, 5, 1, state == "pin"))
    assert strange is None, strange
    assert found.operations > 200, list(found.lines(5))
    assert found.other_server * 2 > found.asked_server, list(found.lines(5))
