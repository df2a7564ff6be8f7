"""The distilled student: in few steps it reaches what its teacher reaches in many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from scenegen.errors import CheckpointError
from scenegen.layout.diffusion import DiffusionModel, Sampler, SamplerConfig
from scenegen.layout.edm import NoiseConfig, schedule
from scenegen.layout.flow_matching import FlowMatchingModel
from scenegen.layout.known_masks import draw_masks
from scenegen.layout.learned import one_thread
from scenegen.layout.map_tokens import ATTRIBUTES
from scenegen.layout.network import Encoded, NetworkConfig
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.student import STEPS, DistillConfig, StudentModel
from scenegen.layout.tokens import CHANNELS, POSE
from scenegen.layout.training_run import Corpus
from tests.layout.corpora import EVENTS, write_corpus

NETWORK = NetworkConfig(width=64, layers=1, heads=2, expansion=2)
MEAN, DEVIATION = 0.5, 0.4
SCENES, AGENTS = 24, 4
TRAINED = 400


class GaussianTeacher(DiffusionModel):
    """Knows the exact estimate of independent channels N(MEAN, DEVIATION^2)."""

    def estimate(
        self,
        batch: SceneBatch,
        clean: torch.Tensor,
        noisy: torch.Tensor,
        sigma: torch.Tensor,
        scene: Encoded,
        asked: torch.Tensor,
    ) -> torch.Tensor:
        """Posterior mean; see DiffusionModel.estimate."""
        share = DEVIATION**2 / (DEVIATION**2 + sigma[:, None, None] ** 2)
        return torch.where(batch.known, clean, MEAN + share * (noisy - MEAN))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in one order: bits depend on the number of threads otherwise."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> SceneBatch:
    """Take scenes of a made-up corpus."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), 24)
    return Corpus([folder], "train", EVENTS, partial=True).scenes(range(8))


def toy(seed: int) -> SceneBatch:
    """Scenes of Gaussian agents, all there and nothing known but that."""
    draw = torch.Generator().manual_seed(seed)
    agents = MEAN + DEVIATION * torch.randn(SCENES, AGENTS, CHANNELS, generator=draw)
    agents[..., -1] = 1.0
    known = torch.zeros(agents.shape, dtype=torch.bool)
    known[..., -1] = True
    none = torch.zeros(SCENES, StudentModel(EVENTS, NETWORK).groups["ego_speed"].stop)
    return SceneBatch(
        agents=agents,
        map_points=torch.zeros(SCENES, 1, 10, 4),
        map_attributes=torch.zeros(SCENES, 1, ATTRIBUTES),
        map_valid=torch.zeros(SCENES, 1, dtype=torch.bool),
        condition=none,
        asked=none > 0,
        known=known,
    )


