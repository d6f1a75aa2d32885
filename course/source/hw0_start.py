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
# # Homework 0: Start here
#
# **Reading:** none. **Your time:** 20 minutes. **Hardware:** any laptop; the notebook runs in
# under a minute.
#
# After this warm-up you will be able to
#
# - work through a homework of this course: read, fill in a stub, check it, go on;
# - say what a *domain gap* is, and show one as a picture and as a number;
# - validate a notebook before you hand it in.
#
# ## How a homework works
#
# - Run the cells from top to bottom with Shift + Enter.
# - Where you see `raise NotImplementedError()`, write your own code in its place. The text above
#   the cell says *what* the function must do; *how* is up to you.
# - The cell after it checks your function and tells you at once whether it is right, and if not,
#   what probably went wrong. Change your function and run both cells again, as often as you like.
# - Stuck? Go on with the cell below the check. It lends you the course's own version, so that
#   nothing further down is blocked. You only lose the points of that exercise.

# %%
import torch
from torch.nn.functional import cross_entropy

from dalib_edu import plot, settings
from dalib_edu.check import hw0 as check
from dalib_edu.data import batches, pictures, transforms
from dalib_edu.fit import fit
from dalib_edu.nets import FeatureExtractor, LabelClassifier

# %% [markdown]
# ## 1. The same things in four domains
#
# A *domain* is a way in which pictures come to be: taken with a camera, painted, drawn. Here are
# ten kinds of things in four domains. They are drawn by the computer, so there is nothing to
# download; later homeworks can use real data sets as well.

# %%
size, classes = 32, pictures.CLASSES[:10]
worlds = {
    style: pictures.load(style, per_class=200, size=size, seed=0) for style in pictures.STYLES
}
unseen = {style: pictures.load(style, per_class=50, size=size, seed=1) for style in pictures.STYLES}
first = torch.cat([worlds[style].images[:10] for style in pictures.STYLES])
plot.image_grid(first, classes, title="photo, art, cartoon, sketch: one row each")

# %% [markdown]
# You recognise the aeroplane in every row. Will a network that has only ever seen photographs?
#
# ## 2. Exercise: accuracy (10 points, easy, 5 minutes)
#
# To answer with a number, you need one. A network gives each picture one score for each class, its
# *logits*. The class with the largest logit is its answer. The **accuracy** is the share of
# pictures whose answer is right:
#
# $$\text{accuracy} = \frac{1}{N} \sum_{i=1}^{N} \big[\arg\max_k z_{ik} = y_i\big]$$
#
# Write `accuracy(logits, labels)`: `logits` has shape (N, K), `labels` has shape (N,), and the
# result is a Python `float` between 0 and 1. For `logits = [[2, 1], [0, 3], [1, 0]]` and
# `labels = [0, 1, 1]` it is 2/3.
#
# <details><summary>Hint</summary>
#
# `logits.argmax(dim=1)` gives the position of the largest logit of each row. Comparing two tensors
# with `==` gives a tensor of truth values; `.float().mean().item()` turns it into a share.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "accuracy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of rows of logits (N, K) whose largest value is at the label (N,)."""
    ### BEGIN SOLUTION
    return (logits.argmax(dim=1) == labels).float().mean().item()
    ### END SOLUTION


# %% [markdown]
# Check it. A passing check prints one line; a failing one says what it saw.

# %% nbgrader={"grade": true, "grade_id": "test_accuracy", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw0 as check

check.accuracy(accuracy)
### BEGIN HIDDEN TESTS
check.accuracy(accuracy, seed=1729)
### END HIDDEN TESTS

# %%
accuracy = check.accuracy.pick_from(globals())

# %% [markdown]
# ## 3. The domain gap
#
# Now train a small network on photographs, for a few seconds, and ask it about pictures that it has
# not seen: new photographs first, then the other three domains. Nothing about the things
# themselves changes, only the way in which they are shown.

# %%
torch.manual_seed(0)
features = FeatureExtractor(in_channels=3, width=0.25)
network = torch.nn.Sequential(features, LabelClassifier(features.out_features, len(classes)))
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)


def train_step(batch, p):
    images, labels = batch
    loss = cross_entropy(network(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {"loss": loss.item()}


train = batches.endless_batches(
    worlds["photo"], 64, seed=0, transform=lambda images, generator: transforms.to_float(images)
)
steps = 5 if settings.scale() == "grading" else 300
history = fit(train_step, train, steps, title="photographs")
plot.lines(
    {"photographs": plot.smooth(history["loss"], window=min(10, steps))},
    title="Training on photographs",
    xlabel="step",
    ylabel="cross-entropy",
)

# %% tags=["nbval-ignore-output"]
network.eval()
for style in pictures.STYLES:
    with torch.no_grad():
        logits = network(transforms.to_float(unseen[style].images))
    print(f"{style:8s} {accuracy(logits, unseen[style].labels):6.1%}")

# %% [markdown]
# The first line is the accuracy where the network learned, the others are where it did not.
# Guessing would give 10%. The difference between the first line and another one is the **domain
# gap**. Nobody gave the network labels for drawings, and for many tasks nobody can. Getting part of
# that gap back with *unlabelled* pictures of the new domain is what this course is about.
#
# ## 4. Before you hand in
#
# 1. **Kernel > Restart Kernel and Run All Cells...** Your notebook must run from the top.
# 2. Press **Validate** in the toolbar. It runs the notebook afresh and lists the checks that fail.
# 3. Save, and hand in the notebook under the name that it has now.
#
# The grader runs the same checks with further inputs, so write functions that do what the text
# says rather than what the visible cases need.
