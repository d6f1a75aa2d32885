# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Homework 2: From photographs to drawings
#
# **Paper:** Ganin et al., *Domain-Adversarial Training of Neural Networks*, JMLR 2016
# ([arXiv 1505.07818](https://arxiv.org/abs/1505.07818)). **Your time:** 3 hours.
# **Hardware:** a laptop with two cores; all cells together compute for two to four minutes.
#
# You have photographs with labels and drawings without. You want to classify the drawings.
#
# After this homework you will be able to
#
# - bring two domains closer with what you know about them (edges), and measure what is left;
# - write the gradient reversal layer and the domain-adversarial losses, by hand;
# - train the same objective in two ways, by reversal and by alternating steps, and show that the
#   gradients agree;
# - choose a schedule for the weight $\lambda$ and read the curves of an adversarial training;
# - go on from there with pseudo-labels and a slow teacher;
# - predict without the classical mistakes, and hand in a file of predictions.
#
# Fill in the cells that raise `NotImplementedError`. The cell below each one checks your function
# at once. If you are stuck, go on with the cell below the check: it lends you the course's version, and
# you only lose the points of that exercise.

# %%
import cv2
import numpy as np
import torch
import torch.nn.functional as F

from dalib_edu import dann, evaluate, plot, self_training, settings, submit
from dalib_edu.check import hw2 as check
from dalib_edu.data import batches, drawings, transforms
from dalib_edu.fit import fit

# %% [markdown]
# ## 1. Two domains
#
# In the original homework the source is 5,000 photographs of 32 x 32 pixels in ten classes, and the
# target is 100,000 hand drawings of 28 x 28 pixels without labels. This notebook draws its own
# pictures in the same sizes, so there is nothing to download. (To run the same cells on the original
# data set, start JupyterLab with `DALIB_EDU_SCALE=full` and `DALIB_EDU_DATA=` its folder.)
#
# The *target* drawings are for training, and nobody tells you what they show. Other drawings, the
# *test* set, are what you classify at the end. If your teacher has handed out a file
# `hw2_test_pictures.npz`, put it beside this notebook before you run it: then the test set is what is
# in it, and your teacher alone has the labels.

# %%
config, self_config = dann.PRESETS[settings.scale()], self_training.PRESETS[settings.scale()]
world = drawings.load()
classes = world.photos.classes
print(f"source: {len(world.photos)} photographs {tuple(world.photos.images.shape[1:])}, labels")
print(f"target: {len(world.drawings)} drawings {tuple(world.drawings.images.shape[1:])}, no labels")
print(f"test:   {len(world.test)} other drawings")

# %%
plot.image_grid(world.photos.images[:20], classes * 2, title="source: photographs")

# %%
plot.image_grid(world.drawings.images[:20], title="target: drawings")

