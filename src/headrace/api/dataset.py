"""The fluent surface: a source, steps, and what to do with the rows. Names follow Ray Data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace.api.batching import rebatched, rows_of
from headrace.api.engines import engine_of
from headrace.api.session import Into, write_job
from headrace.core.batch import Columns
from headrace.core.needs import Needs
from headrace.core.options import count
from headrace.core.partition import Todo
from headrace.core.preprocess import Preprocess
from headrace.core.progress import OnProgress
from headrace.core.report import RunReport
from headrace.engine.local.run import LocalRun
from headrace.engine.telling.clock import RunClock
from headrace.job.job import Infer, Job, Settings
from headrace.plan.draft import draft, unmeasured
from headrace.plan.machine import this_machine
from headrace.plan.plan import Plan, values_from_text, values_from_toml
from headrace.plan.recipe import make_recipe
from headrace.sinks.parquet import ParquetFolder
from headrace.stages.map_batches import MapBatches


@dataclass(frozen=True)
class Dataset:
    """Rows and what is to be done to them. Frozen and lazy: every method but those that look or write gives a new
    one."""

    job: Job

    def map_batches(
        self,
        fn: Callable[..., Any],
        *,
        batch_size: int | None = None,
        batch_format: str = "numpy",
        fn_args: tuple[Any, ...] = (),
        fn_kwargs: Mapping[str, Any] | None = None,
        fn_constructor_args: tuple[Any, ...] = (),
        fn_constructor_kwargs: Mapping[str, Any] | None = None,
        num_cpus: float | None = None,
        num_gpus: float = 0.0,
        resources: Mapping[str, float] | None = None,
        label_selector: Mapping[str, str] | None = None,
        concurrency: int | tuple[int, int] | None = None,
    ) -> Dataset:
        """Calls a function, or a class that is built once a worker, on every batch.

        fn: batch -> batch of as many rows, in order. A batch is a dict of arrays with the row as first axis (a
        DataFrame or Table by batch_format); it holds the key column and, for photos, "image": uint8 [N, H, W, 3] where
        sizes are equal, else objects; borrowed until return. The key stays with its row whatever is returned.
        batch_size: rows a call. num_gpus: on one machine without a GPU the stage runs on the CPU; a cluster without one
        refuses. concurrency: workers, or (at least, at most) so many; measured when not given, as is on one machine
        whether they are threads or processes. num_cpus, num_gpus (fractions allowed), resources, label_selector: what
        each worker takes of a cluster's node, and which nodes will do.
        Raises BadOption.
        """
        stage = MapBatches(
            fn=fn,
            batch_size=batch_size,
            batch_format=batch_format,
            fn_args=fn_args,
            fn_kwargs=fn_kwargs or {},
            fn_constructor_args=fn_constructor_args,
            fn_constructor_kwargs=fn_constructor_kwargs or {},
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            resources=resources or {},
            label_selector=label_selector or {},
            concurrency=concurrency,
        )
        return self._then(stage)

    def infer(
        self,
        model: object,
        *,
        preprocess: Preprocess | str | Path | None = None,
        labels: str | Path | tuple[str, ...] | None = None,
        task: str | None = None,
        top_k: int = 1,
        precision: str = "auto",
        min_agreement: float = 0.99,
        allow_pickle: bool = False,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        resources: Mapping[str, float] | None = None,
        label_selector: Mapping[str, str] | None = None,
        concurrency: int | tuple[int, int] | None = None,
    ) -> Dataset:
        """Runs a model over the photos, on the fastest runtime that is installed.

        model: an ONNX file, `package.module:Name`, `file.py:Name`, a torch module, or a class by Ray Data's convention.
        preprocess: how photos are prepared (or a TOML file); the model's metadata, or ImageNet's, when not given.
        labels: one label a class, or a file of them. task: "classify" adds class_id, label, score (and with top_k > 1
        top_class_ids, top_labels, top_scores), "embed" adds embedding, "raw" output_<name>.
        precision: "auto" is fp32 unless a faster one is shown to agree on >= min_agreement (0..1) of up to 256 rows.
        allow_pickle: opens a .pt or .pth file that holds a pickled module or TorchScript: this runs whatever code its
        maker put there; nothing else that a model file holds is run.
        num_cpus, num_gpus, resources, label_selector, concurrency: as in `map_batches`, on a cluster; by its shape when
        not given.
        Raises BadOption; the model is opened when the job is planned or run.
        """
        return self._then(
            Infer(
                reference=model,
                preprocess=preprocess,
                labels=labels,
                task=task,
                top_k=top_k,
                precision=precision,
                min_agreement=min_agreement,
                allow_pickle=allow_pickle,
                needs=Needs.of(
                    num_cpus=num_cpus,
                    num_gpus=num_gpus,
                    resources=resources,
                    label_selector=label_selector,
                    concurrency=concurrency,
                ),
            )
        )

    def _then(self, step: MapBatches | Infer) -> Dataset:
        return Dataset(replace(self.job, steps=(*self.job.steps, step)))

    def limit(self, rows: int) -> Dataset:
        """Only the first `rows` rows (>= 1) of the input."""
        return Dataset(replace(self.job, limit=count("limit", rows)))

    def plan(self, out: str | Path | None = None, *, plan: str | Path | None = None, **settings: Any) -> Plan:
        """How it would run: every choice with its reason; "auto" where the first batches will settle it.

        Lists the input and opens the model's header; reads no rows. settings: those of `write_parquet`. When `out`
        holds a settled plan and no `plan` is given, that one is taken.
        """
        recorded = ParquetFolder(out).read_state("plan.toml") if plan is None and out is not None else None
        saved = values_from_toml(plan) if plan is not None else {}
        if recorded is not None:
            saved = values_from_text(recorded, where=f"{out}/_headrace/plan.toml")
        checked = Settings(**settings)
        with engine_of(checked) as engine:
            return engine.draft(make_recipe(self.job, elsewhere=checked.engine != "local"), saved=saved)

    def write_parquet(
        self,
        out: str | Path,
        *,
        engine: str = "local",
        address: str | None = None,
        plan: str | Path | None = None,
        overwrite: bool = False,
        resume_new: bool = False,
        retry: bool = False,
        accept_changes: bool = False,
        keep_images: bool = False,
        on_progress: OnProgress | None = None,
        **settings: Any,
    ) -> RunReport:
        """Runs it into `out`, one Parquet row for every input row, in order; returns the report.

        out: a local folder or s3://. An unfinished one is resumed, a finished one is left as it is; one that holds
        another job is refused unless `overwrite`. engine: "local" or "ray", at `address`: "auto", "host:port" or
        "ray://host:port"; the Ray that this process has, or a new local one, when not given. resume_new: files that the
        input has got since are run too, into further parts. retry: rows that were rejected are run again, into further
        parts; with accept_changes also by stages or a model that have changed. plan: a saved plan.toml. keep_images:
        keeps the image column.
        settings: batch_size, workers, prepare_workers, io_concurrency, partition_rows ("auto" or an integer >= 1),
        on_error ("reject" or "fail"), max_rejected (0..1), memory (bytes, or text such as "2GiB"), stall_timeout
        (seconds). Raises UsageError before anything is written, RunError when the run stops.
        """
        return write_job(
            self.job,
            Settings(engine=engine, address=address, **settings),
            Into(
                out=out,
                overwrite=overwrite,
                resume_new=resume_new,
                retry=retry,
                accept_changes=accept_changes,
                keep_images=keep_images,
            ),
            saved=values_from_toml(plan) if plan is not None else {},
            on_progress=on_progress,
            clock=RunClock(),
        ).report

    def iter_batches(self, *, batch_size: int = 256, keep_images: bool | None = None) -> Iterator[Columns]:
        """Streams output columns in batches of `batch_size` rows (the last one shorter); rejected rows are left out.

        No output folder. keep_images: whether the image column is among them; when not given, where there is no model.
        The arrays are the caller's. Closing the iterator stops the run.
        """
        return rebatched(self._columns(keep_images=keep_images, measure=True), count("batch_size", batch_size))

    def take_batch(self, batch_size: int = 20) -> Columns:
        """The first `batch_size` output rows as columns (fewer when there are no more); auto means fp32 here."""
        count("batch_size", batch_size)
        return next(rebatched(self._columns(keep_images=None, measure=False), batch_size), {})

    def take(self, limit: int = 20) -> list[dict[str, Any]]:
        """The first `limit` output rows, as dictionaries."""
        columns = self.take_batch(count("limit", limit))
        return [{n: a[i] for n, a in columns.items()} for i in range(rows_of(columns))]

    def _columns(self, *, keep_images: bool | None, measure: bool) -> Iterator[Columns]:
        recipe, machine = make_recipe(self.job), this_machine()
        settings = Settings()
        plan = draft(recipe, settings, machine, saved={})
        keep = recipe.inference is None if keep_images is None else keep_images
        chosen, timeout_s = plan if measure else unmeasured(plan, recipe), settings.stall_timeout
        run = LocalRun(recipe, chosen, machine, RunClock(), keep_images=keep, stall_timeout_s=timeout_s)
        everything = Todo.whole(recipe.listing.rows)
        run.settle(everything.first)
        for batch in run.batches(everything):
            if batch.keys:
                yield run.output.columns(batch)
