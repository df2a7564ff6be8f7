"""The demo: three rare events, stored, rendered and ready to look at."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import cv2
from rich.console import Console

from scenegen.data import Dataset
from scenegen.pipeline import Request, generate_dataset
from scenegen.pipeline.viewing import movie_frames, view_item
from scenegen.query import parse
from scenegen.sensors import RIGS
from scenegen.view import write_gif, write_html, write_mp4

OUT = Path("out")
GIF_PX = (720, 288)
"""Width and height of the small film [px]."""
QUERIES = (
    "night and rain and occluded_pedestrian(p, o) and ttc(ego,p) < 2s",
    "cut_in(c, right) and ttc(ego,c) < 1.5s and ego.speed > 15m/s",
    "red_light_runner(r) and ttc(ego,r) < 2.5s",
)


def main() -> None:
    """Generate, render, and say where everything is."""
    console = Console(highlight=False)
    began = time.perf_counter()
    store = OUT / "demo.zarr"
    shutil.rmtree(store, ignore_errors=True)
    OUT.mkdir(exist_ok=True)
    for query in QUERIES:
        with console.status(f"looking for  [bold]{query}[/]  (the first one compiles the kernels)"):
            request = Request(query=parse(query), seed=7)
            statistics = generate_dataset(store, request, 1, RIGS["front"])
        console.print(f"[green]found[/] in {statistics.tries:2} tries  {query}", soft_wrap=True)
    dataset = Dataset(store)
    with console.status("drawing"):
        write_html(OUT / "demo.html", [view_item(dataset, identity) for identity in dataset.ids])
        frames = [frame for identity in dataset.ids for frame in movie_frames(dataset, identity)]
        write_mp4(OUT / "demo.mp4", frames, fps=10)
        small = [
            cv2.resize(f, None, fx=0.62, fy=0.62, interpolation=cv2.INTER_AREA) for f in frames
        ]
        write_gif(OUT / "demo.gif", small[10:70:2], fps=5)
    console.print(f"\n  [bold]out/demo.zarr[/]  {len(dataset)} recordings, camera, lidar, labels")
    console.print("  [bold]out/demo.html[/]  open it in a browser: play, scrub, ask who and when")
    console.print("  [bold]out/demo.mp4[/]   from above and through the camera")
    console.print(f"\n{time.perf_counter() - began:.0f} s. Next: [bold]scenegen --help[/]")


if __name__ == "__main__":
    main()
