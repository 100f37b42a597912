"""The demo's model and photos; where they come from is in assets/NOTICE.md."""

from __future__ import annotations

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
MODEL = ASSETS / "mobilenet_v2.onnx"
PHOTOS = ASSETS / "photos"