def random_weights(model: DiffusionModel, seed: int) -> DiffusionModel:
    """Fill every layer with noise."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.network.parameters():
            value.copy_(torch.randn(value.shape, generator=draw) * 0.15)
    return model.eval()


@pytest.fixture(scope="module")
def taught() -> StudentModel:
    """Distil a Gaussian teacher for some seconds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        student = StudentModel(EVENTS, NETWORK)
        student.begin_from(GaussianTeacher(EVENTS, NETWORK))
    optimizer = torch.optim.Adam(student.parameters(), lr=4e-3)
    for step in range(TRAINED):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1.0, 2.0 * (1.0 - step / TRAINED))
        optimizer.zero_grad()
        student.loss(toy(step), torch.Generator().manual_seed(step)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return student.eval()


@pytest.mark.parametrize("steps", STEPS)
def test_the_student_of_a_gaussian_reproduces_its_moments(taught: StudentModel, steps: int) -> None:
    """In 1, 2 and 4 steps, mean and deviation come out within 0.06."""
    how = SamplerConfig(sampler=Sampler.DDIM, steps=steps)
    batch = toy(10_000)

    found = taught.draw(batch, list(range(SCENES)), how).tokens

    free = found[..., POSE.stop : POSE.stop + 22]  # Others are made unit length, or one kind.
    assert float(free.mean()) == pytest.approx(MEAN, abs=0.06)
    assert float(free.std()) == pytest.approx(DEVIATION, abs=0.06)


def test_a_student_begins_as_its_teacher(scenes: SceneBatch) -> None:
    """Before it has learned anything it samples what the teacher does at the same levels."""
    teacher = random_weights(DiffusionModel(EVENTS, NETWORK), 1)
    teacher.scale.fit(scenes.agents)
    student = StudentModel(EVENTS, NETWORK)
    student.begin_from(teacher)
    x = torch.randn(scenes.agents.shape, generator=torch.Generator().manual_seed(2))

    with torch.no_grad():
        theirs = teacher.denoiser(scenes.given(), SamplerConfig())(x, 0.7).base
        ours = student.denoiser(scenes.given(), SamplerConfig(steps=4))(x, 0.7).base

    assert torch.allclose(ours, theirs, atol=1e-4)


def test_the_teacher_is_no_part_of_the_student(scenes: SceneBatch) -> None:
    """Neither weights nor the optimizer know it, and it does not change."""
    student = StudentModel(EVENTS, NETWORK)
    names = set(student.state_dict())
    student.begin_from(random_weights(DiffusionModel(EVENTS, NETWORK), 1))
    (teacher,) = student.teacher
    before = {n: v.clone() for n, v in teacher.state_dict().items()}

    student.loss(scenes, torch.Generator().manual_seed(0)).backward()  # type: ignore[no-untyped-call]

    assert set(student.state_dict()) == names
    assert all(p.grad is None for p in teacher.parameters())
    assert all(torch.equal(before[n], v) for n, v in teacher.state_dict().items())


def test_guidance_of_the_teacher_is_baked_in(scenes: SceneBatch) -> None:
    """A scale other than 1 changes what is learned; where nothing is asked it does not."""
    losses = {}
    masked = draw_masks(scenes, DiffusionModel(EVENTS).groups, torch.Generator().manual_seed(0))

    for scale in (1.0, 3.0):
        torch.manual_seed(0)
        student = StudentModel(EVENTS, NETWORK, distill=DistillConfig(event_scale=scale))
        student.begin_from(random_weights(DiffusionModel(EVENTS, NETWORK), 1))
        loss = student.loss(masked, torch.Generator().manual_seed(1))
        losses[scale] = float(loss.detach())

    assert losses[1.0] != losses[3.0]


def test_steps_are_those_it_has_learned(scenes: SceneBatch) -> None:
    """More than 4 are 4, 3 are 2; path weights are refused, for jumps are not random."""
    student = StudentModel(EVENTS, NETWORK)

    assert [student.adapted(SamplerConfig(steps=n)).steps for n in (1, 2, 3, 4, 16)] == [
        *(1, 2, 2, 4, 4)
    ]
    with pytest.raises(CheckpointError, match="path weights"):
        student.draw(scenes, list(range(8)), SamplerConfig(sampler=Sampler.ANCESTRAL))
    with pytest.raises(ValueError, match="DistillConfig"):
        DistillConfig(fine=6)


def test_segments_begin_with_noise_and_end_with_data() -> None:
    """Levels of 1 and 2 steps are among those of 4, and fine steps meet them all."""
    student, noise = StudentModel(EVENTS, NETWORK), NoiseConfig()
    fine = schedule(noise, torch.arange(17) / 16)

    levels = {s: student.sigmas(SamplerConfig(steps=s)) for s in STEPS}

    for steps in STEPS:
        assert torch.equal(levels[steps], levels[4][:: 4 // steps])
        assert torch.equal(levels[steps], fine[:: 16 // steps])
    assert float(levels[1][0]) == pytest.approx(noise.most)
    assert float(levels[1][1]) == 0.0


def test_other_families_are_no_teachers() -> None:
    """The message says whose weights are expected."""
    with pytest.raises(CheckpointError, match="'diffusion' or 'student'"):
        StudentModel(EVENTS, NETWORK).begin_from(FlowMatchingModel(EVENTS, NETWORK))
    with pytest.raises(CheckpointError, match="do not fit"):
        StudentModel(EVENTS, NETWORK).begin_from(DiffusionModel(EVENTS))


def test_a_student_goes_on_without_a_teacher(scenes: SceneBatch, tmp_path: Path) -> None:
    """From another student's weights it learns from scenes alone."""
    first = StudentModel(EVENTS, NETWORK)
    second = StudentModel(EVENTS, NETWORK)

    second.begin_from(first)

    assert second.teacher == ()
    assert float(second.loss(scenes, torch.Generator().manual_seed(0)).detach()) > 0.0
