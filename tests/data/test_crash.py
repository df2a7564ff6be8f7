"""A writer that is killed loses nothing committed and shows nothing half done."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenegen.data import Dataset, DatasetWriter
from scenegen.errors import RecordingError
from scenegen.scene import Frame, Scenario
from tests.data.recordings import (
    LEAN,
    assert_same_frames,
    assert_same_scenario,
    random_frames,
    random_scenario,
)

COUNT = 2
CALLS = ("open", "write", "fsync", "rename", "mkdir", "unlink")


def recordings() -> list[tuple[Scenario, list[Frame]]]:
    """Give the recordings that every writer here writes."""
    rng = np.random.default_rng(0)
    return [(random_scenario(rng, i), random_frames(rng, 3, LEAN)) for i in range(COUNT)]


def write_missing(path: Path, acknowledge: Callable[[str], None] = lambda _: None) -> None:
    """Write what the dataset lacks, one recording per pack."""
    there = Dataset(path).ids if (path / "scenegen.json").exists() else ()
    with DatasetWriter(path, LEAN, profile="lossless", recordings_per_pack=1) as writer:
        for scenario, frames in recordings():
            if scenario.id not in there:
                writer.add(scenario, frames)
                acknowledge(scenario.id)


def tell(pipe: int, text: str, write: Callable[[int, bytes], int] = os.write) -> None:
    """Send a line; `write` is the system's own, whatever is armed."""
    write(pipe, (text + "\n").encode())


def in_child(work: Callable[[Callable[[str], None]], None]) -> tuple[int, list[str]]:
    """Run in a forked process; give its wait status and the ids it acknowledged."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        code = 1
        try:
            work(partial(tell, send))
            code = 0
        finally:
            os._exit(code)
    os.close(send)
    with os.fdopen(receive) as pipe:
        acknowledged = pipe.read().split()
    return os.waitpid(child, 0)[1], acknowledged


def arm(path: Path, strike: Callable[[str, Callable[..., Any], tuple[Any, ...]], None]) -> None:
    """Let `strike` see every storage call below a folder before it is made, in this process."""

    def armed(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the original
            fd = isinstance(args[0], int)
            where = os.readlink(f"/proc/self/fd/{args[0]}") if fd else os.fspath(args[0])
            if where.startswith(str(path)):
                strike(name, original, args)
            return original(*args, **options)

        return call

    for name in CALLS:
        setattr(os, name, armed(name, getattr(os, name)))


def killer(step: int) -> Callable[[str, Callable[..., Any], tuple[Any, ...]], None]:
    """Kill the process at its n-th storage call, a write halfway through its bytes."""
    count = 0

    def strike(name: str, original: Callable[..., Any], args: tuple[Any, ...]) -> None:
        nonlocal count
        count += 1
        if count == step:
            if name == "write":
                original(args[0], bytes(args[1])[: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

    return strike


def check_after(path: Path, acknowledged: list[str]) -> None:
    """Check what is visible, then finish the job and check that it is complete and clean."""
    made = {scenario.id: (scenario, frames) for scenario, frames in recordings()}
    if not (path / "scenegen.json").exists():
        assert not acknowledged
        with pytest.raises(RecordingError, match="is no scenegen dataset"):
            Dataset(path)
    else:
        dataset = Dataset(path)
        assert set(acknowledged) <= set(dataset.ids)
        assert dataset.verify() == []
        for i, name in enumerate(dataset.ids):
            assert_same_scenario(dataset.scenario(i), made[name][0])
            assert_same_frames(dataset, i, made[name][1])
    write_missing(path)
    assert sorted(Dataset(path).ids) == sorted(made)
    assert Dataset(path).verify() == []
    assert len(list((path / "packs").iterdir())) == COUNT
    assert len([p for p in (path / "commits").iterdir() if p.suffix == ".json"]) == COUNT
    shutil.rmtree(path)


def count_steps(path: Path) -> int:
    """Count the storage calls of writing everything."""
    calls: list[str] = []

    def work(acknowledge: Callable[[str], None]) -> None:
        arm(path, lambda name, *_: calls.append(name))
        write_missing(path)
        acknowledge(str(len(calls)))

    _, (answer,) = in_child(work)
    return int(answer)


def kill_and_check(path: Path, step: int) -> bool:
    """Kill a writer at one storage call and check what it left; whether the kill came."""

    def work(acknowledge: Callable[[str], None]) -> None:
        arm(path, killer(step))
        write_missing(path, acknowledge)

    status, acknowledged = in_child(work)
    check_after(path, acknowledged)
    return os.WIFSIGNALED(status)


def test_a_kill_at_a_storage_call_leaves_whole_recordings(tmp_path: Path) -> None:
    """Killed at calls spread over both packs, and at each that publishes the last."""
    steps = count_steps(tmp_path / "count")
    chosen = sorted({*range(1, steps, steps // 4), *range(steps - 9, steps + 1)})

    survived = [s for s in chosen if not kill_and_check(tmp_path / str(s), s)]

    assert survived == []


@pytest.mark.slow
def test_a_kill_at_every_storage_call_leaves_whole_recordings(tmp_path: Path) -> None:
    """Killed at each single call of writing two packs."""
    steps = count_steps(tmp_path / "count")

    survived = [s for s in range(1, steps + 1) if not kill_and_check(tmp_path / str(s), s)]

    assert survived == []


def timed_kills(path: Path, seed: int, count: int) -> int:
    """Kill writers at random moments; how many were killed while they wrote."""
    rng = np.random.default_rng(seed)
    begin = time.monotonic()
    in_child(lambda acknowledge: write_missing(path / "whole", acknowledge))
    duration = time.monotonic() - begin
    killed = 0
    for trial in range(count):
        folder = path / f"{seed}-{trial}"
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(receive)
                write_missing(folder, partial(tell, send))
            finally:
                os._exit(0)
        os.close(send)
        time.sleep(float(rng.uniform(0, duration)))
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        with os.fdopen(receive) as pipe:
            check_after(folder, pipe.read().split())
    return killed


def test_a_kill_at_any_moment_leaves_whole_recordings(tmp_path: Path) -> None:
    """Killed by the clock, wherever the writer happens to be."""
    assert timed_kills(tmp_path, 0, 6) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_many_kills_at_any_moment_leave_whole_recordings(tmp_path: Path, seed: int) -> None:
    """Two hundred kills by the clock."""
    assert timed_kills(tmp_path, seed, 20) > 0
