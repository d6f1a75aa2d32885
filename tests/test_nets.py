"""The networks: shapes, and weights counted by hand."""

import pytest
import torch

from dalib_edu.nets import DomainClassifier, FeatureExtractor, LabelClassifier


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("size", [32, 33, 47, 64, 96])
@pytest.mark.parametrize("channels", [1, 3])
def test_feature_extractor_shapes(size, channels):
    extractor = FeatureExtractor(channels, width=0.1).eval()
    features = extractor(torch.rand(2, channels, size, size))
    assert features.shape == (2, extractor.out_features) == (2, 51)


def test_pictures_need_not_be_square():
    assert FeatureExtractor(1, 0.1).eval()(torch.rand(1, 1, 32, 96)).shape == (1, 51)


@pytest.mark.parametrize("channels", [1, 3])
def test_weights_of_the_full_network(channels):
    weights, before = 0, channels
    for width in (64, 128, 256, 256, 512):
        weights += width * before * 3 * 3 + width  # convolution
        weights += width + width  # BatchNorm
        before = width
    extractor = FeatureExtractor(channels)
    assert count(extractor) == weights
    assert count(FeatureExtractor(1)) == 2_142_336
    assert extractor.out_features == 512
    assert FeatureExtractor(channels, 0.25).out_features == 128


def test_a_tiny_width_keeps_a_channel():
    extractor = FeatureExtractor(1, width=0.001)
    assert extractor.out_features == 1
    assert extractor.eval()(torch.rand(2, 1, 32, 32)).shape == (2, 1)


def test_classifiers():
    labels, domains = LabelClassifier(6, 4), DomainClassifier(6)
    assert labels(torch.rand(3, 6)).shape == (3, 4)
    assert domains(torch.rand(3, 6)).shape == (3, 1)
    assert count(labels) == 2 * (6 * 6 + 6) + 6 * 4 + 4
    assert count(domains) == 4 * (6 * 6 + 6 + 2 * 6) + 6 + 1
    assert count(DomainClassifier(6, hidden_layers=0)) == 7