# %% [markdown]
# ## 2. What you know about drawings: edges
#
# People who draw a thing in a hurry draw its outline. So make the photographs look like outlines,
# too: Canny's edge detector marks the pixels where the brightness changes abruptly. It has two
# thresholds on the size of the change. Above the high one a pixel is an edge; below the low one it
# is not; in between it is one only if it is connected to an edge.
#
# ### Exercise 1: `canny_view` (8 points, easy, 10 minutes)
#
# Write `canny_view(image, low, high)`. `image` is a colour picture, RGB, `uint8`, shape (H, W, 3).
# Turn it to grey (`cv2.cvtColor`), find the edges of the grey picture (`cv2.Canny`), and return
# them as a `uint8` array of shape (H, W): 255 on an edge, 0 elsewhere. The input stays as it is.
#
# <details><summary>Hint</summary>
#
# OpenCV likes the channel order BGR; our pictures are RGB. Which conversion code says "from RGB"?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "canny_view", "locked": false, "schema_version": 3, "solution": true, "task": false}
def canny_view(image: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return the edges of an RGB picture (H, W, 3), white (255) on black: uint8 (H, W)."""
    ### BEGIN SOLUTION
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.Canny(grey, low, high)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_canny_view", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw2 as check

check.canny_view(canny_view)
### BEGIN HIDDEN TESTS
check.canny_view(canny_view, seed=4104)
### END HIDDEN TESTS

# %%
canny_view = check.canny_view.pick_from(globals())

# %% [markdown]
# Look at five photographs through four pairs of thresholds. The higher the thresholds, the fewer
# lines: too low, and the clutter of the background is drawn as well; too high, and parts of the thing
# itself go. From here on the network gets `config.canny`, the third row.

# %%
examples = world.photos.images[:5]
thresholds = [(50, 100), config.canny, (150, 200), (250, 300)]
rows = [transforms.to_grey(examples)]
for low, high in thresholds:
    views = [canny_view(image.permute(1, 2, 0).numpy(), low, high) for image in examples]
    rows.append(torch.from_numpy(np.stack(views)).unsqueeze(1))  # (5, H, W) -> (5, 1, H, W)
titles = [name for name in ["grey", *map(str, thresholds)] for _ in examples]
plot.image_grid(torch.cat(rows), titles, columns=5, title="Canny at four pairs of thresholds")

# %% [markdown]
# One more thing that you know: Canny draws white on black, people draw dark on white paper.
# `prepare_drawings` inverts the drawings, and enlarges them from 28 to 32 pixels. The first sounds
# like a detail; Section 10 shows what a trained network makes of drawings that are not inverted.
#
# From here on, both domains are grey pictures of 32 x 32 pixels, light strokes on black (the
# drawings' are softer). In
# training, every picture is mirrored with probability 1/2 and turned by up to 15 degrees, anew each
# time. In evaluation pictures stay as they are: random flips belong into training only.

# %%
source = drawings.prepare_photos(world.photos, config.canny)
target = drawings.prepare_drawings(world.drawings)
source_test = drawings.prepare_photos(world.photos_test, config.canny)
target_test = drawings.prepare_drawings(world.drawings_test)
test = drawings.prepare_drawings(world.test)
both = torch.cat([source.images[:10], target.images[:10]])
plot.image_grid(both, title="what the network sees: photographs above, drawings below")

# %% [markdown]
# ## 3. Without adaptation
#
# The network has a *feature extractor* $F$ (five blocks of convolution, BatchNorm, ReLU and pooling,
# in the manner of VGG) and a *label classifier* $C$ on top. A *domain classifier* $D$, which you
# need later, looks at the same features. First train $F$ and $C$ on the photographs' edges alone:
# this is **source-only**, the baseline that an adaptation method has to beat.
#
# ### Exercise 2: `predict` (8 points, easy, 10 minutes)
#
# Make sure that you can measure before you train. Write `predict(model, images, batch_size)`:
# `images` is float, (N, C, H, W); `model` maps a batch of them to logits (B, K). Return the predicted
# classes, `int64`, (N,), in the order of the pictures.
#
# - Put the model into evaluation mode. In training mode BatchNorm normalises with the statistics
#   of the very batch that it sees, and it keeps updating its running statistics, here with test
#   pictures. Both happen in code that circulates.
# - Compute no gradients.
# - Every N must work: 1, too, and an N that `batch_size` does not divide.
#
# <details><summary>Hint</summary>
#
# `model.eval()`, `torch.no_grad()`, `images.split(batch_size)`, `torch.cat`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "predict", "locked": false, "schema_version": 3, "solution": true, "task": false}
def predict(model: torch.nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Return the predicted classes, int64 (N,), of float pictures (N, C, H, W), in eval mode."""
    ### BEGIN SOLUTION
    model.eval()
    with torch.no_grad():
        return torch.cat([model(batch).argmax(dim=1) for batch in images.split(batch_size)])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_predict", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw2 as check

check.predict(predict)
### BEGIN HIDDEN TESTS
check.predict(predict, seed=4105)
### END HIDDEN TESTS

# %%
predict = check.predict.pick_from(globals())

# %% [markdown]
# Now the baseline. `fit` takes a step, an endless stream of batches and a number of steps, and draws a
# progress bar. The step here is cross-entropy on the source and nothing else.
#
# The accuracies below are on test pictures, which no network trains on. In real life you would have
# no labels for the drawings and could not compute the second number at all (at full scale it is `nan`);
# it is here so that you can see what the methods do. The *proxy A-distance* is 2 (1 - 2 * error) of a linear classifier that
# tries to tell the two domains' features apart: 2 if it always can, 0 if it can only guess. It needs
# no class labels.

# %%
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.set_num_threads(1)  # so small a network is no faster with two
x_source, x_target, x_test = (
    transforms.to_float(data.images).to(device).contiguous(memory_format=torch.channels_last)
    for data in (source_test, target_test, test)
)


def new_model(seed=0):
    torch.manual_seed(seed)
    model = dann.Dann(1, len(classes), config.width, config.domain_layers)
    model = model.to(device, memory_format=torch.channels_last)  # faster on a CPU
    return model, dann.Optimizers.adam(model, config.learning_rate, config.beta1)


def batches_of(data, seed):
    return batches.endless_batches(
        data, config.batch_size, seed=seed, transform=transforms.flip_and_rotate, device=device
    )


def accuracy(model, images, labels):
    if (labels < 0).any():  # at full scale nobody has the labels of the drawings
        return float("nan")
    return 100 * (predict(model, images).cpu() == labels).float().mean().item()


def report(model):
    features = [evaluate.features(model.feature_extractor, x) for x in (x_source, x_target)]
    return {
        "source %": accuracy(model, x_source, source_test.labels),
        "target %": accuracy(model, x_target, target_test.labels),
        "A-distance": f"{evaluate.proxy_a_distance(*features):.2f}",
    }


# %% tags=["nbval-ignore-output"]
baseline, optimizers = new_model()


def baseline_step(batch, p):
    baseline.train()
    return dann.source_only_step(baseline, optimizers, *batch)


fit(baseline_step, batches_of(source, seed=0), config.steps, title="source-only")
scores = {"source-only": report(baseline)}
print(plot.table([{"method": name, **figures} for name, figures in scores.items()]))

# %% [markdown]
# The network reads the photographs' edges well and the drawings much worse: edges alone do not close
# the gap. The A-distance says the same without a single class label: the two domains lie far apart in the
# features.
#
# ## 4. The idea: features that do not tell where they come from
#
# If no classifier can tell from the features whether a picture is a photograph or a drawing, then
# what $C$ learned on the photographs' features has a chance to hold on the drawings'. So train a
# domain classifier $D$ to tell the domains apart, and train $F$ to make that impossible. The paper
# looks for the saddle point of
#
# $$E(F, C, D) = L_y(F, C) - \lambda\, L_d(F, D)$$
#
# $L_y$ is the cross-entropy of the labels on the source, $L_d$ the binary cross-entropy of the domains
# on both. $F$ and $C$ make $E$ small, $D$ makes it large. Gradient descent on all three would need two
# losses with different signs. The paper's trick is a layer between $F$ and $D$ that does nothing on
# the way forward and turns the gradient around on the way back:
#
# $$R_\lambda(x) = x, \qquad \frac{dR_\lambda}{dx} = -\lambda I$$
#
# Then everybody can minimise $L_y + L_d$: $D$ gets its own gradient, $F$ gets that of $L_y$ minus
# $\lambda$ times that of $L_d$.
#
# ### Exercise 3: `gradient_reversal` (12 points, medium, 20 minutes)
#
# Write `gradient_reversal(features, lambda_)`. The result equals `features`. In the backward pass, the
# gradient that arrives is multiplied by `-lambda_` before it goes on to `features`. Any shape; any
# `lambda_` of 0 or more, 0 included.
#
# <details><summary>Hint</summary>
#
# `forward` keeps `lambda_` in `ctx` and returns `features.view_as(features)`. `backward` returns one
# value for each argument of `forward`; for a plain number that is `None`. Call it with
# `Reversal.apply`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "gradient_reversal", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Reversal(torch.autograd.Function):
    """The layer; another way to write gradient_reversal is welcome, too."""

    @staticmethod
    def forward(ctx, features, lambda_):
        ### BEGIN SOLUTION
        ctx.lambda_ = lambda_
        return features.view_as(features)
        ### END SOLUTION

    @staticmethod
    def backward(ctx, gradient):
        ### BEGIN SOLUTION
        return -ctx.lambda_ * gradient, None
        ### END SOLUTION


def gradient_reversal(features: torch.Tensor, lambda_: float) -> torch.Tensor:
    """Return features unchanged; multiply their gradient by -lambda_ on the way back."""
    ### BEGIN SOLUTION
    return Reversal.apply(features, lambda_)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_gradient_reversal", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw2 as check

check.gradient_reversal(gradient_reversal)
### BEGIN HIDDEN TESTS
check.gradient_reversal(gradient_reversal, seed=4106)
### END HIDDEN TESTS

# %%
gradient_reversal = check.gradient_reversal.pick_from(globals())

# %% [markdown]
# ## 5. How much: the schedule of lambda
#
# At the beginning the features mean nothing yet, and there is no point in making them
# indistinguishable. So $\lambda$ starts small and grows with $p$, the part of the training that is
# done. Two schedules:
#
# $$\lambda_{\text{paper}}(p) = \frac{2}{1 + \exp(-10\,p)} - 1 \qquad\qquad
# \lambda_{\text{log}}(p) = \log(1.02 + 1.7\,p)$$
#
# The first is the paper's; the second circulates with the drawings homework.
#
# ### Exercise 4: `lambda_at` (8 points, easy, 5 minutes)
#
# Write `lambda_at(p, kind)`: `p` is a number from 0 to 1, `kind` is `"paper"` or `"log"`. Return
# $\lambda$. For any other `kind`, raise a `ValueError`.
#
# Expected: `lambda_at(0.25, "paper")` is 0.848284, `lambda_at(0.25, "log")` is 0.3681.


# %% nbgrader={"grade": false, "grade_id": "lambda_at", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lambda_at(p: float, kind: str) -> float:
    """Return lambda after the part p (0 to 1) of the training, by the schedule of that kind."""
    ### BEGIN SOLUTION
    if kind == "paper":
        return 2 / (1 + np.exp(-10 * p)) - 1
    if kind == "log":
        return np.log(1.02 + 1.7 * p)
    raise ValueError(f"kind must be 'paper' or 'log', not {kind!r}")
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_lambda_at", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw2 as check

check.lambda_at(lambda_at)
### BEGIN HIDDEN TESTS
check.lambda_at(lambda_at, seed=4107)
### END HIDDEN TESTS

# %%
lambda_at = check.lambda_at.pick_from(globals())

# %%
parts = np.linspace(0, 1, 21)
plot.lines(
    {kind: [(p, lambda_at(p, kind)) for p in parts] for kind in ("paper", "log")},
    title="Two schedules",
    xlabel="p, part of the training that is done",
    ylabel="lambda",
)

# %% [markdown]
# They start and end almost alike, and differ by up to 0.48 in between. After a third of the training
# the paper's curve is at 0.93, the logarithm at 0.46.
#
# ## 6. The losses
#
# ### Exercise 5: `reversal_losses` (14 points, medium, 20 minutes)
#
# Write `reversal_losses(model, source, labels, target, lambda_)`. The three networks are
# `model.feature_extractor`, `model.label_classifier` and `model.domain_classifier`; the last returns
# one logit a picture, shape (N, 1). Return two scalars:
#
# - `class_loss`: the mean cross-entropy of the label classifier on the *source*;
# - `domain_loss`: the mean binary cross-entropy of the domain classifier over *all* pictures of both
#   domains (label 1 for source, 0 for target), on features that went through your
#   `gradient_reversal` with `lambda_`.
#
# One `backward` of their plain sum must then give every network its own gradient. Send source and
# target through the feature extractor in one batch (`torch.cat`), so that BatchNorm normalises both
# alike. The two batches may differ in size.
#
# <details><summary>Hint</summary>
#
# `F.binary_cross_entropy_with_logits` takes logits and labels of the same shape. Which part of the
# features may the label classifier see? Where does the reversal belong, before or after $D$?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "reversal_losses", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reversal_losses(model, source, labels, target, lambda_):
    """Return the class loss and the domain loss, with a reversal layer between F and D."""
    ### BEGIN SOLUTION
    features = model.feature_extractor(torch.cat([source, target]))
    class_logits = model.label_classifier(features[: len(source)])
    domain_logits = model.domain_classifier(gradient_reversal(features, lambda_))
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    class_loss = F.cross_entropy(class_logits, labels)
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains.to(features))
    return class_loss, domain_loss
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_reversal_losses", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw2 as check

