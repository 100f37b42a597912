"""Notebooks: the code cells as one module."""

from __future__ import annotations

import json
from typing import Any

from headrace.lint.model.analysis import concerns_ray
from headrace.lint.source import LINE_ENDS, Place, Problem, Source, syntax_problem, without_magics


def read_notebook(path: str, raw: str) -> Source:
    """The notebook's code cells as one module; a cell that does not parse is a problem, and left out."""
    try:
        cells = _code_cells(json.loads(raw))
    except json.JSONDecodeError as error:
        place = Place(0, error.lineno, error.colno)
        return Source(path, problems=(Problem(place, f"is no notebook: not JSON ({error.msg})"),))
    except RecursionError:
        return Source(path, problems=(Problem(Place(0, 1, 1), "is no notebook: JSON nested too deeply"),))
    except (AttributeError, KeyError, TypeError, IndexError):
        problem = Problem(Place(0, 1, 1), "is no notebook: no list of cells, each with its source, is in it")
        return Source(path, problems=(problem,))
    lines: list[str] = []
    origins: list[tuple[int, int]] = []
    problems: list[Problem] = []
    told = any(concerns_ray(source) for _, source in cells)  # what is not about Ray may be anything
    for number, source in cells:
        text = LINE_ENDS.sub("\n", source)
        wrong = syntax_problem(text)
        if wrong is not None:
            text = without_magics(text)
            wrong = syntax_problem(text)
        if wrong is not None:
            problems += [Problem(Place(number, wrong[0], wrong[1]), wrong[2])] * told
            continue
        own = text.split("\n")
        lines += own
        origins += [(number, line) for line in range(1, len(own) + 1)]
    return Source(path, "\n".join(lines), raw, tuple(origins) or ((1, 1),), problems=tuple(problems))


def _code_cells(notebook: Any) -> list[tuple[int, str]]:
    """Each code cell's number among all cells, from 1, and its source."""
    about = notebook.get("metadata", {})
    language = about.get("kernelspec", {}).get("language") or about.get("language_info", {}).get("name") or "python"
    cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
    found = []
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "code" and language.lower() == "python":
            source = cell.get("source", cell.get("input", ""))
            found.append((number, source if isinstance(source, str) else "".join(source)))
    return found
