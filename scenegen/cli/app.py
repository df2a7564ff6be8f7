"""The commands and their options."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from scenegen.appearance.camera_runtime import RENDERERS, Renderer, renderer_of
from scenegen.appearance.lidar_appearance import LidarRenderer
from scenegen.catalog import Catalog
from scenegen.cli.arguments import (
    list_registries,
    read_base,
    read_layout,
    read_query,
    read_rig,
    resolve,
)
from scenegen.cli.corpus import corpus_app
from scenegen.cli.estimate import estimate
from scenegen.cli.solve import solve
from scenegen.cli.teacher import teacher_app
from scenegen.cli.terminal import (
    err,
    out,
    print_explanation,
    print_fields,
    print_tries,
    progress_bar,
    table,
)
from scenegen.cli.train import train_app
from scenegen.cli.verify_image import verify_image
from scenegen.data import Dataset
from scenegen.errors import UnknownNameError
from scenegen.layout import LAYOUT_MODELS, default_layout_model
from scenegen.pipeline import Accepted, Request, Statistics, generate_dataset, replay
from scenegen.pipeline.guided import Staging
from scenegen.pipeline.runs import read_runs, total
from scenegen.pipeline.summary import summarise
from scenegen.pipeline.viewing import view_item
from scenegen.query import tags
from scenegen.sensors import RIGS, Rig
from scenegen.sensors.lidar_renderer import with_lidar_renderer
from scenegen.view import write_html

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
MOST_VIEWED = 24
"""Recordings in a viewer page unless some are named."""

app = typer.Typer(
    name="scenegen",
    help="Rare-event driving scenarios from a query: generate, search, explain, view.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(corpus_app)
app.add_typer(train_app)
app.add_typer(teacher_app)
app.command(epilog="Example:  scenegen solve edge.zarr -o plans.json")(solve)
app.command(epilog="Example:  scenegen verify-image picture.jpg")(verify_image)
app.command(epilog="Example:  scenegen estimate 'cut_in(c) and ttc(ego,c) < 2s' -n 2000")(estimate)

QueryText = Annotated[str, typer.Argument(metavar="QUERY", help="the query, @FILE or @NAME")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="a number of a published query: ttc=1.2s"),
]
StorePath = Annotated[Path, typer.Argument(metavar="DATASET", help="a dataset written by generate")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
BasePath = Annotated[
    Path | None, typer.Option("--base", help="a recorded CommonRoad scene to build in")
]
LayoutPath = Annotated[
    Path | None,
    typer.Option("--layout-checkpoint", help="a trained layout model of one's own"),
]
RendererName = Annotated[
    str,
    typer.Option(
        "--renderer",
        help=f"who makes the pictures: {', '.join(RENDERERS)}",
        show_default="gan where its checkpoint ships, else base",
    ),
]
RendererPath = Annotated[
    Path | None,
    typer.Option("--renderer-checkpoint", help="a trained camera renderer of one's own"),
]
LidarRendererName = Annotated[
    LidarRenderer | None,
    typer.Option(
        "--lidar-renderer",
        help="who decides on the echoes of lidars",
        show_default="gan for makes it was trained on, else base",
    ),
]
Watermark = Annotated[
    bool, typer.Option("--watermark/--no-watermark", help="mark pictures as synthetic, invisibly")
]


@app.command(
    epilog="Example:  scenegen generate "
    "'night and cut_in(c, right) and ttc(ego,c) < 1.5s' -n 20 --seed 7 -o edge.zarr"
)
def generate(
    query: QueryText,
    output: Annotated[Path, typer.Option("--output", "-o", help="dataset to write or add to")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="number of scenarios")] = 10,
    seed: Annotated[int, typer.Option(help="everything random follows from it")] = 0,
    settings: Settings = None,
    base: BasePath = None,
    rig: Annotated[str, typer.Option(help=f"sensors: {', '.join(RIGS)}")] = "front",
    duration: Annotated[float, typer.Option(help="length of a scenario [s]")] = 8.0,
    agents: Annotated[int, typer.Option(help="most agents in a scene")] = 24,
    density: Annotated[float, typer.Option(help="traffic [vehicles per lane km]")] = 18.0,
    layout_model: Annotated[
        str,
        typer.Option(
            help=f"who fills the scene: {', '.join(LAYOUT_MODELS)}",
            show_default="diffusion where its checkpoint ships, else heuristic",
        ),
    ] = "",
    layout_checkpoint: LayoutPath = None,
    staging: Annotated[
        Staging, typer.Option(help="who stages the event: its script, or the guided layout model")
    ] = Staging.SCRIPT,
    tries: Annotated[int, typer.Option(min=1, help="draws per scenario before giving up")] = 400,
    profile: Annotated[str, typer.Option(help="storage: default (JPEG) or lossless")] = "default",
    renderer: RendererName = "",
    renderer_checkpoint: RendererPath = None,
    lidar_renderer: LidarRendererName = None,
    watermark: Watermark = True,
    resume: Annotated[bool, typer.Option(help="go on where an earlier call stopped")] = False,
    as_json: AsJson = False,
) -> None:
    """Generate scenarios that provably satisfy a query, and store them."""
    request = Request(
        query=read_query(query, settings or ()),
        seed=seed,
        duration=duration,
        agents=agents,
        density=density,
        layout_model=layout_model or default_layout_model(),
        tries=tries,
        base=read_base(base),
        layout=read_layout(layout_checkpoint),
        staging=staging,
    )
    job = _Job(
        request=request,
        count=count,
        rig=with_lidar_renderer(read_rig(rig), lidar_renderer),
        renderer=renderer_of(renderer, renderer_checkpoint),
        watermark=watermark,
        profile=profile,
    )
    began = time.perf_counter()
    try:
        statistics = _run(output, job, resume, quiet=as_json)
    except KeyboardInterrupt:
        err.print("interrupted: packs committed so far are whole, nothing else was kept")
        raise typer.Exit(INTERRUPTED) from None
    _report(statistics, output, time.perf_counter() - began, as_json)


def _report(statistics: Statistics, output: Path, seconds: float, as_json: bool) -> None:
    if as_json:
        summary = {"dataset": str(output), "seconds": round(seconds, 2), **statistics.to_json()}
        out.print_json(json.dumps(summary))
        return
    out.print(
        f"[bold]{statistics.accepted}[/] scenarios in {output}"
        f"  ({statistics.tries} tries, {seconds:.1f} s)"
    )
    if statistics.accepted < statistics.tries:
        out.print(f"[dim]not accepted: {statistics.sentence()}[/]")
    out.print(f"[dim]look:  scenegen view {output}[/]")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    """What is generated, and how it is seen and stored."""

    request: Request
    count: int
    rig: Rig
    renderer: Renderer
    watermark: bool
    profile: str


def _run(output: Path, job: _Job, resume: bool, *, quiet: bool) -> Statistics:
    with progress_bar(quiet) as bar:
        task = bar.add_task("generating", total=job.count, tries="")

        def show(_: Accepted, statistics: Statistics) -> None:
            bar.update(task, advance=1, tries=f"{statistics.tries} tries")

        return generate_dataset(
            output,
            job.request,
            job.count,
            job.rig,
            resume=resume,
            profile=job.profile,
            renderer=job.renderer,
            watermarks=job.watermark,
            on_accepted=show,
        )


@app.command(epilog="Example:  scenegen search edge.zarr 'rain and ttc(ego,c) < 1s' --limit 5")
def search(
    dataset: StorePath,
    query: QueryText,
    settings: Settings = None,
    limit: Annotated[int, typer.Option(min=1, help="most hits to list")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the recordings that satisfy a query, the clearest first, with who and when."""
    with Catalog(dataset) as catalog:
        hits = catalog.search(read_query(query, settings or ()))
        recordings = len(catalog.dataset)
    hits.sort(key=lambda hit: -hit.verdict.margin)
    if as_json:
        found = [{"id": hit.id, **hit.verdict.to_json()} for hit in hits[:limit]]
        out.print_json(json.dumps(found))
        return
    if not hits:
        out.print(f"none of {recordings} recordings matches; `scenegen explain` says why")
        return
    rows = [
        {
            "id": hit.id,
            "margin": hit.verdict.margin,
            "time [s]": hit.verdict.time,
            "who": ", ".join(f"{role}=#{agent}" for role, agent in hit.verdict.witness.items()),
        }
        for hit in hits[:limit]
    ]
    out.print(table(f"{len(hits)} of {recordings} recordings match", rows))