check.reversal_losses(reversal_losses)
### BEGIN HIDDEN TESTS
check.reversal_losses(reversal_losses, seed=4108)
### END HIDDEN TESTS

# %%
reversal_losses = check.reversal_losses.pick_from(globals())

# %% [markdown]
# ## 7. The same in two steps
#
# The original homework does without the reversal layer and trains as one trains a GAN. For every
# batch:
#
# 1. $D$ makes a step that lowers $L_d$. The features are detached, so that $F$ learns nothing here.
# 2. $F$ and $C$ make a step that lowers $L_y - \lambda L_d$, with the $D$ that has just moved.
#
# ### Exercise 6: `alternating_step` (14 points, hard, 30 minutes)
#
# Write `alternating_step(model, optimizers, source, labels, target, lambda_)`. `optimizers.domain` has
# the parameters of $D$, `optimizers.features` those of $F$ and $C$. Do the two steps, each optimiser
# once. No gradient may be left over from the other step or from the call before. Step 2 needs the domain
# loss anew, from the $D$ that has just moved. Return a dictionary
# with the floats `class_loss`, and `domain_loss` as it was in step 1.
#
# <details><summary>Hint</summary>
#
# In step 2, `backward` also leaves a gradient in $D$. It must not be there when the next call
# steps $D$: where do you call `zero_grad`?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "alternating_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def alternating_step(model, optimizers, source, labels, target, lambda_):
    """Update D on detached features, then F and C against the new D; return both losses."""
    ### BEGIN SOLUTION
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)]).to(source)
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    domain_logits = model.domain_classifier(features)
    new_domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * new_domain_loss).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_alternating_step", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw2 as check

