"""Guidance: it pulls the right way, moves nobody else, and what it makes can be rebuilt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenegen.errors import CheckpointError, EstimateError, QueryError, UnknownNameError
from scenegen.layout import LearnedLayout
from scenegen.layout.diffusion import DiffusionModel, Sampler, SamplerConfig
from scenegen.layout.learned import one_thread
from scenegen.layout.map_tokens import encode_map
from scenegen.layout.network import NetworkConfig
from scenegen.layout.scene_batch import SceneBatch, known_of_fresh
from scenegen.layout.tokens import CHANNELS, POSE, encode
from scenegen.layout.training_run import CHECKPOINT, TrainingRun, TrainingSettings
from scenegen.pipeline import Composer, Request, replay
from scenegen.pipeline.guidance import GuidanceSettings, QueryGuide, Site, steerable
from scenegen.pipeline.guided import SEVEREST, EgoMotion, ModelStaging, wanted_severity
from scenegen.pipeline.rates import guided_rate
from scenegen.pipeline.shortfall import Shortfall
from scenegen.query import load_query, parse
from scenegen.query.robustness import Robustness
from scenegen.query.trajectories import Trajectories
from scenegen.scene import AgentStates, Composition, Conditions, Control, Scene
from scenegen.scene.plans import KNOTS
from scenegen.sim import rollout, to_scenario
from tests.builders import cars, constant_speed_scenario, straight_road
from tests.layout.corpora import EVENTS, write_corpus

TINY = {"network": {"width": 32, "layers": 2, "heads": 2, "expansion": 2}}
QUERY = "cut_in(c) and ttc(ego,c) < 3s"
ROAD = straight_road(3)
PULLS = [
    *("ttc(ego,c) < 1.5s", "c.speed > 25m/s", "c.accel < -3m/s^2", "gap(ego,c) < 8m"),
    *("left(ego,c) > 0m", "c.lane_offset > 1m", "c.yaw_rate > 0.1rad/s", "c.jerk < -3m/s^3"),
    *("c.lat_accel > 1m/s^2", "abs(bearing(ego,c)) < 3deg", "c.heading > 10deg"),
    *("closing(ego,c) > 5m/s", "ahead(ego,c) > 30m", "thw(ego,c) < 0.5s", "distance(ego,c) < 0.2m"),
    *("drac(ego,c) > 3m/s^2", "ego.speed > 27m/s", "always(c.speed > 22.5m/s)"),
    "c.accel < -4m/s^2 and ttc(ego,c) < 1.5s",
    "c.speed > 23m/s for 0.5s then[0s,4s] left(ego,c) > -1m",
]


def opening(agents: AgentStates | None = None) -> tuple[SceneBatch, Site]:
    """Take four cars that drive on at their speed; the second plays c and may be moved."""
    cast = agents if agents is not None else cars((100, 3.5, 25), (118, 0, 22), (140, 3.5, 24))
    knots = np.zeros((cast.count, KNOTS, 2))
    scene = Scene(roadmap=ROAD, agents=cast, conditions=Conditions())
    tokens = encode(scene, knots, knots[:, 0, 0], {"c": 1})
    road = encode_map(ROAD, tokens.frame)
    agents_, none = torch.from_numpy(tokens.values)[None], torch.zeros(1, 20)
    batch = SceneBatch(
        agents=agents_,
        map_points=torch.from_numpy(road.points)[None],
        map_attributes=torch.from_numpy(road.attributes)[None],
        map_valid=torch.from_numpy(road.valid)[None],
        condition=none,
        asked=none > 0,
        known=known_of_fresh(agents_),
    )
    return batch, Site(roadmap=ROAD, frame=tokens.frame)


def guide_to(text: str, site: Site, **settings: float) -> QueryGuide:
    """Guide c towards a query, with the deviations of a corpus."""
    spread = torch.ones(CHANNELS)
    spread[POSE.start : POSE.start + 2] = 1.6
    how = GuidanceSettings(**settings)  # type: ignore[arg-type]
    return QueryGuide.of(parse(text), {"c": 1}, [site], spread, how)


@pytest.mark.parametrize("text", PULLS)
def test_a_step_along_the_guide_raises_the_exact_margin(text: str) -> None:
    """Once moved, the query is nearer or met; its margin is the exact one."""
    batch, site = opening()
    guide = guide_to(text, site)
    before = float(guide.margin(batch.agents.double()))

    moved = batch.agents + guide(batch.agents, 0.05, batch)

    assert before < 0.2
    assert float(guide.margin(moved.double())) > before


@pytest.mark.parametrize("text", PULLS)
def test_known_channels_and_bystanders_never_move(text: str) -> None:
    """Where the ego begins is given, and nobody but ego and roles is moved."""
    batch, site = opening()

    shift = guide_to(text, site)(batch.agents, 0.5, batch)

    assert shift.isfinite().all()
    assert (shift[batch.known] == 0.0).all()
    assert (shift[:, 2:] == 0.0).all()
    assert (shift[:, :2] != 0.0).any()


def test_what_is_met_is_left_alone() -> None:
    """Nothing moves where the target is met and no boxes overlap."""
    batch, site = opening()

    shift = guide_to("ttc(ego,c) < 60s or c.speed > 10m/s", site)(batch.agents, 0.5, batch)

    assert (shift == 0.0).all()


def test_roles_are_kept_off_bystanders() -> None:
    """A role placed in a car that is not in the query comes out of it, and that car stays."""
    batch, site = opening(cars((100, 3.5, 25), (140, 3.2, 24), (141, 4.0, 24)))
    guide = guide_to("c.speed > 10m/s", site)

    moved = batch.agents + guide(batch.agents, 1.0, batch)

    assert guide.lacking(batch.agents.double(), batch)[0, 0] > 1.0
    assert guide.lacking(moved.double(), batch)[0, 0] < 0.5
    assert torch.equal(moved[:, 2], batch.agents[:, 2])


@pytest.mark.parametrize("sigma", [0.01, 0.3, 5.0])
def test_the_shift_stays_within_reach(sigma: float) -> None:
    """No channel moves by more than the deviation its clean value has at the noise level."""
    batch, site = opening()
    guide = guide_to("c.speed > 60m/s and left(ego,c) > 90m", site, reach=0.5)

    shift = guide(batch.agents, sigma, batch) / guide.spread

    assert shift.abs().max() <= 0.5 * sigma / (1.0 + sigma**2) ** 0.5 + 1e-6


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("night and cut_in(c) and ttc(ego,c) < 2s", "ttc(ego,c) < 2s"),
        ("cut_in(c) then[0s,2s] c.accel < -3m/s^2", "c.accel < -3m/s^2"),
        ("at(intrusion(ego,c) > 0.3m, ttc(ego,c) < 1s)", "ttc(ego,c) < 1s"),
        ("c.speed > 9m/s and gap(ego,c) < 5m", "c.speed > 9m/s and gap(ego,c) < 5m"),
        ("c.speed > 9m/s or pet(ego,c) < 1s", "c.speed > 9m/s"),
        ("not (cut_in(c) and c.speed > 9m/s)", "not c.speed > 9m/s"),
        ("gap(ego,d) < 9m and ego.speed > 9m/s", "ego.speed > 9m/s"),
    ],
)
def test_what_has_no_slope_is_left_to_the_exact_check(text: str, left: str) -> None:
    """Comparisons of motion about known roles stay, the rest is left out."""
    found = steerable(parse(text).formula, ["c"])

    assert found is not None
    assert found.text == parse(left).text


def test_a_query_of_events_alone_has_nothing_to_pull() -> None:
    """Then only boxes are kept apart."""
    batch, site = opening()

    assert steerable(parse("night and cut_in(c)").formula, ["c"]) is None
    assert (guide_to("night and cut_in(c)", site)(batch.agents, 0.5, batch) == 0.0).all()


@pytest.mark.parametrize("text", PULLS)
@pytest.mark.parametrize("speed", [15.0, 24.0, 35.0])
def test_nothing_lacks_exactly_where_the_margin_is_reached(text: str, speed: float) -> None:
    """The shortfall is zero if and only if the exact margin is at least the target."""
    scenario = constant_speed_scenario(ROAD, cars((100, 3.5, 25), (118, 3.5, speed)))
    tensors = [torch.from_numpy(np.asarray(getattr(scenario.agents, n), np.float64))[None]
               for n in ("position", "yaw", "speed")]  # fmt: skip
    atoms = Trajectories(
        scenarios=[scenario], position=tensors[0], yaw=tensors[1], speed=tensors[2]
    ).margins([{"c": 1}])
    formula = parse(text).formula

    margin = float(Robustness(atoms=atoms, step=0.1).satisfaction(formula))
    parts = Shortfall(atoms=atoms, step=0.1, target=0.2).parts(formula)

    assert (float(torch.stack(parts).sum()) == 0.0) == (margin >= 0.2)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> LearnedLayout:
    """Train a small model for a moment, store it and load it."""
    folder = tmp_path_factory.mktemp("run")
    corpus = write_corpus(folder / "corpus", 96)
    settings = TrainingSettings(config=TINY, batch=16, warm_up=10, rate=3e-3, ema=0.98)
    with one_thread():
        TrainingRun(folder, settings, [corpus], partial=True).run(steps=60, every=60)
    return LearnedLayout.load(folder / CHECKPOINT)


def request(layout: LearnedLayout, **changes: object) -> Request:
    """Ask for a close cut-in staged by the model."""
    base: dict[str, object] = {
        "query": parse(QUERY), "layout": layout, "staging": "model", "agents": 8,
        "guided": ModelStaging(steps=4),
    }  # fmt: skip
    return Request(**{**base, **changes})  # type: ignore[arg-type]


def first(composer: Composer, index: int = 0) -> Composition:
    """Compose until a draw fits in."""
    drawn = (composer.compose(index, attempt) for attempt in range(40))
    return next(c for c in drawn if not isinstance(c, str))


@pytest.mark.parametrize("sampler", list(Sampler))
def test_no_weight_is_no_guidance_to_the_bit(layout: LearnedLayout, sampler: Sampler) -> None:
    """A guide of weight zero gives the bits of the unguided sampler, and weight one."""
    batch, site = opening()
    model = layout.model
    assert isinstance(model, DiffusionModel)
    wide = model.groups["ego_speed"].stop
    batch = replace(batch, condition=torch.zeros(1, wide), asked=torch.zeros(1, wide) > 0)
    guide = guide_to(QUERY, site, weight=0.0)

    with one_thread():
        plain = model.draw(batch, [3], SamplerConfig(sampler=sampler, steps=4))
        guided = model.draw(batch, [3], SamplerConfig(sampler=sampler, steps=4, guide=guide))

    assert torch.equal(plain.tokens, guided.tokens)
    if sampler is Sampler.ANCESTRAL:
        assert guided.log_weight is not None
        assert float(guided.log_weight[0]) == 0.0


def test_guidance_lowers_what_the_query_lacks(layout: LearnedLayout) -> None:
    """From the same noise most guided samples lack less than unguided ones, and on average."""
    batch, site = opening()
    model = layout.model
    assert isinstance(model, DiffusionModel)
    wide = model.groups["ego_speed"].stop
    batch = replace(batch, condition=torch.zeros(1, wide), asked=torch.zeros(1, wide) > 0)
    guide = guide_to("ttc(ego,c) < 1.5s and c.accel < -3m/s^2", site)

    lacks = []
    for chosen in (None, guide):
        with one_thread():
            drawn = [
                model.draw(batch, [seed], SamplerConfig(steps=8, guide=chosen)).tokens
                for seed in range(12)
            ]
        lacks.append([float(guide.lacking(t.double(), batch).sum()) for t in drawn])

    plain, guided = map(np.array, lacks)
    assert guided.mean() < 0.9 * plain.mean()
    assert (guided < plain).mean() >= 0.75


def test_what_the_model_stages_follows_from_its_seed(layout: LearnedLayout) -> None:
    """The same request gives the same bits; the role has a motion code, the ego follows its own."""
    one, two = first(Composer(request(layout))), first(Composer(request(layout)))

    np.testing.assert_array_equal(one.scene.agents.position, two.scene.agents.position)
    np.testing.assert_array_equal(one.plans.knots, two.plans.knots)
    assert one.roles == {"c": 1}
    assert one.plans.control[0] in {Control.KNOTS, Control.HOLD}
    assert one.plans.control[1] in {Control.KNOTS, Control.HOLD}


def test_the_ego_may_be_left_to_react(layout: LearnedLayout) -> None:
    """Then it has no motion code of its own."""
    how = ModelStaging(steps=4, ego=EgoMotion.REACTIVE)

    assert first(Composer(request(layout, guided=how))).plans.control[0] == Control.REACTIVE


def test_provenance_names_checkpoint_and_guidance(layout: LearnedLayout) -> None:
    """Who staged the event, with which weights and how hard the query pulled is on record."""
    origin = first(Composer(request(layout))).provenance

    assert origin.script["event"] == "cut_in"
    assert origin.script["staged_by"] == "diffusion"
    assert origin.digests == {"layout_diffusion": layout.sha256}
    assert ModelStaging.from_json(origin.options["staging"]) == ModelStaging(steps=4)
    assert Composer(request(layout)).request.options()["layout_model"] == "learned"


def test_replay_rebuilds_every_bit(layout: LearnedLayout) -> None:
    """From provenance and checkpoint alone the scenario comes out the same."""
    made = first(Composer(request(layout)))
    stored = to_scenario(made, rollout([made], 8.0)[0])

    found = replay(stored, layout=layout)

    assert found.identical
    assert found.id == stored.id


def test_replay_needs_the_checkpoint(layout: LearnedLayout) -> None:
    """Without it, or with another one, it says which one is meant."""
    made = first(Composer(request(layout)))
    stored = to_scenario(made, rollout([made], 8.0)[0])
    other = LearnedLayout(layout.model, sha256="0" * 64)

    with pytest.raises(CheckpointError, match="give its checkpoint"):
        replay(stored)
    with pytest.raises(CheckpointError, match=layout.sha256[:12]):
        replay(stored, layout=other)


def test_staging_by_script_keeps_its_identity() -> None:
    """Options of the model are on record only where the model staged the event."""
    assert "staging" not in Request(query=parse(QUERY)).options()


def test_only_a_diffusion_model_can_be_guided(layout: LearnedLayout) -> None:
    """The heuristic layout, everyday traffic and families it never saw are refused."""
    with pytest.raises(CheckpointError, match="a diffusion layout"):
        Composer(Request(query=parse(QUERY), staging="model", layout_model="heuristic"))
    with pytest.raises(QueryError, match="names an event"):
        Composer(request(layout, query=parse("night")))
    with pytest.raises(UnknownNameError, match="jaywalker"):
        Composer(request(layout, query=parse("jaywalker(p)")))
    with pytest.raises(UnknownNameError, match="staging"):
        Request(query=parse(QUERY), staging="theatre")


def test_a_weight_comes_with_the_ancestral_sampler(layout: LearnedLayout) -> None:
    """Its paths have a density, also where the sampled roles did not fit in."""
    how = ModelStaging(steps=4, sampler=Sampler.ANCESTRAL, sketches=1)
    weighed = [Composer(request(layout, guided=how)).weighed(0, k) for k in range(4)]
    plain = Composer(request(layout)).weighed(0, 0)

    assert all(found.log_weight is not None for found in weighed)
    assert any(found.log_weight != 0.0 for found in weighed)
    assert plain.log_weight is None or isinstance(plain.composition, str)


def test_the_condition_asks_for_the_severity_of_the_query() -> None:
    """A bound on the time to collision of the ego becomes a condition, with a margin."""
    assert wanted_severity(parse(QUERY)) == pytest.approx(2.25)
    assert wanted_severity(parse("cut_in(c)")) is None
    assert EVENTS == ("cut_in",)


def test_a_time_bounded_by_the_motion_asks_for_the_severest() -> None:
    """Such as the time within which no driver can stop any more (UN R157)."""
    assert wanted_severity(load_query("Q1")) == SEVEREST
    assert wanted_severity(parse("cut_in(c) and gap(ego,c) < ego.speed * 1s")) is None


def test_who_hides_somebody_comes_from_the_script() -> None:
    """The parked van stands where the script puts it, beside a role that the model makes up."""
    model = DiffusionModel(("cyclist_crossing",), NetworkConfig(**TINY["network"]))
    asked = Request(query=load_query("Q9"), layout=LearnedLayout(model), staging="model", agents=6,
                    guided=ModelStaging(steps=2, sketches=1))  # fmt: skip
    script = Composer(replace(asked, layout=None, layout_model="heuristic", staging="script"))
    guided = Composer(asked)

    found = ((script.compose(0, k), guided.compose(0, k)) for k in range(40))
    staged, made = next(pair for pair in found if not any(isinstance(c, str) for c in pair))

    assert isinstance(staged, Composition)
    assert isinstance(made, Composition)
    np.testing.assert_array_equal(made.scene.agents.position[2], staged.scene.agents.position[2])
    np.testing.assert_array_equal(made.scene.agents.size[2], np.float32((5.4, 2.0, 2.4)))
    assert made.plans.control[2] == Control.HOLD
    assert made.roles == {"b": 1}


def test_rounds_do_not_decide_which_sketch_is_taken(
    layout: LearnedLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight at once or two at a time: but for rounding, the same sketch is taken."""
    asked = request(layout, query=parse("ego.speed > 0m/s and cut_in(c)"))
    one = Composer(asked).weighed_batch(range(3))
    monkeypatch.setattr("scenegen.pipeline.sketch_search.QUICK_ROUNDS", (8, 40))
    two = Composer(asked).weighed_batch(range(3))

    for a, b in zip(one, two, strict=True):
        if isinstance(a.composition, str) or isinstance(b.composition, str):
            assert a.composition == b.composition
            continue
        one_code, other = a.composition.plans.knots[1], b.composition.plans.knots[1]
        np.testing.assert_allclose(one_code, other, atol=1e-3)


def test_guided_and_plain_rates_agree(layout: LearnedLayout) -> None:
    """What the query made frequent is weighted back: both intervals tell the same rate."""
    query = parse("cut_in(c) and ttc(ego,c) < 3s")
    counted = parse("ego.speed > 0m/s and ahead(ego,c) > 12m")
    rates = [
        guided_rate(
            counted,
            request(layout, query=query, guided=ModelStaging(
                steps=4,
                guidance=GuidanceSettings(weight=weight, reach=0.1),
                unguided=0.3,
            )),
            200,
        ).rate
        for weight in (0.0, 0.01)
    ]  # fmt: skip

    assert rates[0].low <= rates[1].high
    assert rates[1].low <= rates[0].high
    assert rates[1].effective_size < rates[1].scenes


def test_uneven_weights_are_refused_in_a_sentence(layout: LearnedLayout) -> None:
    """A pull far beyond what the model holds likely gives no rate."""
    how = ModelStaging(steps=4, guidance=GuidanceSettings(weight=1.0, reach=3.0))

    with pytest.raises(EstimateError, match="no rate"):
        guided_rate(parse(QUERY), request(layout, guided=how), 24)
