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
# # Homework 5: Metric learning on Omniglot
#
# **Papers:** Hermans, Beyer, Leibe, *In Defense of the Triplet Loss for Person Re-Identification*, 2017
# ([arXiv 1703.07737](https://arxiv.org/abs/1703.07737)), for the batches and the hard triplets;
# Alex, Sami, Banerjee, Panda, *Cluster Loss for Person Re-Identification*, 2018
# ([arXiv 1812.10325](https://arxiv.org/abs/1812.10325)), for the hard clusters; Ge, Huang, Dong, Scott, *Deep Metric
# Learning with Hierarchical Triplet Loss*, ECCV 2018 ([arXiv 1810.06951](https://arxiv.org/abs/1810.06951)).
# **Your time:** 4 hours. **Hardware:** a laptop with two cores; all cells together compute for two to four minutes.
#
# You have characters of some alphabets, each written by twenty hands. You want a network that recognises characters of
# *other* alphabets, of which it has seen none, when it is shown a few examples. A classifier cannot do that: its outputs are
# the classes that it learned. So learn a *distance* instead.
#
# After this homework you will be able to
#
# - measure retrieval: queries, gallery, CMC@k, and baselines that cost nothing;
# - build balanced batches, and find the hardest triplets in them without a loop;
# - write the triplet loss, and read its chart: what is a plateau, and what is a collapse;
# - write the **hard cluster** loss and the **hierarchical triplet** loss with its dynamic margin;
# - compare three methods over seeds, and look at what a network finds;
# - recognise mistakes that circulate in code for this task, each by its number.
#
# Fill in the cells that raise `NotImplementedError`. The cell below each one checks your function
# at once: on a few visible cases, while hidden ones test everything that the prose states. If you are stuck, go on with the cell below the check: it lends you the course's version, and
# you only lose the points of that exercise.
#
# Below, *the original* is the homework that this one follows (see the references), and *the circulating code* is its skeleton and solutions, as they are passed around.

# %%
import tempfile
from pathlib import Path

import torch

from dalib_edu import evaluate, metric, plot, settings
from dalib_edu.check import hw5 as check
from dalib_edu.data import characters, real, transforms
from dalib_edu.fit import fit

config = metric.PRESETS[settings.scale()]

# %% [markdown]
# ## 1. The data: alphabets in folders
#
# Omniglot has 1,623 characters of 50 alphabets, each drawn by 20 people. It lies in folders,
# `<part>/<alphabet>/<character>/<picture>.png`, in two parts: `images_background` (964 characters) to train on,
# `images_evaluation` (659) to measure on. No alphabet is in both.
#
# This notebook draws its own letters, of real alphabets, with twenty invented hands, and writes them into a temporary
# folder in just that layout. So there is nothing to download, and the code that reads them is the code for Omniglot. (To run
# the same cells on Omniglot itself: `dalib-edu data fetch omniglot-py --data FOLDER`, or
# `torchvision.datasets.Omniglot(FOLDER, download=True)`, which puts the same files into the same places; then start JupyterLab with
# `DALIB_EDU_DATA=FOLDER` and `DALIB_EDU_SCALE=full`. That wants a GPU.)

# %%
if settings.scale() == "full":
    root = real.locate("omniglot-py")
else:
    scratch = tempfile.TemporaryDirectory()
    root = Path(scratch.name) / "omniglot-py"
    characters.export_characters(root, scale=settings.scale())

for part in ("images_background", "images_evaluation"):
    print(part)
    for alphabet in sorted((root / part).iterdir()):
        files = sorted(alphabet.glob("*/*.png"))
        count = len({file.parent for file in files})
        print(f"  {alphabet.name:<20}{count:3} characters, {len(files)} pictures")
print("one of the files:", files[0].relative_to(root))

# %% [markdown]
# `load_folder` reads such a part: pictures shrunk to 32 x 32, labels, and the characters' names in the order of their labels. It sorts the
# folders first. The circulating code takes them as `iterdir()` lists them, in an order that differs from disk to disk. It sorts its labels later, so they
# agree; but the order of the pictures differs, and with it every seeded batch and split. `torchvision.datasets.Omniglot` numbers the characters as the disk lists them: there label 5 itself is one character on your machine and another one on mine.

# %%
train = characters.load_folder(root / "images_background")
evaluation = characters.load_folder(root / "images_evaluation")
for name, data in {"train": train, "evaluation": evaluation}.items():
    print(f"{name:<11}{tuple(data.images.shape)}, {len(data.classes)} characters")
print("names:", ", ".join(train.classes[:2]), "...")

# %% [markdown]
# The first letter of the Latin alphabet by its twenty drawers, and a letter of each alphabet to measure on, by five of them.

# %%
latin_a = train.labels == train.classes.index("Latin_character01")
plot.image_grid(train.images[latin_a], title="Latin, character01: twenty hands")

# %%
names, alphabet_of = characters.alphabets_of(evaluation.classes)
shown = [evaluation.labels == int((alphabet_of == k).nonzero()[3]) for k in range(len(names))]
shown, titles = shown[:5], [name.replace("_", " ") for name in names[:5] for _ in range(5)]
few = torch.cat([evaluation.images[rows][:5] for rows in shown])
plot.image_grid(few, titles, columns=5, title="alphabets that no network will be trained on")

# %% [markdown]
# **Experiment 1: what is an alphabet called?** A label is `<alphabet>_<character>`, so it is tempting to take what stands before the first
# underscore. `alphabets_of` takes what stands before the *last* one. Try both on three names of Omniglot:

# %%
omniglot = [
    "Japanese_(hiragana)_character01",
    "Japanese_(katakana)_character01",
    "Latin_character01",
]
print("split('_')[0]:", sorted({name.split("_")[0] for name in omniglot}))
print("alphabets_of: ", characters.alphabets_of(omniglot)[0])

# %% [markdown]
# Hiragana and katakana became one alphabet, of characters that have little to do with each other. No error message would ever have told; Section 6 builds on the alphabets.
#
# Last, the polarity. In training, pictures are turned by a few degrees, and what turns in at the corners is 0, black. So make the paper black, too:
# `ink` inverts the pictures.

# %%
train, evaluation = characters.ink(train), characters.ink(evaluation)
x_train, x_evaluation = (transforms.to_float(data.images) for data in (train, evaluation))
print("ink in a picture, on average:", f"{100 * x_train.mean():.0f}%")

# %% [markdown]
# ## 2. Measure before you train
#
# How good is a distance? Set some pictures of each character aside as **queries**. All others are the **gallery**. Each query looks for the nearest
# pictures in the gallery, and **CMC@k** (*cumulative matching characteristic*) is the share of queries with at least one picture of their own character
# among the k nearest.
#
# ### Exercise 1: `query_gallery_split` (8 points, easy, 15 minutes)
#
# Write `query_gallery_split(labels, query_share, seed)`: `labels` is `int64`, (N,), with any values in any order. Return a `bool` tensor (N,), `True` for queries.
#
# - Of *each class* the share `query_share`, from 0 to 1, rounded *up*, are queries: of 20 pictures and 0.2 it is 4. But at least one picture of each class stays in the gallery.
# - Which ones is random, and depends on `seed` alone: the same seed gives the same split again. The global random state is neither used nor changed: take a generator of your own.
#
# <details><summary>Hint</summary>
#
# `torch.Generator().manual_seed(seed)` and `torch.randperm(n, generator=...)` give random numbers of your own. To a computer, 0.28 * 25 is
# 7.000000000000001, and rounded up 8: subtract a tiny number first. A loop over the classes is fine.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "query_gallery_split", "locked": false, "schema_version": 3, "solution": true, "task": false}
def query_gallery_split(labels: torch.Tensor, query_share: float = 0.2, seed: int = 0):
    """Return which pictures are queries, bool (N,); the others are the gallery."""
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    queries = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        rows = (labels == label).nonzero().flatten()
        wanted = int(torch.tensor(len(rows) * query_share - 1e-9).ceil())
        shuffled = rows[torch.randperm(len(rows), generator=generator)]
        queries[shuffled[: max(0, min(wanted, len(rows) - 1))]] = True
    return queries
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_query_gallery_split", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw5 as check