check.alternating_step(alternating_step)
### BEGIN HIDDEN TESTS
check.alternating_step(alternating_step, seed=4109)
### END HIDDEN TESTS

# %%
alternating_step = check.alternating_step.pick_from(globals())

# %% [markdown]
# Are the two really the same? For one and the same $D$, compare the gradients that arrive in $F$ and
# in $D$: once from your `reversal_losses`, once from $L_y - \lambda L_d$ without any reversal layer.

# %%
torch.manual_seed(0)
probe = dann.Dann(in_channels=1, classes=len(classes), width=0.25).double()
(xs, ys), (xt, _) = next(batches_of(source, seed=5)), next(batches_of(target, seed=6))
xs, ys, xt = xs.cpu().double(), ys.cpu(), xt.cpu().double()
f_parameters = list(probe.feature_extractor.parameters())
d_parameters = list(probe.domain_classifier.parameters())
lambda_ = 0.3

class_loss, domain_loss = reversal_losses(probe, xs, ys, xt, lambda_)
by_reversal = torch.autograd.grad(class_loss + domain_loss, f_parameters + d_parameters)

features = probe.feature_extractor(torch.cat([xs, xt]))
class_loss = F.cross_entropy(probe.label_classifier(features[: len(xs)]), ys)
domain_loss = dann.domain_loss(probe.domain_classifier(features), dann.domain_labels(xs, xt))
by_sign = torch.autograd.grad(class_loss - lambda_ * domain_loss, f_parameters + d_parameters)


