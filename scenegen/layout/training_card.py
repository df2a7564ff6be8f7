"""Where a trained model comes from: the identity of its run, and the card of its checkpoint."""

from __future__ import annotations

from scenegen.layout.scene_model import SceneModel
from scenegen.layout.student import StudentModel
from scenegen.layout.training_corpus import Corpus
from scenegen.layout.training_models import cpu_seconds_of
from scenegen.layout.training_progress import Progress
from scenegen.layout.training_settings import TrainingSettings
from scenegen.seeding import Jsonable
from scenegen.training import Checkpoint

LICENCE = "Apache-2.0"


def identity_of(
    settings: TrainingSettings, train: Corpus, begin: Checkpoint | None
) -> dict[str, Jsonable]:
    """Give what two runs in one folder must agree on to be the same run.

    Args:
        settings: How the model is trained.
        train: Rows it learns from.
        begin: Weights it started from; they count where they are those of a student's teacher.
    """
    taught = settings.model == StudentModel.name and begin is not None
    source: dict[str, Jsonable] = {"from": begin.sha256} if begin is not None and taught else {}
    return {
        "settings": settings.to_json(),
        "data": train.digest(),
        "events": list(train.events),
        **source,
    }


def card_of(
    model: SceneModel,
    settings: TrainingSettings,
    train: Corpus,
    progress: Progress,
    begin: Checkpoint | None,
    step: int,
) -> dict[str, Jsonable]:
    """Say what a checkpoint was made of, and how.

    Args:
        model: The model.
        settings: How it was trained.
        train: Rows it learned from.
        progress: What its validations found.
        begin: Weights it started from.
        step: Number of steps.
    """
    lines = progress.lines
    own = round(sum(float(line["cpu_seconds"]) for line in lines), 1)
    return {
        "model": settings.model,
        "licence": LICENCE,
        "data": {"digest": train.digest(), "scenes": len(train)},
        "settings": settings.to_json(),
        "steps": step,
        "scenes_seen": step * settings.batch,
        "cpu_seconds": own,
        "cpu_seconds_in_all": round(own + cpu_seconds_of(begin), 1),
        "begun_from": begin.sha256 if begin is not None else "",
        "parameters": sum(p.numel() for p in model.parameters()),
        "metrics": lines[-1] if lines else {},
    }
