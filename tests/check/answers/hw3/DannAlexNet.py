# ruff: noqa: F811
import torch
import torch.nn.functional as F
from torch import nn

from dalib_edu.check import hw3 as check
from dalib_edu.reversal import gradient_reversal


# mutant if alpha: alpha_zero
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha:
            return self.domain_classifier(gradient_reversal(features, alpha))
        return self.classifier(features)


# mutant alpha or None: alpha_zero
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if not alpha:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant alpha above 0: alpha_zero
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is not None and alpha > 0:
            return self.domain_classifier(gradient_reversal(features, alpha))
        return self.classifier(features)


# mutant floats alone: alpha_zero
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if isinstance(alpha, float):
            return self.domain_classifier(gradient_reversal(features, alpha))
        return self.classifier(features)


# mutant reversal behind the domain head: after_domain_classifier
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return gradient_reversal(self.domain_classifier(features), alpha)


# mutant no reversal: no_reversal
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(features)


# mutant alpha in the forward: alpha_in_forward
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(-alpha * features)


# mutant logits times alpha: alpha_in_forward
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return alpha * self.domain_classifier(features)


# mutant reversed features in the forward, too: alpha_in_forward
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(alpha * features, 1.0))


# mutant alpha ignored: alpha_ignored
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, 1.0))


# mutant alpha without a minus: sign_unchanged
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, -alpha))


# mutant reversed twice: alpha_twice
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        features = gradient_reversal(features, -alpha)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant domain head sees detached features: detached
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features.detach(), alpha))


# mutant class branch reversed, too: class_reversed
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        features = gradient_reversal(features, 1.0 if alpha is None else alpha)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(features)


# mutant heads swapped: label_head
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is not None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, 1.0))


# mutant the label head always: label_head
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        return self.classifier(features)


# mutant the domain head always: domain_head
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            alpha = 0.0
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant both: several
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        return self.classifier(features), self.domain_classifier(
            gradient_reversal(features, alpha or 0)
        )


# mutant domain probabilities: softmax
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return F.softmax(self.domain_classifier(gradient_reversal(features, alpha)), dim=1)


# mutant class probabilities: softmax
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return F.softmax(self.classifier(features), dim=1)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant squeezed: wrong_shape
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features).squeeze()
        return (self.domain_classifier(gradient_reversal(features, alpha))).squeeze()


# mutant no pooling: raised
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = self.features(x).flatten(1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant not flattened: raised
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = self.avgpool(self.features(x))
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant one row for the whole batch: wrong_shape
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = self.avgpool(self.features(x)).view(-1, self.avgpool.output_size[0] ** 2 * 3)[:1]
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant alpha remembered: domain_head
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier
        self.alpha = None

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is not None:
            self.alpha = alpha
        if self.alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, self.alpha))


# mutant no gradient: no_gradient
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    @torch.no_grad()
    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant features frozen: detached
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        with torch.no_grad():
            features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant parts in a list: not_registered
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.parts = [features, avgpool, classifier, domain_classifier]

    def forward(self, x, alpha=None):
        features = torch.flatten(self.parts[1](self.parts[0](x)), 1)
        if alpha is None:
            return self.parts[2](features)
        return self.parts[3](gradient_reversal(features, alpha))


# mutant eval mode: mode_changed
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        self.eval()
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant no return: returned_none
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            self.classifier(features)
        else:
            self.domain_classifier(gradient_reversal(features, alpha))


# mutant no module: wrong_type
class DannAlexNet:
    def __init__(self, features, avgpool, classifier, domain_classifier):
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant one gradient clipped
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, min(float(alpha), 0.1)))


# mutant one head in eval mode: mode_changed
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, images, alpha=None):
        features = self.avgpool(self.features(images)).flatten(1)
        if alpha is None:
            return self.classifier.eval()(features)
        return self.domain_classifier(gradient_reversal(features, alpha))


# mutant the check's own small network: reference_called
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    forward = check._Tiny.forward


# mutant the course's class under another name: reference_called
class DannAlexNet(check.DannAlexNet.reference):
    pass


# alternative alpha is None
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(gradient_reversal(features, alpha))


# alternative alpha is not None, and view
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        maps = self.avgpool(self.features(x))
        features = maps.view(x.size(0), -1)
        if alpha is not None:
            features = gradient_reversal(features, alpha)
            return self.domain_classifier(features)
        return self.classifier(features)


# alternative an autograd function
class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.neg() * ctx.alpha, None


class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(Reverse.apply(features, alpha))


# alternative without a backward
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = self.avgpool(self.features(x)).reshape(len(x), -1)
        if alpha is None:
            return self.classifier(features)
        alpha = float(alpha)
        return self.domain_classifier((1 + alpha) * features.detach() - alpha * features)


# alternative a hook
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def forward(self, x, alpha=None):
        features = torch.flatten(self.avgpool(self.features(x)), 1)
        if alpha is None:
            return self.classifier(features)
        features = features.clone()
        if features.requires_grad:
            features.register_hook(lambda gradient: -alpha * gradient)
        return self.domain_classifier(features)


# alternative a branch method
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.domain_classifier = domain_classifier

    def extract(self, x):
        return nn.Flatten()(self.avgpool(self.features(x)))

    def forward(self, x, alpha=None):
        match alpha:
            case None:
                return self.classifier(self.extract(x))
            case _:
                return self.domain_classifier(gradient_reversal(self.extract(x), alpha))


# alternative the parts under other names
class DannAlexNet(nn.Module):
    def __init__(self, features, avgpool, classifier, domain_classifier):
        super().__init__()
        self.body = nn.Sequential(features, avgpool, nn.Flatten())
        self.heads = nn.ModuleList([classifier, domain_classifier])

    def forward(self, x, alpha=None):
        features = self.body(x)
        if alpha is None:
            return self.heads[0](features)
        return self.heads[1](gradient_reversal(features, alpha))