def agree(a, b):
    a, b = torch.cat([x.flatten() for x in a]), torch.cat([x.flatten() for x in b])
    return bool((a - b).norm() < 1e-9 * b.norm())


n = len(f_parameters)
print("F: the same gradient:", agree(by_reversal[:n], by_sign[:n]))
print("D: the same gradient:", agree(by_reversal[n:], by_sign[n:]))
print("D: -1 / lambda times it:", agree(by_reversal[n:], [-g / lambda_ for g in by_sign[n:]]))

# %% [markdown]
# $F$ gets the same gradient either way. $D$ does not: the plain objective would give it $-\lambda$
# times its own gradient, while the reversal layer sits *below* $D$ and leaves it alone. That is why
# a single optimiser would do with the reversal layer, and why a small $\lambda$ does not slow $D$
# down.
#
# ## 8. Train
#
# Six runs. Four choices of $\lambda$: 0.1 throughout, 0.7 throughout, and the two schedules, each
# times `config.lambda_` (1 at full scale, 0.5 for this small network). These four runs use your
# alternating step; a fifth one repeats the paper's schedule with your reversal losses and a single
# backward. At the marked steps the network is saved and measured.
#
# And a control: $\lambda = 0$ throughout. $D$ is trained, but $F$ never hears of it. What such a run
# gains over source-only cannot come from the adversary. Before you look: can it gain anything?

# %%
choices = {
    "lambda 0": lambda p: 0.0,
    "lambda 0.1": lambda p: 0.1,
    "lambda 0.7": lambda p: 0.7,
    "log schedule": lambda p: config.lambda_ * lambda_at(p, "log"),
    "paper schedule": lambda p: config.lambda_ * lambda_at(p, "paper"),
    "paper, reversal": lambda p: config.lambda_ * lambda_at(p, "paper"),
}
marks = [round(config.steps * part) for part in (0, 0.125, 0.25, 0.5, 1)]


def reversal_step(model, optimizers, source_images, labels, target_images, lambda_):
    class_loss, domain_loss = reversal_losses(model, source_images, labels, target_images, lambda_)
    optimizers.features.zero_grad()
    optimizers.domain.zero_grad()
    (class_loss + domain_loss).backward()
    optimizers.features.step()
    optimizers.domain.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


def train_dann(name, seed=0):
    model, optimizers = new_model(seed)
    update = reversal_step if "reversal" in name else alternating_step
    checkpoints, since_mark = {}, []
    curves = plot.LiveCurves(
        {"loss": ["class_loss", "domain_loss"], "accuracy in %": ["source", "target"]},
        title=name,
        chance={"loss": np.log(2), "accuracy in %": 100 / len(classes)},
    )

    def step(batch, p):
        (source_images, labels), (target_images, _) = batch
        model.train()
        figures = update(model, optimizers, source_images, labels, target_images, choices[name](p))
        since_mark.append(figures)
        return figures

    def on_mark(done):
        losses = {key: np.mean([f[key] for f in since_mark]) for key in (since_mark or [{}])[0]}
        since_mark.clear()
        checkpoints[done] = {key: value.clone() for key, value in model.state_dict().items()}
        curves.add(
            done,
            source=accuracy(model, x_source, source_test.labels),
            target=accuracy(model, x_target, target_test.labels),
            **losses,
        )

    pairs = zip(batches_of(source, 2 * seed), batches_of(target, 2 * seed + 1), strict=True)
    fit(step, pairs, config.steps, marks=marks, on_mark=on_mark, title=name)
    return model, checkpoints, dict(curves.points("target"))


# %% tags=["nbval-ignore-output"]
runs = {name: train_dann(name) for name in choices}

# %% tags=["nbval-ignore-output"]
scores |= {name: report(model) for name, (model, *_) in runs.items()}
print(plot.table([{"method": name, **figures} for name, figures in scores.items()]))

# %% [markdown]
# First the control. The row "lambda 0" is not the row "source-only": its batches hold drawings, too,
# so BatchNorm's averages, in training and at test time, are those of both domains. That alone can
# help, and it has nothing to do with the adversary: what a row gains *beyond* "lambda 0" is the
# adversary's.
#
# Look at the *last* step, in this table and in the curves. Whoever picks the best step by its target
# accuracy has used labels that nobody has. And compare the two rows of the paper's schedule: they
# differ in nothing but the order of the updates, so a difference of that size between two other rows
# means little. For a comparison that you could publish, train with several seeds:
# `dalib-edu run hw2 --seeds 5 --method source_only --method lambda_0 --method dann`.
#
# Compare the two columns on the right: is the row with the smallest A-distance the one with the
# highest target accuracy? Features that cannot be told apart need not be useful ones. And the source
# accuracy is no ceiling: cluttered photographs can be harder than drawings.
#
# How the target accuracy (in %) grows:

