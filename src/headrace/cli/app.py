"""Commands and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="headrace",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Offline batch inference at the speed of the hardware: one Parquet row for every input row, nothing lost.",
)

Inputs = Annotated[
    list[str], typer.Argument(help="A folder, a glob or files; local, s3://, gs://, https://.", metavar="INPUT...")
]
ModelRef = Annotated[
    str, typer.Option("--model", help="model.onnx, file.py:Name or package.module:Name.", metavar="REF")
]
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Open a pickled .pt or .pth model; this runs code of whoever made it.")
]
Out = Annotated[str, typer.Option("--out", help="The output folder.", metavar="DIR")]
Auto = "auto|N"
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16, fp16 or int8.")]
MinAgreement = Annotated[
    float, typer.Option(help="Share of rows (0..1) that a faster precision must answer as fp32 does.")
]
Task = Annotated[str | None, typer.Option(help="classify, embed or raw; the model's own, or classify.")]
TopK = Annotated[int, typer.Option(help="Also write the K best classes.")]
Labels = Annotated[str | None, typer.Option(help="A file with one label a line.", metavar="FILE")]
PreprocessFile = Annotated[
    str | None, typer.Option("--preprocess", help="How photos are prepared, as TOML.", metavar="FILE")
]
ImageColumn = Annotated[
    str | None, typer.Option(help="The photos' column in Parquet input; found by its type.", metavar="NAME")
]
BatchSize = Annotated[str, typer.Option(help="Rows a model call.", metavar=Auto)]
Workers = Annotated[
    str,
    typer.Option(help="Batches that the model works on at once; on ray, its workers.", metavar="auto|N|MIN:MAX"),
]
NumCpus = Annotated[
    float | None, typer.Option(help="CPUs that each model worker takes, on ray; by its shape.", metavar="X")
]
NumGpus = Annotated[
    float | None, typer.Option(help="GPUs that each model worker takes, on ray; a fraction shares one.", metavar="X")
]
Resources = Annotated[
    list[str] | None,
    typer.Option("--resource", help="What else each model worker takes of a node, on ray.", metavar="NAME=X"),
]
Label = Annotated[
    list[str] | None, typer.Option(help="A label that the model's nodes must have, on ray.", metavar="NAME=VALUE")
]
PrepareWorkers = Annotated[str, typer.Option(help="Decode threads.", metavar=Auto)]
IoConcurrency = Annotated[str, typer.Option(help="Reads at once.", metavar=Auto)]
PartitionRows = Annotated[str, typer.Option(help="Rows a part file.", metavar=Auto)]
Limit = Annotated[int | None, typer.Option(help="Only the first N rows.", metavar="N")]
OnError = Annotated[str, typer.Option(help="reject sets a bad row aside and goes on; fail stops.")]
MaxRejected = Annotated[float, typer.Option(help="Ratio (0..1) of rejected rows that stops the run.")]
Memory = Annotated[
    str, typer.Option(help="Host memory to plan with, as 4GiB; half of what there is.", metavar="auto|BYTES")
]
StallTimeout = Annotated[
    float, typer.Option(help="Seconds after which a call of a stage is given up and tried again.", metavar="S")
]
Engine = Annotated[str, typer.Option(help="local: this machine; ray: a Ray cluster.")]
Address = Annotated[
    str | None, typer.Option(help="A Ray cluster: auto, host:port or ray://host:port; a local Ray when not given.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON, and nothing else, on stdout.")]
PlanFile = Annotated[str | None, typer.Option("--plan", help="A saved plan.", metavar="FILE")]


@app.command()
def run(
    inputs: Inputs,
    model: ModelRef,
    out: Out,
    engine: Engine = "local",
    address: Address = None,
    precision: Precision = "auto",
    min_agreement: MinAgreement = 0.99,
    task: Task = None,
    top_k: TopK = 1,
    labels: Labels = None,
    preprocess: PreprocessFile = None,
    image_column: ImageColumn = None,
    batch_size: BatchSize = "auto",
    workers: Workers = "auto",
    num_cpus: NumCpus = None,
    num_gpus: NumGpus = None,
    resource: Resources = None,
    label: Label = None,
    prepare_workers: PrepareWorkers = "auto",
    io_concurrency: IoConcurrency = "auto",
    partition_rows: PartitionRows = "auto",
    limit: Limit = None,
    allow_pickle: AllowPickle = False,
    on_error: OnError = "reject",
    max_rejected: MaxRejected = 0.1,
    memory: Memory = "auto",
    stall_timeout: StallTimeout = 600.0,
    plan: PlanFile = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew, whatever DIR holds of headrace's.")
    ] = False,
    resume_new: Annotated[
        bool, typer.Option("--resume-new", help="Also run files that INPUT has got since, into further parts.")
    ] = False,
    json: Json = False,
) -> None:
    """Run a model over INPUT into DIR. Run it again to go on where it stopped."""
    from headrace.api.session import Into
    from headrace.cli.needs import asked_of_nodes
    from headrace.cli.retry import recordable
    from headrace.cli.run import ModelOptions, dataset, run_to_folder

    options = ModelOptions(
        inputs, model, precision, min_agreement, task, top_k, labels, preprocess, image_column, limit, allow_pickle
    )
    needs, workers = asked_of_nodes(engine, workers, num_cpus, num_gpus, resource or (), label or ())
    settings = {"engine": engine, "address": address, "on_error": on_error, "max_rejected": max_rejected}
    settings |= {"batch_size": batch_size, "workers": workers, "prepare_workers": prepare_workers}
    settings |= {"io_concurrency": io_concurrency, "partition_rows": partition_rows}
    settings |= {"memory": memory, "stall_timeout": stall_timeout}
    into = Into(out=out, overwrite=overwrite, resume_new=resume_new, command=recordable(options))
    run_to_folder(dataset(options, needs), into, settings, plan=plan, as_json=json)


@app.command()
def retry(
    out: Annotated[str, typer.Argument(help="The folder of a run.", metavar="OUT")],
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Also with a model or stages that have changed since.")
    ] = False,
    engine: Engine = "local",
    address: Address = None,
    max_rejected: MaxRejected = 0.1,
    memory: Memory = "auto",
    stall_timeout: StallTimeout = 600.0,
    json: Json = False,
) -> None:
    """Run the rejected rows of OUT again, once their cause is mended."""
    from headrace.cli.retry import retry_folder

    settings = {
        "engine": engine,
        "address": address,
        "max_rejected": max_rejected,
        "memory": memory,
        "stall_timeout": stall_timeout,
    }
    retry_folder(out, settings, accept_changes=accept_changes, as_json=json)


@app.command()
def verify(
    out: Annotated[str, typer.Argument(help="The folder of a run.", metavar="OUT")],
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Count OUT's rows again, hash its files, check both against commits and input; exit 1 if something is wrong."""
    from headrace.cli.verify import verify_folder

    verify_folder(out, as_json=json)


