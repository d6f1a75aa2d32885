"""The small networks that the methods share."""

from torch import Tensor, nn

VGG_WIDTHS = (64, 128, 256, 256, 512)


class FeatureExtractor(nn.Module):
    """VGG-like stack: five blocks of 3x3 convolution, BatchNorm, ReLU and 2x2 max pooling.

    Args:
        in_channels: 1 for grey pictures, 3 for RGB.
        width: factor on the widths 64, 128, 256, 256, 512 of the full network.

    ``forward`` takes float pictures (N, in_channels, H, W), H and W at least 32, and returns
    features (N, ``out_features``); pictures larger than 32 are averaged over what space is left.
    """

    def __init__(self, in_channels: int = 1, width: float = 1.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for full in VGG_WIDTHS:
            out = max(1, round(full * width))
            layers += [
                nn.Conv2d(channels, out, kernel_size=3, padding=1),
                nn.BatchNorm2d(out),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            channels = out
        self.blocks = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))
        self.out_features = channels

    def forward(self, images: Tensor) -> Tensor:
        return self.blocks(images).flatten(1)  # (N, C, 1, 1) -> (N, C)


class LabelClassifier(nn.Sequential):
    """Two hidden linear layers with ReLU: features (N, ``features``) -> logits (N, ``classes``)."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__(
            nn.Linear(features, features),
            nn.ReLU(),
            nn.Linear(features, features),
            nn.ReLU(),
            nn.Linear(features, classes),
        )


class DomainClassifier(nn.Sequential):
    """Hidden linear layers with BatchNorm and ReLU: features -> one domain logit (N, 1)."""

    def __init__(self, features: int, hidden_layers: int = 4) -> None:
        hidden = [
            layer
            for _ in range(hidden_layers)
            for layer in (nn.Linear(features, features), nn.BatchNorm1d(features), nn.ReLU())
        ]
        super().__init__(*hidden, nn.Linear(features, 1))