# %% tags=["nbval-ignore-output"]
rows = [{"step": s, **{name: curve[s] for name, (*_, curve) in runs.items()}} for s in marks]
print(plot.table(rows))

# %% [markdown]
# The features at three of the saved checkpoints, mapped to the plane with t-SNE. Above, by domain:
# do blue circles and orange triangles mix? Below, the source by class: do the classes separate?

# %% tags=["nbval-ignore-output"]
model, _ = new_model()
shown = torch.cat([x_source[:500], x_target[:500]])
n_source = len(x_source[:500])
maps, titles = [], []
for mark in (marks[0], marks[2], marks[-1]):
    model.load_state_dict(runs["paper schedule"][1][mark])
    maps.append(plot.tsne(evaluate.features(model.feature_extractor, shown)))
    titles.append(f"step {mark}")
plot.feature_maps(maps, source_test.labels[:n_source], n_source, classes, titles=titles)

# %% [markdown]
# ## 9. Second stage: learn from your own sure answers
#
# The adapted network is right about many drawings, and is sure of some of them. Use that: a
# *teacher*, a copy of the network, labels the drawings, and the *student* learns those labels of which
# the teacher is sure, beside the labelled photographs. The teacher follows the student slowly: after
# every epoch each of its weights becomes
#
# $$\theta_{\text{teacher}} \leftarrow \beta\, \theta_{\text{teacher}} + (1 - \beta)\, \theta_{\text{student}},
# \qquad \beta = 0.9$$
#
# an *exponential moving average* (EMA). A slow teacher does not follow every jump of its student. There is no domain classifier in this stage.
#
# ### Exercise 7: `ema_update` (10 points, medium, 20 minutes)
#
# Write `ema_update(teacher, student, beta)`, which changes the teacher in place and returns nothing.
# A network consists of more than its parameters: BatchNorm's running means and variances are *buffers*,
# and they belong to the average as well. Its `num_batches_tracked` is an integer that cannot be
# averaged; copy it from the student. The student stays as it is, and no gradient flows.
#
# <details><summary>Hint</summary>
#
# `state_dict()` has parameters and buffers, and its tensors share memory with the module.
# `tensor.is_floating_point()` tells the two kinds apart. In-place: `mul_`, `add_`, `copy_`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "ema_update", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ema_update(teacher: torch.nn.Module, student: torch.nn.Module, beta: float) -> None:
    """Move the teacher, in place, to beta teacher + (1 - beta) student, buffers included."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        news = student.state_dict()
        for name, old in teacher.state_dict().items():
            if old.is_floating_point():
                old.mul_(beta).add_(news[name], alpha=1 - beta)
            else:
                old.copy_(news[name])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_ema_update", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw2 as check

check.ema_update(ema_update)
### BEGIN HIDDEN TESTS
check.ema_update(ema_update, seed=4110)
### END HIDDEN TESTS

# %%
ema_update = check.ema_update.pick_from(globals())

# %% [markdown]
# ### Exercise 8: `pseudo_label_loss` (10 points, medium, 20 minutes)
#
# Write `pseudo_label_loss(student_logits, teacher_logits, threshold)`, both logits of shape (N, K). The
# teacher is *sure* of a row if its largest probability (softmax) is above `threshold`. Return
#
# - the mean cross-entropy of the student's logits against the teacher's most probable classes, over the
#   sure rows alone, as a scalar tensor. If the teacher is sure of none, it is 0, and `backward()` works
#   and gives the gradient 0;
# - the share of sure rows, a number between 0 and 1.
#
# No gradient flows into the teacher's logits.
#
# <details><summary>Hint</summary>
#
# `F.cross_entropy(..., reduction="none")` gives one loss a row. What is the mean of no numbers? Where
# would the `nan` go?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "pseudo_label_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    """Return the mean loss against the teacher's sure labels, and the share of sure rows."""
    ### BEGIN SOLUTION
    confidence, pseudo_labels = teacher_logits.detach().softmax(dim=1).max(dim=1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, pseudo_labels, reduction="none")
    loss = (losses * sure).sum() / sure.sum().clamp(min=1)
    return loss, sure.float().mean().item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_pseudo_label_loss", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw2 as check

check.pseudo_label_loss(pseudo_label_loss)
### BEGIN HIDDEN TESTS
check.pseudo_label_loss(pseudo_label_loss, seed=4111)
### END HIDDEN TESTS

# %%
pseudo_label_loss = check.pseudo_label_loss.pick_from(globals())

# %% [markdown]
# Go on from the network of the paper's schedule. An epoch is one pass over the source.