@app.command()
def plan(
    inputs: Inputs,
    model: ModelRef,
    engine: Engine = "local",
    address: Address = None,
    precision: Precision = "auto",
    min_agreement: MinAgreement = 0.99,
    task: Task = None,
    top_k: TopK = 1,
    labels: Labels = None,
    preprocess: PreprocessFile = None,
    image_column: ImageColumn = None,
    batch_size: BatchSize = "auto",
    workers: Workers = "auto",
    num_cpus: NumCpus = None,
    num_gpus: NumGpus = None,
    resource: Resources = None,
    label: Label = None,
    prepare_workers: PrepareWorkers = "auto",
    io_concurrency: IoConcurrency = "auto",
    partition_rows: PartitionRows = "auto",
    limit: Limit = None,
    allow_pickle: AllowPickle = False,
    out: Annotated[str | None, typer.Option(help="Show what the run in DIR has settled.", metavar="DIR")] = None,
    save: Annotated[Path | None, typer.Option(help="Write it as TOML, for run --plan.", metavar="FILE")] = None,
) -> None:
    """Print how a run would go, with a reason for every choice; reads no rows."""
    from headrace.cli.needs import asked_of_nodes
    from headrace.cli.plan import show_plan
    from headrace.cli.run import ModelOptions, dataset

    options = ModelOptions(
        inputs, model, precision, min_agreement, task, top_k, labels, preprocess, image_column, limit, allow_pickle
    )
    needs, workers = asked_of_nodes(engine, workers, num_cpus, num_gpus, resource or (), label or ())
    settings = {
        "engine": engine,
        "address": address,
        "batch_size": batch_size,
        "workers": workers,
        "prepare_workers": prepare_workers,
        "io_concurrency": io_concurrency,
        "partition_rows": partition_rows,
    }
    show_plan(dataset(options, needs), settings, out=out, save=save)


@app.command()
def lint(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Scripts, notebooks, Markdown or text pages, folders.", metavar="PATH...")
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option("--format", help="text, json, sarif or github.")
    ] = "text",
    select: Annotated[
        list[str] | None, typer.Option(help="Only these rules, by id or name; ALL is every one.", metavar="RULE")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Not these rules.", metavar="RULE")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without changing what is done.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what --fix would change, and change nothing.")] = False,
    explain: Annotated[
        str | None, typer.Option(help="Say what a rule is about, with bad and good code.", metavar="RULE")
    ] = None,
) -> None:
    """Find mistakes in Ray Data scripts by reading them; exit 1 if there are any."""
    from headrace.cli.lint import Asked
    from headrace.cli.lint import explain as explain_rule
    from headrace.cli.lint import lint as lint_paths

    if explain is not None:
        explain_rule(explain, paths or ())
        return
    lint_paths(paths or [], Asked(select or (), ignore or (), format, fix and not diff, diff))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the predictions go.", metavar="DIR")] = Path("headrace-demo"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew, whatever DIR holds of headrace's.")
    ] = False,
) -> None:
    """Run a real model (MobileNetV2) over the photos that come with the package."""
    from headrace.cli.demo import run_demo

    run_demo(out, overwrite=overwrite)


@app.command()
def bench(
    name: Annotated[
        str,
        typer.Argument(help="bad-input, chaos, clean-path, lint, pipeline, ray, ray-chaos or scale.", metavar="NAME"),
    ],
    out: Annotated[Path, typer.Option(help="Where the results go, as JSON.", metavar="DIR")] = Path("bench/results"),
    work: Annotated[Path, typer.Option(help="Where data and models are made and kept.", metavar="DIR")] = Path(
        ".bench"
    ),
    repetitions: Annotated[
        int, typer.Option(help="Interleaved repetitions; chaos: 60 kills each, ray-chaos: 8 runs.", metavar="N")
    ] = 5,
    only: Annotated[str | None, typer.Option(help="Only what has this in its name.", metavar="TEXT")] = None,
    photos: Annotated[int, typer.Option(help="Photos a run (pipeline, ray).", metavar="N")] = 2000,
) -> None:
    """Measure headrace against the limit and its peers (pipeline), or kill it over and over (chaos), into JSON."""
    from headrace.bench import run_benchmark

    run_benchmark(name, out=out, work=work, repetitions=repetitions, only=only, photos=photos)