check.query_gallery_split(query_gallery_split)
### BEGIN HIDDEN TESTS
check.query_gallery_split(query_gallery_split, seed=7101)
### END HIDDEN TESTS

# %%
query_gallery_split = check.query_gallery_split.pick_from(globals())

# %% [markdown]
# ### Exercise 2: `cmc` (10 points, medium, 25 minutes)
#
# Write `cmc(query, query_labels, gallery, gallery_labels, topk)`: embeddings (Q, D) and (G, D), float, with their labels (Q,) and (G,); `topk` is a tuple of whole numbers, 1 or more.
# Return a dictionary `{k: share}` with a number from 0 to 1 for each of them. Distances are Euclidean.
#
# - A k larger than the gallery asks for all of it. A query whose character is not in the gallery is never right.
# - *If a right and a wrong picture are equally near, count the wrong one first.* Otherwise a network that maps everything to one and the same point
#   could look perfect.
#
# Expected: the query 0 of class 7, with the gallery 1 (class 3), 2 (class 7) and 4 (class 7), has CMC@1 = 0 and CMC@2 = 1.
#
# <details><summary>Hint</summary>
#
# `torch.cdist` gives all distances, (Q, G). Find the distance of each query's nearest picture of its own character. How many wrong pictures are at most
# as far away?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "cmc", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cmc(query, query_labels, gallery, gallery_labels, topk=(1, 5, 10)) -> dict[int, float]:
    """Return the share of queries with one of their class among the k nearest, for each k."""
    ### BEGIN SOLUTION
    distances = torch.cdist(query, gallery)
    same = query_labels[:, None] == gallery_labels
    best = distances.masked_fill(~same, torch.inf).amin(1, keepdim=True)
    wrong_before = ((distances <= best) & ~same).sum(1)
    found = same.any(1)
    return {k: ((wrong_before < k) & found).double().mean().item() for k in topk}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_cmc", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw5 as check

check.cmc(cmc)
### BEGIN HIDDEN TESTS
check.cmc(cmc, seed=7102)
### END HIDDEN TESTS

# %%
cmc = check.cmc.pick_from(globals())

# %% [markdown]
# Two baselines that learn nothing: the pixels themselves as embedding, and the network with random weights. `EmbeddingNet` is the network of the original homework, five
# small blocks of convolution, BatchNorm, dropout, pooling and ReLU, then a vector that is scaled to length 1. (At embedded scale it is twice as wide and has no dropout.) So all
# embeddings lie on the unit sphere: distances are 0 to 2, squared distances 0 to 4.

# %% tags=["nbval-ignore-output"]
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.set_num_threads(1)  # so small a network is no faster with two
queries = query_gallery_split(evaluation.labels, 0.2, seed=0)
print(f"{int(queries.sum())} queries, {int((~queries).sum())} pictures in the gallery")


def new_model(seed=0):
    torch.manual_seed(seed)
    return metric.EmbeddingNet(config.width, config.dropout).to(device)


def embed(model, images):
    return evaluate.features(model, images.to(device)).cpu()


def retrieval(embedded, labels=evaluation.labels, queries=queries):
    """Return CMC in %, by k."""
    found = cmc(
        embedded[queries], labels[queries], embedded[~queries], labels[~queries], (1, 5, 10)
    )
    return {f"CMC@{k}": 100 * share for k, share in found.items()}


scores = {
    "raw pixels": retrieval(x_evaluation.flatten(1)),
    "untrained": retrieval(embed(new_model(), x_evaluation)),
}
print(plot.table([{"method": name, **figures} for name, figures in scores.items()]))

# %% [markdown]
# Guessing would give a CMC@1 of about 1%, or less. Pixels do far better than that, and a network with *random weights* can do better still: it blurs, so that strokes which
# almost meet count as alike. (Other random weights give other figures; Section 7 has three.) Whoever reports a trained network without these two rows claims their work as well.
#
# **Experiment 2: `gallery_fraq`.** In the circulating code the number 0.2 is called the *gallery's* fraction, and what it sets is the share of *queries*. What if
# somebody believes the name and writes 0.8, to have 80% in the gallery?

# %%
for share in (0.2, 0.8):
    asked = query_gallery_split(evaluation.labels, share, seed=0)
    figures = retrieval(x_evaluation.flatten(1), queries=asked)
    print(
        f"query share {share}: {int((~asked).sum()):4} in the gallery, raw pixels {figures['CMC@1']:.1f}"
    )

# %% [markdown]
# The same pictures and the same "method", and a figure that is not comparable any more: with fewer examples of each character in the gallery, a near one is rarer. A CMC without the
# size of its gallery says little.
#
# **Experiment 3: another split.** And how much of a CMC is the luck of the draw? The same pixels, with ten different splits:

# %%
splits = [query_gallery_split(evaluation.labels, 0.2, seed) for seed in range(10)]
over_splits = torch.tensor(
    [retrieval(x_evaluation.flatten(1), queries=asked)["CMC@1"] for asked in splits]
)
print(f"raw pixels: {over_splits.mean():.1f} +- {over_splits.std():.1f} (standard deviation)")
print(f"lowest {over_splits.min():.1f}, highest {over_splits.max():.1f}")