# %% tags=["nbval-ignore-output"]
student, _ = new_model()
student.load_state_dict(runs["paper schedule"][0].state_dict())
teacher = self_training.make_teacher(student)
optimizer = torch.optim.Adam(student.parameters(), self_config.learning_rate)
steps_an_epoch = max(1, len(source) // config.batch_size)
epochs = self_config.steps // steps_an_epoch
curves = plot.LiveCurves(
    {"used rate": ["used_rate"], "accuracy in %": ["source", "target"]}, title="second stage"
)


def second_stage_step(batch, p):
    (source_images, labels), (target_images, _) = batch
    student.train()
    with torch.no_grad():
        teacher_logits = teacher(target_images)
    logits = student(torch.cat([source_images, target_images]))
    class_loss = F.cross_entropy(logits[: len(labels)], labels)
    target_loss, used_rate = pseudo_label_loss(
        logits[len(labels) :], teacher_logits, self_config.threshold
    )
    optimizer.zero_grad()
    (class_loss + target_loss).backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "used_rate": float(used_rate)}


pairs = zip(batches_of(source, seed=10), batches_of(target, seed=11), strict=True)
for epoch in range(epochs):
    history = fit(second_stage_step, pairs, steps_an_epoch, title=f"epoch {epoch + 1}")
    ema_update(teacher, student, self_config.beta)
    curves.add(
        epoch + 1,
        used_rate=np.mean(history["used_rate"]),
        source=accuracy(student, x_source, source_test.labels),
        target=accuracy(student, x_target, target_test.labels),
    )

# %% tags=["nbval-ignore-output"]
scores["+ second stage"] = report(student)
print(plot.table([{"method": name, **figures} for name, figures in scores.items()]))
maps = [
    plot.tsne(evaluate.features(network.feature_extractor, shown))
    for network in (runs["paper schedule"][0], student)
]
titles = ["before the second stage", "after"]
plot.feature_maps(maps, source_test.labels[:n_source], n_source, classes, titles=titles)

# %% [markdown]
# Nothing keeps the domains together in this stage: compare the A-distance before and after. Features
# can lie further apart and still be better for the drawings.
#
# In the original homework, at full scale, reported scores on the 100,000 drawings were 0.34 after the
# first epoch and 0.74 after 1,000 with the logarithm; 0.47 after 800 with 0.7 throughout; and 0.79
# after the second stage. The same report saw anything between below 0.6 and above 0.7 from the same
# code on different machines. Never trust a single run.

# %% [markdown]
# ## 10. What goes wrong
#
# Three mistakes that cost nothing to make and are easy to overlook, each with its price, on the network
# that you have just trained:
#
# - the test drawings keep their polarity, dark on white;
# - the predictions are made in training mode, and the pictures come sorted by class, so that each batch
#   is normalised with the statistics of one class;
# - the test pictures go through the training transform.