@app.command(epilog="Example:  scenegen count edge.zarr 'night and ttc(ego,c) < 1s' --funnel")
def count(
    dataset: StorePath,
    query: QueryText,
    settings: Settings = None,
    funnel: Annotated[bool, typer.Option("--funnel", help="clause by clause")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the recordings that satisfy a query, and say which clause costs most."""
    wanted = read_query(query, settings or ())
    runs = read_runs(dataset)
    tried = total(runs).to_json()
    with Catalog(dataset) as catalog:
        recordings = len(catalog.dataset)
        steps = catalog.funnel(wanted) if funnel else []
        matching = steps[-1].left if steps else len(catalog.search(wanted))
    if as_json:
        found = {"recordings": recordings, "matching": matching, "tried": tried}
        rows = {"funnel": [asdict(step) for step in steps]} if funnel else {}
        out.print_json(json.dumps({**found, **rows}))
        return
    out.print(f"[bold]{matching}[/] of {recordings} recordings match")
    print_tries(tried, len(runs))
    if steps:
        out.print(table("", [asdict(step) for step in steps]))


@app.command(epilog="Example:  scenegen sql 'night and ego.speed > 20m/s and cut_in(c)'")
def sql(query: QueryText, settings: Settings = None) -> None:
    """Print the SQL condition on a dataset's rows that follows from a query."""
    out.print(read_query(query, settings or ()).sql(), markup=False, soft_wrap=True)


@app.command(name="tags", epilog="Example:  scenegen tags --json")
def list_tags(as_json: AsJson = False) -> None:
    """Print the query behind every built-in tag: what it counts is no secret."""
    if as_json:
        out.print_json(json.dumps(tags()))
        return
    out.print(table("", [{"tag": name, "query": text} for name, text in tags().items()]))


@app.command(name="explain", epilog="Example:  scenegen explain edge.zarr 0 'ttc(ego,c) < 1s'")
def explain_recording(
    dataset: StorePath,
    recording: Annotated[str, typer.Argument(help="id of a recording, its begin, or a number")],
    query: QueryText,
    as_json: AsJson = False,
) -> None:
    """Say clause by clause why a recording matches a query, or what it would take."""
    store = Dataset(dataset)
    explanation = read_query(query).explain(store.scenario(resolve(store, recording)))
    if as_json:
        out.print_json(json.dumps(explanation.to_json()))
        return
    print_explanation(explanation)


@app.command(epilog="Example:  scenegen view edge.zarr -o edge.html")
def view(
    dataset: StorePath,
    recordings: Annotated[
        list[str] | None, typer.Argument(help="ids or numbers (default: the first 24)")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="HTML file")] = None,
) -> None:
    """Write one HTML file that plays the recordings; it needs no network."""
    store = Dataset(dataset)
    names = recordings or list(store.ids[:MOST_VIEWED])
    chosen = [resolve(store, name) for name in names]
    path = output or dataset.with_suffix(".html")
    write_html(path, [view_item(store, identity) for identity in chosen])
    out.print(f"{len(chosen)} recordings in [bold]{path}[/]: open it in a browser")


@app.command(epilog="Example:  scenegen info edge.zarr --json")
def info(dataset: StorePath, as_json: AsJson = False) -> None:
    """Say what a dataset holds: recordings, fields, events, light and weather."""
    store = Dataset(dataset)
    summary = summarise(store)
    if as_json:
        out.print_json(json.dumps(summary))
        return
    out.print(f"[bold]{dataset}[/]  {summary['recordings']} recordings, {summary['frames']} frames")
    for name in ("events", "light", "weather", "roads"):
        counts = ", ".join(f"{key} {value}" for key, value in summary[name].items())
        out.print(f"  {name:8} {counts}")
    print_tries(summary["tried"], len(summary["runs"]))
    if summary["fields"]:
        print_fields(summary["fields"])


@app.command(name="replay", epilog="Example:  scenegen replay edge.zarr 3f2a")
def replay_recording(
    dataset: StorePath,
    recording: Annotated[str, typer.Argument(help="id of a recording, its begin, or a number")],
    base: BasePath = None,
    layout_checkpoint: LayoutPath = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild a recording from its provenance and compare it bit for bit."""
    store = Dataset(dataset)
    stored = store.scenario(resolve(store, recording))
    result = replay(stored, read_base(base), read_layout(layout_checkpoint))
    if as_json:
        out.print_json(json.dumps(asdict(result)))
    elif result.identical:
        out.print(f"{result.id}: rebuilt, every bit of every state is the same")
    else:
        out.print(
            f"{result.id}: differs from {result.first_difference:.1f} s on,"
            f" by up to {result.largest_difference:.3g} m"
        )
    if not result.identical:
        raise typer.Exit(1)


@app.command(epilog="Example:  scenegen verify edge.zarr")
def verify(dataset: StorePath, as_json: AsJson = False) -> None:
    """Check every stored byte against its checksum."""
    damage = Dataset(dataset).verify()
    if as_json:
        out.print_json(json.dumps([str(item) for item in damage]))
    elif damage:
        for item in damage:
            out.print(str(item))
    else:
        out.print("every chunk is whole")
    if damage:
        raise typer.Exit(1)


@app.command(name="list")
def list_names(
    what: Annotated[
        str,
        typer.Argument(
            help="events, conditions, signals, motions, maps, rigs, layout-models, renderers"
        ),
    ] = "events",
    as_json: AsJson = False,
) -> None:
    """List what can be asked for: event families, roads, rigs, layout models."""
    registries = list_registries()
    if what not in registries:
        raise UnknownNameError("list", what, registries)
    if as_json:
        out.print_json(json.dumps(registries[what]))
        return
    out.print(table("", [{what: k, "what it is": v} for k, v in registries[what].items()]))


@app.callback(invoke_without_command=True)
def front(
    show_version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    """Rare-event driving scenarios from a query: generate, search, explain, view."""
    if show_version:
        out.print(version("scenegen"))
        raise typer.Exit