# %% [markdown]
# So a figure from one split is uncertain by about two points (more at grading scale, where there are few queries), and so is each row of the tables below. Two methods are compared on the *same* split.
#
# ## 3. Balanced batches
#
# A triplet is an **anchor**, a **positive** (another picture of its class) and a **negative** (a picture of another class). With hundreds of classes, most pictures of a random batch
# have no positive. So build **P-K batches**: P random classes, K pictures of each.
#
# ### Exercise 3: `pk_batches` (10 points, medium, 25 minutes)
#
# Write `pk_batches(labels, p, k, seed)`: an iterator that goes on for ever (a generator, for example). `labels` is `int64`, (N,), any values in any order. Each batch is an `int64` tensor (p * k,) of positions in `labels`,
# class by class: first the k pictures of one class, then those of the next.
#
# - Classes are dealt like cards: shuffle all of them, take p at a time, then shuffle again. No class comes twice in a round; what is left over at its end, fewer than p, is dropped. p is at most the number of classes.
# - The k pictures of a class are drawn anew each time, and *different*. If the class has fewer than k, some come again.
# - The batches depend on `seed` alone: use a generator of your own, not the global random state.
#
# <details><summary>Hint</summary>
#
# `torch.randperm(n, generator=generator).split(p)` deals. For one class: shuffle its rows, repeat them until there are k or more, and cut.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "pk_batches", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pk_batches(labels: torch.Tensor, p: int, k: int, seed: int):
    """Yield for ever positions (p * k,) of p classes with k pictures each, class by class."""
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    rows = [(labels == label).nonzero().flatten() for label in labels.unique()]
    while True:
        for hand in torch.randperm(len(rows), generator=generator).split(p):
            if len(hand) < p:
                continue
            batch = []
            for own in (rows[i] for i in hand):
                shuffled = own[torch.randperm(len(own), generator=generator)]
                batch.append(shuffled.repeat(-(-k // len(own)))[:k])
            yield torch.cat(batch)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_pk_batches", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw5 as check

check.pk_batches(pk_batches)
### BEGIN HIDDEN TESTS
check.pk_batches(pk_batches, seed=7103)
### END HIDDEN TESTS

# %%
pk_batches = check.pk_batches.pick_from(globals())

# %% [markdown]
# **Experiment 4: why balanced?** How many pictures of a batch have no positive in it?

# %%
size = config.p * config.k
at_random = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:size]
balanced = next(pk_batches(train.labels, config.p, config.k, 0))
for name, rows in {"random": at_random, "balanced": balanced}.items():
    _, inverse, counts = train.labels[rows].unique(return_inverse=True, return_counts=True)
    alone = int((counts[inverse] == 1).sum())
    print(
        f"{name + ':':10} {len(rows)} pictures of {len(counts)} classes, {alone} without a positive"
    )

# %% [markdown]
# Training pictures are turned by up to `config.degrees`, anew each time. A whole batch is turned at once, as a tensor: here are the first eight pictures of the batch.

# %%
images, labels = next(
    characters.turned_batches(train, iter([balanced[:8]]), degrees=config.degrees, seed=0)
)
titles = [train.classes[label].rpartition("_")[0].replace("_", " ") for label in labels]
plot.image_grid(images, titles, columns=8, title="from a training batch")

# %% [markdown]
# ## 4. First method: hard triplets
#
# In a batch of P times K pictures each is an anchor once. **Batch hard** takes for each the hardest triplet that the batch has: its *farthest positive* and its
# *nearest negative*.
#
# ### Exercise 4: `hard_triplets` (13 points, medium, 30 minutes)
#
# Write `hard_triplets(features, labels)`: `features` is float, (N, D), `labels` is `int64`, (N,), any values in any order. Return three `int64` tensors of *rows*: anchors, their farthest positives, their nearest negatives, by Euclidean distance.
#
# - An anchor is not its own positive. A picture that is alone in its class has no positive, is no anchor and is left out. If none is left, the three tensors are empty, and still `int64`.
# - Among equals, any is right. Classes may have any sizes; there are always two or more.
# - No gradient has to flow through the choice. Do not normalise: take the features as they are.
#
# The original has a loop over anchors with Python sets, 1,024 times a batch. Find a way without a loop over pictures.
#
# <details><summary>Hint</summary>
#
# A matrix of distances (N, N) and a mask `labels[:, None] == labels`. Where a column must not win, write minus infinity before an `argmax` and plus infinity before an `argmin`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "hard_triplets", "locked": false, "schema_version": 3, "solution": true, "task": false}
def hard_triplets(features: torch.Tensor, labels: torch.Tensor):
    """Return rows of anchors, of their farthest positives and of their nearest negatives."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        distances = torch.cdist(features, features)
    same = labels[:, None] == labels
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive, negative = same & ~itself, ~same
    anchors = (positive.any(1) & negative.any(1)).nonzero().flatten()
    positives = distances.masked_fill(~positive, -torch.inf)[anchors].argmax(1)
    negatives = distances.masked_fill(~negative, torch.inf)[anchors].argmin(1)
    return anchors, positives, negatives
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_hard_triplets", "locked": true, "points": 13, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw5 as check

check.hard_triplets(hard_triplets)
### BEGIN HIDDEN TESTS
check.hard_triplets(hard_triplets, seed=7104)
### END HIDDEN TESTS

# %%
hard_triplets = check.hard_triplets.pick_from(globals())

# %% [markdown]
# The function returns *rows*, not features. The original's sampler returns the three features alone; whoever needs to know *which classes* a triplet is made of, as you will in
# Section 6, then cannot find out.
#
# **Experiment 5: a hidden normalisation.** A well-known library for metric learning normalises the embeddings before it mines, unless told not to. With unit vectors that changes
# nothing. With others it does: here the embeddings are pixels.

# %%
pixels, own_labels = x_train[balanced].flatten(1), train.labels[balanced]
plain, normalised = (
    hard_triplets(values, own_labels) for values in (pixels, torch.nn.functional.normalize(pixels))
)
for name, a, b in zip(("positives", "negatives"), plain[1:], normalised[1:], strict=True):
    print(f"other {name}: {int((a != b).sum())} of {len(a)} anchors")

# %% [markdown]
# ### Exercise 5: `triplet_loss` (6 points, easy, 10 minutes)
#
# The loss asks that each positive be nearer than the negative by a margin $\alpha$:
#
# $$L = \frac1T \sum_{(a, p, n)} \max\big(\lVert f_a - f_p\rVert - \lVert f_a - f_n\rVert + \alpha,\ 0\big)$$
#
# (Equation 5 of Hermans et al. is a *sum* over the batch, of features that are not normalised, and the paper prefers a soft margin, $\log(1 + e^x)$, to the hinge. The mean, the unit sphere and the hinge are the homework's.)
#
# Write `triplet_loss(features, labels, margin)`: the mean over all T hard triplets (those that contribute 0 count as well), a scalar tensor through which gradients flow. The distances are *not* squared. Without any triplet the loss
# is 0, not NaN, and `backward()` works. Where two features are equal, the gradient must be finite. You may use your `hard_triplets`.
#
# Expected: for features 0, 2 (one class) and 5, 9 (the other) on a line and the margin 2.5, the loss is (0 + 1.5 + 3.5 + 0) / 4 = 1.25.
#
# <details><summary>Hint</summary>
#
# `torch.linalg.vector_norm(x, dim=1)` has gradient 0 at 0, and the square root of a sum of squares has not. The mean of no numbers is NaN; the sum of no numbers is 0.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "triplet_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def triplet_loss(features: torch.Tensor, labels: torch.Tensor, margin: float) -> torch.Tensor:
    """Return the mean of max(d(a, p) - d(a, n) + margin, 0) over the hard triplets."""
    ### BEGIN SOLUTION
    anchors, positives, negatives = (features[rows] for rows in hard_triplets(features, labels))
    far = torch.linalg.vector_norm(anchors - positives, dim=1)
    near = torch.linalg.vector_norm(anchors - negatives, dim=1)
    return (far - near + margin).relu().sum() / max(1, len(anchors))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_triplet_loss", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw5 as check

check.triplet_loss(triplet_loss)
### BEGIN HIDDEN TESTS
check.triplet_loss(triplet_loss, seed=7105)
### END HIDDEN TESTS

# %%
triplet_loss = check.triplet_loss.pick_from(globals())

# %% [markdown]
# ### Train
#
# `train_model` does what the original does: RAdam at a rate of 0.01, which `MultiStepLR` cuts to a tenth (after a third of the steps at full scale, two thirds here), balanced batches from your
# `pk_batches`, your loss, and every `config.evaluate_every` steps CMC@1, 5 and 10 from your `cmc`. At full scale P is 64 and K is 16. At every mark `metric.diagnose` says in words how the training stands.
#
# In a real project you could not look at the CMC of the evaluation alphabets all the time, and choosing by it would be cheating; the original keeps the checkpoint with the best one. Here the *last* network is the result, whatever the curve did before.

# %%
print(f"P = {config.p}, K = {config.k}, {config.steps} steps, rate {config.learning_rate}")


def train_model(name, loss_of, at_one_point, steps=config.steps, rate=config.learning_rate, seed=0):
    """Train by loss_of(model), a function of features and labels; return the model and its losses."""
    model = new_model(seed)
    loss_function = loss_of(model)
    optimizer = torch.optim.RAdam(model.parameters(), rate)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [int(config.decay_at * steps)])
    rows = pk_batches(train.labels, config.p, config.k, 2 * seed)
    stream = characters.turned_batches(
        train, rows, degrees=config.degrees, seed=2 * seed + 1, device=device
    )
    history = {"loss": [], "spread": []}

    def step(batch, p):
        model.train()
        figures = metric.train_step(model, optimizer, *batch, loss_function)
        scheduler.step()
        for key, values in history.items():
            values.append(figures[key])
        return figures

    def on_mark(done):
        figures = retrieval(embed(model, x_evaluation))
        words = metric.diagnose(history, at_one_point(), window=10).split(":")[0] if done else ""
        print(f"step {done:4}", *(f"{k} {v:5.1f}" for k, v in figures.items()), words, sep="  ")

    marks = range(0, steps + 1, config.evaluate_every)
    fit(step, stream, steps, marks=marks, on_mark=on_mark, title=name)
    return model, history


# %% tags=["nbval-ignore-output"]
models, histories = {}, {}
models["hard triplets"], histories["hard triplets"] = train_model(
    "hard triplets",
    lambda model: lambda features, labels: triplet_loss(features, labels, config.margin),
    at_one_point=lambda: config.margin,
)

# %% [markdown]
# ### Read the chart
#
# The chart of a triplet loss has three phases, says the original: it falls to the margin, stays there long, and falls on. Why the margin? If the network maps everything to *one point*, all distances are 0 and
# the loss is exactly $\alpha$. Early in the training the hardest positive is usually farther than the hardest negative, and the quickest way to lower the loss is to shrink *all* distances. On the
# plateau the network is close to a single point, and the order of the distances is learned there. The second panel shows it: the **spread** of the embeddings is 0 if they all lie at one point and 1 if their mean is 0.

# %% tags=["nbval-ignore-output"]
chart = histories["hard triplets"]
at_margin = [(0, config.margin), (len(chart["loss"]) - 1, config.margin)]
plot.lines(
    {"loss": plot.smooth(chart["loss"], 5), "margin: all embeddings at one point": at_margin},
    title="hard triplets: the loss",
    xlabel="step",
    ylabel="loss (mean of 5 steps)",
)

# %% tags=["nbval-ignore-output"]
plot.lines(
    {"spread": plot.smooth(chart["spread"], 5)},
    title="hard triplets: how far the embeddings are from one point",
    xlabel="step",
    ylabel="spread",
)

# %% [markdown]
# **Experiment 6: a plateau that is no plateau.** A training can also end at one point. Here is the same training for a few steps, at a rate that is far too high.

# %% tags=["nbval-ignore-output"]
_, collapsed = train_model(
    "a bad rate",
    lambda model: lambda features, labels: triplet_loss(features, labels, config.margin),
    at_one_point=lambda: config.margin,
    steps=min(config.steps, 2 * config.evaluate_every),
    rate=30.0,
)
print(metric.diagnose(collapsed, config.margin, window=5))
print(
    f"spread: {collapsed['spread'][-1]:.0e}; smallest in the training before: {min(chart['spread']):.0e}"
)

# %% [markdown]
# By the loss alone the two are the same: it stands at the margin. But here the embeddings are far closer to one point than they ever were on the plateau, and CMC is not far from that of random weights. So print the spread, or watch CMC, before you wait for a third phase.

# %% [markdown]
# ## 5. Second method: hard clusters
#
# The farthest positive of a batch can be an outlier, a badly written letter, and batch hard listens to it up to K - 1 times. The **hard cluster** loss looks at classes instead. Each class $i$ has its mean $\bar f_i$ over its K pictures,
#
# $$d_i^{\text{intra}} = \max_{x \in i} \lVert f(x) - \bar f_i \rVert_2^2 \qquad
# d_i^{\text{inter}} = \min_{j \ne i} \lVert \bar f_i - \bar f_j \rVert_2^2 \qquad
# L = \sum_{i=1}^{P} \max\big(d_i^{\text{intra}} - d_i^{\text{inter}} + \alpha,\ 0\big)$$
#
# ### Exercise 6: `cluster_triplets` (13 points, medium, 30 minutes)
#
# Write `cluster_triplets(features, labels)`, for features (N, D) and labels (N,) with any values in any order and classes of any size. Return three tensors (P, D), a row for each class in the order of the labels' values: the class's *mean* (the anchor), the
# *features* of its picture farthest from it (the positive), and the nearest *mean of another class* (the negative). Gradients flow through all three, the means included. There are always two classes or more; among equals, any is right.
#
# <details><summary>Hint</summary>
#
# Stacking `features[labels == c].mean(0)` over `labels.unique()` is a loop over P classes, which is fine. To do without: `index_add`. The choice of the farthest and the nearest needs no gradient; the
# features that you then pick with it do. A mean is at distance 0 from itself.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "cluster_triplets", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cluster_triplets(features: torch.Tensor, labels: torch.Tensor):
    """Return each class's mean, its row farthest from it and the nearest other mean, (P, D) each."""
    ### BEGIN SOLUTION
    members = [features[labels == label] for label in labels.unique()]
    means = torch.stack([own.mean(0) for own in members])
    farthest = [
        own[(own - mean).square().sum(1).argmax()] for own, mean in zip(members, means, strict=True)
    ]
    between = torch.cdist(means.detach(), means.detach()).fill_diagonal_(torch.inf)
    return means, torch.stack(farthest), means[between.argmin(1)]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_cluster_triplets", "locked": true, "points": 13, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw5 as check

check.cluster_triplets(cluster_triplets)
### BEGIN HIDDEN TESTS
check.cluster_triplets(cluster_triplets, seed=7106)
### END HIDDEN TESTS

# %%
cluster_triplets = check.cluster_triplets.pick_from(globals())

# %% [markdown]
# ### Exercise 7: `cluster_loss` (6 points, easy, 10 minutes)
#
# Write `cluster_loss(features, labels, margin)`: the *sum* over classes, with *squared* distances, as the formula has it; a scalar tensor. Where features are equal, the gradient must be finite. You may use your `cluster_triplets`.
#
# Expected: for 0, 2 (one class) and 5, 9 (the other) on a line, the means are 1 and 7, and the margin 35.5 gives (1 - 36 + 35.5) + (4 - 36 + 35.5) = 4.


# %% nbgrader={"grade": false, "grade_id": "cluster_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cluster_loss(features: torch.Tensor, labels: torch.Tensor, margin: float) -> torch.Tensor:
    """Return the sum over classes of max(d_intra - d_inter + margin, 0), distances squared."""
    ### BEGIN SOLUTION
    means, farthest, nearest = cluster_triplets(features, labels)
    intra = (farthest - means).square().sum(1)
    inter = (nearest - means).square().sum(1)
    return (intra - inter + margin).relu().sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_cluster_loss", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw5 as check

check.cluster_loss(cluster_loss)
### BEGIN HIDDEN TESTS
check.cluster_loss(cluster_loss, seed=7107)
### END HIDDEN TESTS

# %%
cluster_loss = check.cluster_loss.pick_from(globals())

# %% [markdown]
# **Experiment 7: squared, or not?** The original hands the cluster triplets to the same `nn.TripletMarginLoss` as the hard ones: distances that are *not* squared, and a mean. Is that the formula above, up to a factor? On the four points of the line, for
# three margins:

# %%
points, classes_of_points = torch.tensor([[0.0], [2], [5], [9]]), torch.tensor([0, 0, 1, 1])
for margin in (5.5, 34.0, 35.5):
    formula = cluster_loss(points, classes_of_points, margin).item()
    pipeline = torch.nn.TripletMarginLoss(margin)(*cluster_triplets(points, classes_of_points))
    print(f"margin {margin:4}: the formula {formula:.1f}, the pipeline {pipeline:.1f}")

# %% [markdown]
# It is not: a margin that one loss regards as reached costs the other one dearly. A margin belongs to the kind of distance that it was made for: here, distances of unit vectors end at 2, squared ones at 4. So `config` has a margin for each, and the paper's formula is what is trained.

# %% tags=["nbval-ignore-output"]
models["hard clusters"], histories["hard clusters"] = train_model(
    "hard clusters",
    lambda model: lambda features, labels: cluster_loss(features, labels, config.cluster_margin),
    at_one_point=lambda: config.p * config.cluster_margin,
)

# %% [markdown]
# ## 6. Third method: a margin from a hierarchy
#
# So far every negative has to keep the same distance. But an alpha is closer to a beta than to an Arabic letter, and a network may well place them so. The **hierarchical triplet loss** puts the classes into a tree and
# makes the margin depend on *where two classes meet* in it.
#
# The original homework proposes a tree of depth 3: characters, alphabets, the root. *Level* 0 is the characters themselves, level 1 the alphabets, level 2 the root.
#
# ### Exercise 8: `class_tree` (5 points, easy, 5 minutes)
#
# Write `class_tree(alphabets)`: `alphabets` is `int64`, (C,), the alphabet of each character. Return `int64`, (C, C): the lowest level at which two characters are in one node. 0 for a character and itself, 1 for two of one alphabet, 2 for others.


# %% nbgrader={"grade": false, "grade_id": "class_tree", "locked": false, "schema_version": 3, "solution": true, "task": false}
def class_tree(alphabets: torch.Tensor) -> torch.Tensor:
    """Return the level at which two characters are in one node, (C, C)."""
    ### BEGIN SOLUTION
    levels = torch.where(alphabets[:, None] == alphabets, 1, 2)
    levels.fill_diagonal_(0)
    return levels
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_class_tree", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw5 as check

check.class_tree(class_tree)
### BEGIN HIDDEN TESTS
check.class_tree(class_tree, seed=7108)
### END HIDDEN TESTS

# %%
class_tree = check.class_tree.pick_from(globals())
names, alphabet_of = characters.alphabets_of(train.classes)
levels = class_tree(alphabet_of)
print(f"{len(train.classes)} characters in {len(names)} alphabets")
for level, what in enumerate(("itself", "another of its alphabet", "others")):
    print(f"level {level}: {(levels == level).float().sum(1).mean():5.1f} on average, {what}")

# %% [markdown]
# ### The dynamic margin
#
# The margin between a class $a$ of an anchor and a class $n$ of a negative is
#
# $$\alpha_{a n} = \beta + d_{H(a, n)} - s_a, \qquad d_l = \frac{l\,(4 - d_0)}{L} + d_0$$
#
# - $s_a$ is the mean *squared* distance between two different pictures of class $a$, over its $n_a (n_a - 1)$ ordered pairs: how far the class is spread out now.
# - $d_0$ is the mean of $s$ over all classes.
# - $H(a, n)$ is the level at which the two classes meet, and $d_l$ the distance that belongs to level $l$. $L$ is the height of the tree, the number of its levels above the classes: here 2. The largest squared distance on the unit sphere is 4: the top.
# - $\beta$ is what they are to move apart in any case, 0.1.
#
# It is *dynamic*: the network changes $s$ and $d_0$, so the margins are computed anew from all training pictures every `config.tree_every` steps.
#
# ### Exercise 9: `htl_margin` (10 points, hard, 30 minutes)
#
# Write `htl_margin(features, labels, levels, height, beta)`: unit vectors (N, D), their classes (N,) with values 0 to C - 1, two pictures or more of each, and the tree (C, C) from `class_tree` (or another one, with another `height`). Return $\alpha$ as a tensor (C, C): row $a$ is the anchor's class, column $n$ the negative's. (The diagonal has no use.) No gradient flows.
#
# Expected: unit vectors at 0, 10 | 30, 40 | 120, 130 | 150, 160 degrees, four classes, the first two of one alphabet, the last two of another: 2.0848 within an alphabet, 4.0696 across, with $\beta = 0.1$.
#
# <details><summary>Hint</summary>
#
# For a class with features `own`, `torch.cdist(own, own).square().sum() / (n * (n - 1))`. Then `thresholds[levels]` looks up all of $d_{H(a, n)}$ at once.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "htl_margin", "locked": false, "schema_version": 3, "solution": true, "task": false}
def htl_margin(features, labels, levels, height: int = 2, beta: float = 0.1) -> torch.Tensor:
    """Return the margins (C, C) of anchors' classes to negatives' classes."""
    ### BEGIN SOLUTION
    features = features.detach()
    within = []
    for label in range(len(levels)):
        own = features[labels == label]
        differences = own[:, None] - own  # (n, n, D)
        within.append(differences.square().sum() / (len(own) * (len(own) - 1)))
    within = torch.stack(within)
    d0 = within.mean()
    thresholds = torch.stack([level * (4 - d0) / height + d0 for level in range(height + 1)])
    return beta + thresholds[levels] - within[:, None]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_htl_margin", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw5 as check

check.htl_margin(htl_margin)
### BEGIN HIDDEN TESTS
check.htl_margin(htl_margin, seed=7109)
### END HIDDEN TESTS

# %%
htl_margin = check.htl_margin.pick_from(globals())

# %% [markdown]
# The example of the exercise, as a table:

# %%
degrees = torch.tensor([0.0, 10, 30, 40, 120, 130, 150, 160]).deg2rad()
circle = torch.stack([degrees.cos(), degrees.sin()], 1)
tree = class_tree(torch.tensor([0, 0, 1, 1]))
margins = htl_margin(circle, torch.arange(4).repeat_interleave(2), tree, 2, 0.1)
for row in margins.tolist():
    print(" ".join(f"{value:.4f}" for value in row))

# %% [markdown]
# Two things to notice. Letters of *other* alphabets get the *larger* margin: they are the ones that should be far away, and a confusion within an alphabet is forgiven sooner. And a margin across alphabets is $\beta + 4 - s_a$: about 4, the largest
# squared distance there is, so that two classes would have to be opposite points; but a point has only *one* opposite, and there are hundreds of classes.
# Not even the margin within an alphabet, about 2.1, is in reach for all: the mean squared distance of C points on the sphere is at most $2C / (C - 1)$, which is about 2. So no network satisfies these margins, and this loss never reaches 0.
#
# Think about what follows as long as *every* hinge is open: the maximum is then always its first part, and the loss is the mean of $\lVert f_a - f_p\rVert^2 - \lVert f_a - f_n\rVert^2$ plus a mean of margins, which has no gradient. The tree and its margins then have *no effect at all* on the training.
#
# ### Exercise 10: `htl_loss` (7 points, medium, 20 minutes)
#
# Write `htl_loss(features, labels, margins)`: features (N, D), labels (N,), positions in the margins (C, C), of which a batch holds only some. Over the hard triplets (your `hard_triplets` may help), the mean of
#
# $$\max\big(\lVert f_a - f_p\rVert^2 - \lVert f_a - f_n\rVert^2 + \alpha_{y_a y_n},\ 0\big)$$
#
# with *squared* distances, since the margins come from squared ones; a scalar tensor. Without a triplet it is 0, and `backward()` works; where features are equal, the gradient is finite. (The paper takes all triplets of a batch and half of the mean; the original homework takes the hard ones.)


# %% nbgrader={"grade": false, "grade_id": "htl_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def htl_loss(features: torch.Tensor, labels: torch.Tensor, margins: torch.Tensor) -> torch.Tensor:
    """Return the mean over the hard triplets, distances squared, with a margin for each."""
    ### BEGIN SOLUTION
    a, p, n = hard_triplets(features, labels)
    far = (features[a] - features[p]).square().sum(1)
    near = (features[a] - features[n]).square().sum(1)
    hinges = (far - near + margins[labels[a], labels[n]]).relu()
    return hinges.sum() / max(1, len(a))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_htl_loss", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw5 as check

check.htl_loss(htl_loss)
### BEGIN HIDDEN TESTS
check.htl_loss(htl_loss, seed=7110)
### END HIDDEN TESTS

# %%
htl_loss = check.htl_loss.pick_from(globals())

# %% [markdown]
# **Experiment 8: two ways that do not lead there.** The original's skeleton leaves a gap, `margin = ...`, before a call of `F.triplet_margin_loss`. Put a tensor of margins into it:

# %%
a, p, n = (circle[rows] for rows in hard_triplets(circle, torch.arange(4).repeat_interleave(2)))
try:
    torch.nn.functional.triplet_margin_loss(a, p, n, margin=torch.full((len(a),), 2.0))
except (TypeError, RuntimeError, ValueError) as error:
    print(type(error).__name__, "- this function wants one number")

# %% [markdown]
# And if it took one: its distances are not squared, while the margins are. What is left of the loss where everything is *as right as it can be*, each class one point, so that positives are at distance 0 and $s = d_0 = 0$, and each negative on the opposite side of the sphere?

# %%
one_point_each = circle[::2].repeat_interleave(2, 0)  # (8, 2)
margins = htl_margin(one_point_each, torch.arange(4).repeat_interleave(2), tree, 2, 0.1)
across, inside = margins[0, 2].item(), margins[0, 1].item()
print(f"margins: {inside:.2f} within an alphabet, {across:.2f} across; what is left of them:")
for name, farthest in {"squared": 4.0, "not squared": 2.0}.items():
    print(
        f"{name + ':':13}{max(0.0, 0 - farthest + inside):.2f} within an alphabet, "
        f"{max(0.0, 0 - farthest + across):.2f} across"
    )

# %% [markdown]
# With distances that are not squared even a triplet that is as right as it can be violates its margin, by 0.10 within an alphabet and by 2.10 across. With squared ones the margin within an alphabet at least can be met, by a few classes. Where it cannot, every hinge is open for ever, and the margin, which is the idea of the method, decides nothing.
#
# Now train. The margins are computed anew from all training pictures, as the network then embeds them.


# %%
def hierarchical(model):
    state = {"calls": 0}
    labels_of_train = train.labels.to(device)

    def loss_function(features, labels):
        if state["calls"] % config.tree_every == 0:
            embedded = embed(model, x_train).to(device)
            state["margins"] = htl_margin(
                embedded, labels_of_train, levels.to(device), 2, config.beta
            )
            current_margins.append(state["margins"].cpu())
        state["calls"] += 1
        return htl_loss(features, labels, state["margins"])

    return loss_function


current_margins = []

# %% tags=["nbval-ignore-output"]
models["hierarchical"], histories["hierarchical"] = train_model(
    "hierarchical",
    hierarchical,
    at_one_point=lambda: current_margins[-1][levels > 0].mean().item(),
)
for when, margins in (("first", current_margins[0]), ("last", current_margins[-1])):
    inside, across = (margins[levels == level] for level in (1, 2))
    print(f"{when} margins: {inside.mean():.2f} within an alphabet, {across.mean():.2f} across")

# %% [markdown]
# ## 7. Compare
#
# The three networks, trained by *your* functions with one seed each, beside the two baselines. The last column is CMC@1 among the *training* characters, on pictures that were trained on.


# %% tags=["nbval-ignore-output"]
seen_queries = query_gallery_split(train.labels, 0.2, seed=0)


def seen(embedded):
    return retrieval(embedded, train.labels, seen_queries)["CMC@1"]


scores["raw pixels"]["seen, CMC@1"] = seen(x_train.flatten(1))
scores["untrained"]["seen, CMC@1"] = seen(embed(new_model(), x_train))
for name, model in models.items():
    scores[name] = retrieval(embed(model, x_evaluation))
    scores[name]["seen, CMC@1"] = seen(embed(model, x_train))
print(plot.table([{"method": name, **figures} for name, figures in scores.items()]))

# %% [markdown]
# And how large are the distances that the three have learned? Squared, between pictures of one class and between pictures of two, on average:

# %% tags=["nbval-ignore-output"]
rows = []
for name, model in models.items():
    squared = metric.class_distances(embed(model, x_train), train.labels, len(train.classes))
    within, between = squared.diagonal().mean(), squared[levels > 0].mean()
    rows.append(
        {"method": name, "within a class": f"{within:.4f}", "between classes": f"{between:.4f}"}
    )
print(plot.table(rows))

# %% [markdown]
# The margins of the hierarchical method ask for differences of 2 and 4. What its network has is hundreds of times smaller, and the hinge $\max(\cdot, 0)$ is never closed (counted once with seed 0 at embedded scale: not for one of the 38,400 triplets of 300 steps): a triplet that is right by a wide lead pulls as hard as one that is wrong. So what was trained is the mean of $\lVert f_a - f_p\rVert^2 - \lVert f_a - f_n\rVert^2$ (Section 6): the tree had no effect on it, and its row says nothing against the idea of a hierarchy, only against these margins. The other two methods let go of a triplet once it is right by their small margin, and can spend their effort where it is needed.
# With $s$ and $d_0$ near 0 the "dynamic" margins stood still as well, at 2.1 and 4.1 from the first to the last. In effect this network never left the plateau. (The words at the marks said "learning" all the same, since its loss is below the mean of all margins: the hard negatives are often of the anchor's own alphabet, where the margin is the smaller one. A look at the distances beats a rule of thumb.)
#
# One seed is an anecdote. The next picture and table show the same training with the course's own code, three seeds for each row. They were recorded; the command that repeats them stands in the cell.
# There are more rows:
#
# - *hierarchical, all*: over all triplets of the batch, as the paper has it, not the hard ones alone;
# - *hierarchical, data*: the same with the paper's own tree, which merges classes that lie close *now*, and its batches, in which each class comes with its neighbours (bonus 1);
# - *shuffled labels*: a control, hard triplets of labels that mean nothing. What this row reaches was not learned from the labels.
#
# And the same on **Omniglot** itself: its small set `images_background_small1` (five alphabets, 136 characters) to train on, and those alphabets of `images_background_small2` to measure on that are not in it: Katakana, Sanskrit and Tagalog, 106 characters.

# %%
# dalib-edu run hw5 --seeds 3 --method raw_pixels --method untrained --method hard_triplets
#     --method cluster --method htl --method htl_all --method htl_data --method shuffled_labels
recorded = {  # CMC@1 on the unseen alphabets in %, seeds 0 to 2
    "raw pixels": [26.4, 26.4, 26.4],
    "untrained": [35.2, 43.8, 27.6],
    "hard triplets": [89.8, 91.4, 90.0],
    "hard clusters": [88.3, 86.6, 88.3],
    "hierarchical": [63.1, 63.8, 60.9],
    "hierarchical, all": [59.3, 45.2, 57.1],
    "hierarchical, data": [85.2, 85.0, 87.2],
    "shuffled labels": [27.8, 28.3, 28.4],
}
recorded_seen = {  # the same among the training characters
    "raw pixels": [27.5, 27.5, 27.5],
    "untrained": [33.6, 42.5, 26.5],
    "hard triplets": [86.4, 86.7, 86.7],
    "hard clusters": [86.3, 86.2, 85.2],
    "hierarchical": [59.7, 58.6, 57.7],
    "hierarchical, all": [60.4, 46.9, 56.4],
    "hierarchical, data": [85.5, 83.8, 82.0],
    "shuffled labels": [24.9, 31.5, 25.0],
}
# the same with --data FOLDER --source images_background_small1 --target images_background_small2
recorded_omniglot = {
    "raw pixels": [26.4, 26.4, 26.4],
    "untrained": [23.1, 32.8, 24.1],
    "hard triplets": [67.5, 67.9, 63.4],
    "hard clusters": [59.0, 66.3, 61.6],
    "hierarchical": [39.6, 40.1, 35.4],
    "hierarchical, all": [30.7, 29.7, 27.8],
    "hierarchical, data": [60.8, 61.6, 57.1],
    "shuffled labels": [17.7, 22.6, 23.3],
}
plot.spread(
    {name.replace(" ", "\n", 1): values for name, values in recorded.items()},
    title="unseen alphabets of this world, three seeds each",
    ylabel="CMC@1 in %",
)

# %%
plot.spread(
    {name.replace(" ", "\n", 1): values for name, values in recorded_omniglot.items()},
    title="unseen alphabets of Omniglot, three seeds each",
    ylabel="CMC@1 in %",
)


# %% tags=["nbval-ignore-output"]
def mean_and_deviation(values):
    values = torch.tensor(values)
    return f"{values.mean():.1f} +- {values.std():.1f}"


paper = {"hierarchical, data": "1 to 18 above triplets"}
rows = [
    {
        "method": name,
        "yours, one seed": scores.get(name, {}).get("CMC@1", ""),
        "ours, three seeds": mean_and_deviation(values),
        "seen": mean_and_deviation(recorded_seen[name]),
        "ours, Omniglot": mean_and_deviation(recorded_omniglot[name]),
        "paper": paper.get(name, ""),
    }
    for name, values in recorded.items()
]
print(plot.table(rows))

# %% [markdown]
# The paper's figure is from its abstract, for other data sets (shopping, birds, cars, faces). Read the rows over their three seeds, in this world and on Omniglot:
#
# - *Learning pays, and only from labels.* Hard triplets reach 90.4 and 66.3 on characters that they never saw, pixels 26.4 both times (by coincidence). The control, trained for as long on labels that mean nothing, ends no better than random weights. (That 90.4 is more than the 86.6 of the column *seen* means nothing: the galleries differ, in size and in characters, and so the two columns are not comparable, as in Experiment 2.)
# - *Hard triplets or hard clusters?* Hard triplets are ahead with all six seeds, by 1.5 to 8.5 points, on the same split. But four of the six differences are below 2 points, and each loss was run with one margin. So: a small advantage here, and no law.
# - *The hierarchy of alphabets does not help.* 62.6 and 38.4: far below both, with every seed. Over all triplets it is lower still, so it is not the hard triplets that spoil it. (No verdict on hierarchies, though: with all hinges open the tree had no effect.) *hierarchical, data* has the paper's own tree, which merges classes by how close they lie now (eight levels above the classes, not two; the number is our choice), and the paper's batches. It is over all triplets as well, so compare it with *hierarchical, all*: 85.8 and 59.8 against 53.9 and 29.4. Its margins are about 0.6 on average, not 4. (Tree and batches change together in that row; it cannot say which of the two did it.) Even so it does not beat plain hard triplets here, as the paper's does elsewhere. One more difference: the paper's network was first trained with a triplet loss, and the hierarchy refines that; ours starts from random weights.
# - *Random weights* are anywhere between 23 and 44. Whoever compares with one draw of them can prove a lot.
# - *300 steps are few.* On Omniglot the loss of hard triplets still stands at the margin at the end, while CMC has long risen: they are in the second phase. The original trains 4,800 steps, nearly all of 1,024 pictures.
#
# And one thing that no row shows: the settings (network, P, K, steps, angles) were found by looking at CMC on unseen alphabets. Expect a little less where nobody could look.
#
# ### Choose without the unseen labels
#
# Suppose that you had the 24 candidates of the Omniglot column (eight methods, three seeds) and no label of an unseen alphabet. By what would you choose? One score is at hand: CMC@1 among the characters of the *training* alphabets, whose labels you have.

# %%
recorded_omniglot_seen = {  # among the training characters
    "raw pixels": [28.1, 28.1, 28.1],
    "untrained": [26.1, 35.7, 27.9],
    "hard triplets": [78.7, 77.9, 72.8],
    "hard clusters": [80.1, 80.1, 80.7],
    "hierarchical": [47.6, 48.2, 41.4],
    "hierarchical, all": [40.6, 46.3, 33.5],
    "hierarchical, data": [82.4, 82.2, 81.1],
    "shuffled labels": [20.8, 23.9, 21.9],
}
seen_scores = [value for values in recorded_omniglot_seen.values() for value in values]
unseen_scores = [value for values in recorded_omniglot.values() for value in values]
plot.choices(
    {"CMC@1, training characters": seen_scores},
    unseen_scores,
    title="Omniglot: 24 candidates",
    ylabel="CMC@1, unseen alphabets",
)

# %%
chosen = max(range(len(seen_scores)), key=seen_scores.__getitem__)
name = [name for name, values in recorded_omniglot.items() for _ in values][chosen]
print(f"chosen: {name}, with {unseen_scores[chosen]} on the unseen alphabets")
print(
    f"the best there is: {max(unseen_scores)}; regret {max(unseen_scores) - unseen_scores[chosen]:.1f}"
)

# %% [markdown]
# From afar the score is a good one: what learned nothing is on the left, below. Among the good ones it misleads. It prefers those that know their training characters best, and these are not the ones that carry over best. Question 3 asks you for something better.
#
# ## 8. Look at what it finds
#
# Figures hide mistakes that a look reveals. Here are queries from the unseen alphabets, drawn at random, with the first ten answers of the network that was trained with hard triplets; a right answer has a blue frame and a tick, a wrong one an orange frame and a cross.


# %% tags=["nbval-ignore-output"]
def find(model, asked):
    """Return the first ten answers to some queries, positions (Q, 10), and whether they are right."""
    embedded, gallery = embed(model, x_evaluation), (~queries).nonzero().flatten()
    nearest = torch.cdist(embedded[asked], embedded[gallery]).topk(10, largest=False).indices
    answers = gallery[nearest]
    return answers, evaluation.labels[answers] == evaluation.labels[asked][:, None]


def gallery_picture(model, asked, title):
    answers, right = find(model, asked)
    paper = 255 - evaluation.images
    return plot.retrieval_gallery(paper[asked], paper[answers], right, title=title)


generator = torch.Generator().manual_seed(0)
every_query = queries.nonzero().flatten()
asked = every_query[torch.randperm(len(every_query), generator=generator)[:6]]
gallery_picture(models["hard triplets"], asked, "hard triplets: six queries at random")

# %% [markdown]
# And six at random of those whose *first* answer is wrong. Would you have known better?

# %% tags=["nbval-ignore-output"]
_, right = find(models["hard triplets"], every_query)
failed = every_query[~right[:, 0]]
print(f"{len(failed)} of {len(every_query)} queries have a wrong first answer")
failed = failed[torch.randperm(len(failed), generator=generator)[:6]]
gallery_picture(models["hard triplets"], failed, "hard triplets: six queries that fail")

# %% [markdown]
# A map of the embeddings: three characters of each unseen alphabet by all their drawers, put on the plane by t-SNE, each as the picture that it is, in the colour of its alphabet. First the network with random weights, then the trained one.

# %% tags=["nbval-ignore-output"]
names, alphabet_of = characters.alphabets_of(evaluation.classes)
some = torch.cat([(alphabet_of == k).nonzero().flatten()[3:6] for k in range(min(5, len(names)))])
on_map = torch.isin(evaluation.labels, some).nonzero().flatten()
groups = [names[alphabet_of[label]] for label in evaluation.labels[on_map]]


def picture_map(name, model):
    points = plot.tsne(embed(model, x_evaluation[on_map]))
    title = f"{name}: {len(some)} characters of unseen alphabets"
    return plot.thumbnail_map(points, evaluation.images[on_map], groups, title=title)


picture_map("untrained", new_model())

# %% tags=["nbval-ignore-output"]
picture_map("hard triplets", models["hard triplets"])

# %% [markdown]
# With random weights pictures of one letter lie scattered, and slanted or wide ones of different letters side by side. After training, nearly each letter is a heap of its own, of an alphabet that the network has never seen. Letters of one alphabet need not be neighbours: hard triplets know characters, and nothing of alphabets. Where two heaps touch, look at the shapes.
#
# ## 9. What goes wrong
#
# **Experiment 9: augmentation where it does not belong.** The circulating code has one transform for everything, with a random rotation of up to 30 degrees in it, and validates through it. What is the CMC of your network then? And how much does it move from one measurement to the next?

# %% tags=["nbval-ignore-output"]
rows = [
    {
        "evaluation pictures": "as they are",
        **retrieval(embed(models["hard triplets"], x_evaluation)),
    }
]
for trial in range(3):
    turned, _ = next(
        characters.turned_batches(
            evaluation, iter([torch.arange(len(evaluation))]), degrees=30, seed=trial
        )
    )
    figures = retrieval(embed(models["hard triplets"], turned))
    rows.append({"evaluation pictures": f"turned, draw {trial + 1}", **figures})
print(plot.table(rows))

# %% [markdown]
# Several points are gone, and the figure is another one each time: the network was trained with turns of up to `config.degrees` degrees (10 at embedded scale), and a letter that stands straight was made harder to find for nothing. As score to choose a checkpoint by it is doubly bad, too low and drawn by lot.
#
# Other mistakes that circulate with this task, in one line each: a batch sampler without balanced classes (Experiment 4); checkpoints chosen by the best CMC on the evaluation alphabets, which are then no test any more.
#
# ## 10. Questions
#
# Answer in a few sentences each; a person reads them.
#
# **Question 1 (4 points).** The loss of a training with hard triplets has stood at the margin for 2,000 steps. Name two quite different states that the network can be in, and how you would tell which it is without any label of the evaluation set. What would you do in either case?

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_plateau", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# **Model answer.** (a) On the plateau: the embeddings have shrunk together but still differ; the farthest positive and the nearest negative are about equally far, and the order improves slowly. (b) Collapsed: all embeddings are one point for all practical purposes, and the order does not improve any more.
# Tell them by the spread of the embeddings (or the mean distance of two pictures): small but steady, or growing again, in (a); orders of magnitude smaller in (b); or by CMC among the *training* characters, which keeps rising in (a) and stays where random weights are in (b). In (a): wait, or make the task easier (smaller K or P, so that the hardest are less hard; semi-hard or
# all triplets). In (b): start again with a lower rate (warm-up), check the normalisation; waiting does not help.
#
# **Rubric.** 1 point for each of the two states; 1 for a quantity that tells them apart and needs no evaluation labels; 1 for a fitting reaction to each.
# ### END SOLUTION

# %% [markdown]
# **Question 2 (4 points).** Read the picture and the table of Section 7. Which differences between the three methods would you rely on, and which not? Explain what you see of the hierarchical loss by the size of its margins.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_comparison", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# **Model answer.** To rely on: both hard triplets and hard clusters against the hierarchy of alphabets (90.4 and 87.7 against 62.6; on Omniglot 66.3 and 62.3 against 38.4), since no seed of one comes near any of the other, and against pixels, random weights and shuffled labels. Not to rely on: hard triplets against hard clusters. All six differences, on the same split, have
# the same sign, but four are below 2 points, and each loss had a single margin: another one could turn the order. The hierarchical margins are about 2.1 within an alphabet and 4.1 across, while the squared distances that the network has learned are a few thousandths (table above): no triplet ever satisfies its margin, the hinge never closes, and the loss is a
# plain mean of differences in which triplets that are right by far pull as hard as wrong ones. So the tree has no effect on the training, and the row says nothing against hierarchies as such. The margins cannot be satisfied either: 4 is the squared distance of opposite points, of which each point has one, and hundreds of classes are at most about 2 apart on average. With the tree of the data, whose margins are about 0.6, the same loss comes to 85.8.
#
# **Rubric.** 1 point for a difference to rely on, with figures and the spread over seeds; 1 for one not to rely on, with the reason; 2 for the margins: their size beside the distances that there are (1), and what follows for the hinge (1).
# ### END SOLUTION

# %% [markdown]
# **Question 3 (4 points).** You must choose among the three methods, their margins and the number of steps, and may not use a label of the evaluation alphabets. Describe how. Why is CMC among the characters that were trained on not the best guide, and what could mislead you in the procedure that you propose?

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_choice", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# **Model answer.** Keep whole *alphabets* of the training part out (two of ten, say), train on the others, measure CMC on those held out, repeat with other alphabets held out, choose by the mean, train once more on all ten, and touch the evaluation alphabets once, at the end. Hold out alphabets and not pictures: the question is whether the
# distance carries over to *characters that were never seen*, and pictures of trained characters do not ask it. CMC on trained characters also favours whatever memorises them; it can keep rising while the unseen ones get worse. This procedure misleads where the held-out alphabets are unlike the evaluation alphabets (Ogham, all straight strokes, says little about Armenian), where the gallery has another size or number of
# characters (CMC depends on it, so only the order of the candidates carries over), and by selection: the best of many candidates has a score that is too good.
#
# **Rubric.** 2 points for holding out whole alphabets or at least characters (1 for held-out pictures of trained characters); 1 for the fault of the seen score; 1 for a way in which the proposed procedure can mislead.
# ### END SOLUTION

# %% [markdown]
# ## Bonus (no points)
#
# 1. *The paper's tree.* $d(p, q)$ is the mean squared distance between the pictures of two classes (`metric.class_distances`); at level $l$ classes nearer than $d_l$ are merged. Write the tree yourself, compare it with `metric.merged_tree`, and see which letters it puts together. Then the paper's batches:
#    $l'$ random classes, each with its $m - 1$ nearest (`metric.neighbourhood_batches`). Its row in Section 7 is *hierarchical, data*.
# 2. *All triplets.* Over all triplets of a batch instead of the hard ones: does the plateau go away?
# 3. *A margin that can be reached.* Divide the margins of Section 6 by 10, or put a smaller number than 4 at the root. What does the loss do then, and what does CMC?
# 4. *Your own alphabet.* Draw some characters, scan them, put them into folders, and query them.
# 5. *Omniglot.* `dalib-edu run hw5 --data FOLDER --source images_background_small1 --target images_background_small2 --seeds 3`.
#
# ## References
#
# - Hermans, Beyer, Leibe: *In Defense of the Triplet Loss for Person Re-Identification*. 2017. [arXiv 1703.07737](https://arxiv.org/abs/1703.07737)
# - Alex, Sami, Banerjee, Panda: *Cluster Loss for Person Re-Identification*. 2018. [arXiv 1812.10325](https://arxiv.org/abs/1812.10325) ("hard cluster triplets" is the original homework's name)
# - Ge, Huang, Dong, Scott: *Deep Metric Learning with Hierarchical Triplet Loss*. ECCV 2018. [arXiv 1810.06951](https://arxiv.org/abs/1810.06951)
# - Lake, Salakhutdinov, Tenenbaum: *Human-level concept learning through probabilistic program induction*. Science 350, 2015 (Omniglot).
# - Liu, Jiang, He, Chen, Liu, Gao, Han: *On the Variance of the Adaptive Learning Rate and Beyond*. ICLR 2020. [arXiv 1908.03265](https://arxiv.org/abs/1908.03265) (RAdam)
# - The homework follows one of a course on metric learning that was written with the library Catalyst.
