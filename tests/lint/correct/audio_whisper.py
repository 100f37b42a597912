"""Looks like: a model called for one row at a time. Is: Whisper, whose transcribe takes one recording a call."""

import ray
from faster_whisper import BatchedInferencePipeline, WhisperModel


class Transcribe:
    """One recording is minutes long: its pieces are the batch, on the GPU."""

    def __init__(self, size):
        model = WhisperModel(size, device="cuda", compute_type="float16")
        self.model = BatchedInferencePipeline(model)

    def __call__(self, row):
        segments, info = self.model.transcribe(row["path"], batch_size=16)
        return {
            "path": row["path"],
            "language": info.language,
            "text": " ".join(segment.text.strip() for segment in segments),
        }


recordings = ray.data.from_items([{"path": f"/data/calls/{number:05}.flac"} for number in range(2_000)])
texts = recordings.repartition(200).map(
    Transcribe, fn_constructor_args=("small",), num_gpus=1, compute=ray.data.ActorPoolStrategy(size=4)
)
texts.write_parquet("/data/transcripts/")