# %% tags=["nbval-ignore-output"]
truth = target_test.labels
plain = transforms.to_grey(world.drawings_test.images)
plain = transforms.to_float(transforms.resize(plain, drawings.SIZE)).to(device)
augmented = transforms.flip_and_rotate(target_test.images, torch.Generator().manual_seed(0))
order = truth.argsort(stable=True)
careless, _ = new_model()
careless.load_state_dict(student.state_dict())  # new networks are in training mode
with torch.no_grad():
    per_class = [careless(x).argmax(1) for x in x_target[order].split(len(order) // len(classes))]
in_train_mode = torch.cat(per_class).cpu() == truth[order][: sum(map(len, per_class))]

mistakes = {
    "none": accuracy(student, x_target, truth),
    "drawings dark on white": accuracy(student, plain, truth),
    "training mode, sorted by class": 100 * in_train_mode.float().mean().item(),
    "test pictures mirrored and turned": accuracy(student, augmented.to(device), truth),
}
print(plot.table([{"mistake": name, "target %": value} for name, value in mistakes.items()]))

# %% [markdown]
# ## 11. Hand in predictions
#
# ### Exercise 9: `submission.csv` (4 points, easy, 5 minutes)
#
# Predict the test drawings, `x_test`, with the network of the second stage, and write the
# predictions with
# `submit.write_submission(submission_file, labels)`: a CSV file with the columns `id` (the position of
# the picture, from 0) and `label`. The file must reach 70% on the test drawings. You can score it on
# the command line, too: `dalib-edu score hw2 submission.csv` (drawings that were handed out only your
# teacher can score). Hand it in together with this notebook.

# %%
# The grader trains for a few steps only. It grades the file that you hand in, not the one it makes.
submission_file = "submission_rerun.csv" if settings.scale() == "grading" else "submission.csv"


# %% nbgrader={"grade": false, "grade_id": "submission", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
submit.write_submission(submission_file, predict(student, x_test))
### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_submission", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw2 as check

check.submission("submission.csv")

# %% [markdown]
# ## 12. Questions
#
# Answer in a few sentences each; a person reads them.
#
# **Question 1 (4 points).** The domain loss of an adversarial training stays near $\ln 2 \approx 0.69$.
# Name two quite different reasons for that, and an experiment that tells them apart without target labels.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_domain_loss", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# **Model answer.** $\ln 2$ is the loss of a domain classifier that answers 1/2 to everything. Either the
# features of the two domains can no longer be told apart (what we want), or $D$ is too weak or not trained
# (too small, too low a rate, a broken optimiser, dead units) and misses a difference that is there. To tell:
# freeze $F$ and train a fresh, strong classifier on its features until it converges, and look at its error
# on held-out pictures, as the proxy A-distance does. Error near 1/2: aligned. Error well below: $D$ was
# the problem. Aligned features need not be useful ones: a collapsed $F$ passes as well, so look at the class
# loss, too.
#
# **Rubric.** 1 point for each of the two reasons; 2 for an experiment with frozen features and a new
# classifier (1 if it only trains $D$ longer while $F$ moves on).
# ### END SOLUTION

# %% [markdown]
# **Question 2 (4 points).** Look at both tables of Section 8. Which of your figures speak for or against a
# small $\lambda$ at the start, and which for or against a small $\lambda$ at the end? Which differences are
# too small to rely on?

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_lambda", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# **Model answer.** For a small $\lambda$ at the start: the features carry no class information yet, so the
# adversary pushes $F$ around before there is anything to align, and can align a class with the wrong class of
# the other domain. In the second table 0.7 throughout is near chance (13.4%) at the first mark, where every
# other row is near 30%. Against a small $\lambda$ at the end: 0.1 throughout ends at 60.4%, below the control
# without an adversary (64.8%); the rows that grow to 0.5 end at 72 to 81%. Too small to rely on: the differences
# among 0.7, the logarithm and the paper's schedule (72 to 79%), since the same schedule trained in two ways ends
# at 71.5 and 81.3%. (Figures of the run above; yours may differ. What counts is that the answer reads its own tables
# rightly.)
#
# **Rubric.** 1 point for each direction with its reason; 2 for own figures that are quoted and read rightly (1 if
# the figures are quoted but a difference within the luck of a run is taken for an effect).
# ### END SOLUTION

# %% [markdown]
# **Question 3 (4 points).** In this notebook you saw the target accuracy all the time. In earnest you would have
# no labels of drawings. How would you choose $\lambda$ and the number of steps then? Name a way, and a case in
# which it misleads you.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_no_labels", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# **Model answer.** For example: (a) accuracy on held-out *source* pictures: guards against collapse of $C$, but says
# nothing about the target, and a network without adaptation often does best on it; (b) proxy A-distance or domain loss: small is
# good, but a constant $F$ has distance 0; (c) mean entropy of the target predictions, or information maximisation (low
# entropy of each, high entropy of the mean): a network may be sure and wrong, and plain entropy likes a collapse to
# one class; (d) cross-domain validation: treat another labelled domain as the target and carry its best settings over; it misleads if
# that domain is unlike the real target; (e) a few labelled target pictures, honestly declared and kept apart from the test.
#
# **Rubric.** 2 points for a way that really needs no target labels (or declares those that it uses); 2 for a concrete case in
# which it fails.
# ### END SOLUTION

# %% [markdown]
# ## Bonus (no points)
#
# 1. *Confuse, do not mislead.* $-L_d$ rewards $F$ for features that make $D$ take a photograph for a drawing and a drawing for a
#    photograph, which is as informative as the truth. Replace it by the cross-entropy of $D$'s answer with 1/2 and compare.
# 2. *Look at the errors.* Which classes does the adapted network mix up? Are they the same before and after adaptation?
# 3. *How many drawings?* Keep 500, 200, 50 unlabelled drawings. When does adaptation stop helping?
# 4. *Real pictures.* `dalib-edu run hw2 --data data/PACS --source cartoon --target sketch --seeds 3`.
#
# ## References
#
# - Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky: *Domain-Adversarial Training of Neural
#   Networks*. JMLR 17, 2016. [arXiv 1505.07818](https://arxiv.org/abs/1505.07818)
# - Shu, Bui, Narui, Ermon: *A DIRT-T Approach to Unsupervised Domain Adaptation*. ICLR 2018.
#   [arXiv 1802.08735](https://arxiv.org/abs/1802.08735). The second stage here is a simple relative: DIRT-T uses soft targets, virtual
#   adversarial training and conditional entropy, no source loss, and moves its teacher at every step.
# - Tarvainen, Valpola: *Mean teachers are better role models*. NeurIPS 2017. [arXiv 1703.01780](https://arxiv.org/abs/1703.01780)
# - Ben-David, Blitzer, Crammer, Pereira: *Analysis of representations for domain adaptation*. NeurIPS 2006 (the A-distance).
# - Canny: *A computational approach to edge detection*. PAMI 8, 1986.
# - The homework follows ML2022 HW11 of National Taiwan University (Hung-yi Lee and assistants).
