# ruff: noqa: F811
import torch


# mutant no minus: sign_unchanged
class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, lambda_):
        ctx.lambda_ = lambda_
        return features.view_as(features)

    @staticmethod
    def backward(ctx, gradient):
        return ctx.lambda_ * gradient, None


def gradient_reversal(features, lambda_):
    return Reversal.apply(features, lambda_)


# mutant lambda ignored: lambda_ignored
class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features):
        return features.view_as(features)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


def gradient_reversal(features, lambda_):
    return Reversal.apply(features)


# mutant lambda in the forward: lambda_in_forward
def gradient_reversal(features, lambda_):
    return -lambda_ * features


# mutant lambda in both directions: lambda_in_forward
class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, lambda_):
        ctx.lambda_ = lambda_
        return features * lambda_

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.lambda_ * gradient, None


def gradient_reversal(features, lambda_):
    return Reversal.apply(features, lambda_)


# mutant negated forward: negated_forward
def gradient_reversal(features, lambda_):
    return -features


# mutant identity: no_reversal
def gradient_reversal(features, lambda_):
    return features


# mutant lambda twice: lambda_twice
class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, lambda_):
        ctx.lambda_ = lambda_
        return features.view_as(features)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.lambda_ * gradient, None


def gradient_reversal(features, lambda_):
    result = Reversal.apply(features, lambda_).clone()
    result.register_hook(lambda gradient: lambda_ * gradient)
    return result


# mutant detached: no_gradient
def gradient_reversal(features, lambda_):
    return features.detach()


# mutant hook on the features themselves: all_reversed
def gradient_reversal(features, lambda_):
    features.register_hook(lambda gradient: -lambda_ * gradient)
    return features


# mutant if lambda: no_reversal
def gradient_reversal(features, lambda_):
    if lambda_:
        return (1 + lambda_) * features.detach() - lambda_ * features
    return features


# mutant cut off where lambda is 0: no_gradient
def gradient_reversal(features, lambda_):
    if lambda_ == 0:
        return features.detach()
    return (1 + lambda_) * features.detach() - lambda_ * features


# mutant in place: input_changed
def gradient_reversal(features, lambda_):
    with torch.no_grad():
        features.mul_(-lambda_)
    return features


# mutant double precision: wrong_dtype
def gradient_reversal(features, lambda_):
    features = features.double()
    return (1 + lambda_) * features.detach() - lambda_ * features


# mutant single precision: wrong_dtype
def gradient_reversal(features, lambda_):
    features = features.float()
    return (1 + lambda_) * features.detach() - lambda_ * features


# mutant only two axes: raised
def gradient_reversal(features, lambda_):
    rows, columns = features.shape
    view = features.view(rows, columns)
    view.register_hook(lambda gradient: -lambda_ * gradient)
    return view


# mutant flattened: wrong_shape
def gradient_reversal(features, lambda_):
    flat = features.flatten(1) if features.ndim > 1 else features[None]
    return (1 + lambda_) * flat.detach() - lambda_ * flat


# mutant gradient clipped
def gradient_reversal(features, lambda_):
    view = features.clone()
    view.register_hook(lambda gradient: (-lambda_ * gradient).clamp(-0.1, 0.1))
    return view


# mutant no return: returned_none
def gradient_reversal(features, lambda_):
    features.clone().register_hook(lambda gradient: -lambda_ * gradient)


# mutant one gradient too few: raised
class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, lambda_):
        ctx.lambda_ = lambda_
        return features.view_as(features)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.lambda_ * gradient


def gradient_reversal(features, lambda_):
    return Reversal.apply(features, lambda_)


# mutant numpy: wrong_type
def gradient_reversal(features, lambda_):
    return features.detach().numpy()


# alternative autograd function
class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.weight = weight
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.weight, None


def gradient_reversal(features, lambda_):
    return Reversal.apply(features, lambda_)


# alternative autograd function with a saved tensor
class GradReverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        (weight,) = ctx.saved_tensors
        return -weight * grad_output, None


def gradient_reversal(features, lambda_):
    return GradReverse.apply(features, torch.tensor(lambda_, dtype=features.dtype))


# alternative hook on a clone
def gradient_reversal(features, lambda_):
    result = features.clone()
    result.register_hook(lambda gradient: -lambda_ * gradient)
    return result


# alternative hook on a view
def gradient_reversal(features, lambda_):
    result = features.view_as(features)
    result.register_hook(lambda gradient: gradient * -lambda_)
    return result


# alternative without a backward
def gradient_reversal(features, lambda_):
    return (1 + lambda_) * features.detach() - lambda_ * features


# alternative module
class GradientReversal(torch.nn.Module):
    def __init__(self, lambda_):
        super().__init__()
        self.lambda_ = lambda_

    def forward(self, x):
        mirrored = -self.lambda_ * x
        return mirrored + (x - mirrored).detach()


def gradient_reversal(features, lambda_):
    return GradientReversal(lambda_)(features)
