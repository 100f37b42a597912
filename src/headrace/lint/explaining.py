"""What a rule is about, for a terminal and as a page."""

from __future__ import annotations

from headrace.lint.rule import Rule


def facts(rule: Rule) -> str:
    """What a rule's findings cost, which Ray it holds for, whether it is on and can mend."""
    said = [rule.category.value, f"Ray {rule.ray}" if rule.ray != "all" else "every Ray"]
    said.append("opt-in: --select it" if rule.opt_in else "on")
    return ", ".join([*said, *(["mended by --fix"] if rule.fixable else [])])


def explained(rule: Rule) -> str:
    """For a terminal."""
    parts = [f"{rule.id} {rule.name}: {rule.title}", f"({facts(rule)})", "", f"Why: {rule.why}.", f"Fix: {rule.fix}."]
    parts += [f"Ray 2.60 says: {rule.error}"] if rule.error else []
    parts += ["", "Bad:", "", _indented(rule.bad), "Good:", "", _indented(rule.good)]
    parts += [rule.notes.strip(), ""] if rule.notes else []
    return "\n".join(parts)


def page(rule: Rule) -> str:
    """As docs/lint/<id>.md."""
    error = ["Ray 2.60 says:", "", f"    {rule.error}", ""] if rule.error else []
    notes = [rule.notes.strip(), ""] if rule.notes else []
    silence = f"Silence it on a line with `# noqa: {rule.id}`; see [all rules](../lint.md)."
    parts = [f"# {rule.id} {rule.name}", "", f"{_sentence(rule.title)} ({facts(rule)})", "", _sentence(rule.why), ""]
    parts += [*error, f"**Instead:** {rule.fix}.", "", "## Bad", "", f"```python\n{rule.bad}```", ""]
    parts += ["## Good", "", f"```python\n{rule.good}```", "", *notes, silence]
    return "\n".join(parts) + "\n"


def _sentence(text: str) -> str:
    first = text.split()[0]
    return f"{text}." if set(first) & set("_=.(") else f"{text[0].upper()}{text[1:]}."


def _indented(code: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in code.splitlines())
