"""Looks like: map(batched=True), a tokenizer captured, lists returned, train_test_split. Is: Hugging Face datasets."""

from datasets import Dataset, load_dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("distilbert-base-uncased")
model = AutoModelForSequenceClassification.from_pretrained("distilbert-base-uncased", num_labels=2)


def tokenize(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
    return tokenizer(batch["text"], truncation=True, max_length=256)


def lengths(row: dict[str, list[int]]) -> dict[str, int]:
    return {"length": len(row["input_ids"])}


def prepare(name: str) -> Dataset:
    rows = load_dataset(name, split="train").shuffle(seed=1).select(range(2_000))
    rows = rows.map(tokenize, batched=True, batch_size=1_000, num_proc=4, remove_columns=["text"])
    return rows.map(lengths).filter(lambda row: row["length"] > 8)


if __name__ == "__main__":
    parts = prepare("imdb").train_test_split(test_size=0.1)
    print(parts["train"].take(2), len(parts["test"]))
    arguments = TrainingArguments("out", per_device_train_batch_size=16, num_train_epochs=1, use_cpu=True)
    trainer = Trainer(model, arguments, train_dataset=parts["train"], processing_class=tokenizer)
    trainer.train()
    for row in parts["test"]:
        print(model.config.id2label[row["label"]])
