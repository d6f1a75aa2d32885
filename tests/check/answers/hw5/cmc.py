# ruff: noqa: F811
import numpy as np
import torch
import torch.nn.functional as F


def ranked(query, query_labels, gallery, gallery_labels, distances=None):
    """Whether the j-th nearest is right, (Q, G); of equals the wrong one comes first."""
    distances = torch.cdist(query, gallery) if distances is None else distances
    same = gallery_labels == query_labels[:, None]
    wrong_first = same.int().argsort(dim=1, stable=True)
    order = distances.gather(1, wrong_first).argsort(dim=1, stable=True)
    return same.gather(1, wrong_first.gather(1, order))


# mutant precision: precision
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: right[:, :k].float().mean().item() for k in topk}


# mutant recall: recall
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    counts = right.sum(1).clamp_min(1)
    return {k: (right[:, :k].sum(1) / counts).mean().item() for k in topk}


# mutant every right one counts: hits_counted
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: right[:, :k].sum(1).float().mean().item() for k in topk}


# mutant queries in the gallery: query_in_gallery
def cmc(query, query_labels, gallery, gallery_labels, topk):
    gallery = torch.cat([query, gallery])
    gallery_labels = torch.cat([query_labels, gallery_labels])
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: right[:, :k].any(1).float().mean().item() for k in topk}


# mutant percent: percent
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: 100 * right[:, :k].any(1).float().mean().item() for k in topk}


# mutant not divided: count
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: right[:, :k].any(1).sum().item() for k in topk}


# mutant the farthest: farthest
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels).flip(1)
    return {k: right[:, :k].any(1).float().mean().item() for k in topk}


# mutant the k-th alone: kth_only
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: right[:, k - 1].float().mean().item() for k in topk}


# mutant all of the k: all_of_k
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: right[:, :k].all(1).float().mean().item() for k in topk}


# mutant k ignored: first_only
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: right[:, 0].float().mean().item() for k in topk}


# mutant one too many: off_by_one
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: right[:, : k + 1].any(1).float().mean().item() for k in topk}


# mutant one too few: off_by_one
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: right[:, : k - 1].any(1).float().mean().item() for k in topk}


# mutant the first dropped, as for a gallery with the queries in it: first_dropped
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)[:, 1:]
    return {k: right[:, :k].any(1).float().mean().item() for k in topk}


# mutant never found counts as found: missing_found
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    first = right.int().argmax(1)
    return {k: (first < k).float().mean().item() for k in topk}


# mutant queries without their class left out: missing_left_out
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    right = right[right.any(1)]
    return {k: right[:, :k].any(1).float().mean().item() for k in topk}


# mutant of equals the first of the gallery: ties
def cmc(query, query_labels, gallery, gallery_labels, topk):
    order = torch.cdist(query, gallery).argsort(dim=1, stable=True)
    right = gallery_labels[order] == query_labels[:, None]
    return {k: right[:, :k].any(1).float().mean().item() for k in topk}


# mutant only nearer ones come before: ties
def cmc(query, query_labels, gallery, gallery_labels, topk):
    distances = torch.cdist(query, gallery)
    same = query_labels[:, None] == gallery_labels
    near = distances.masked_fill(~same, torch.inf).amin(1, keepdim=True)
    rank = ((distances < near) & ~same).sum(1)
    found = same.any(1)
    return {k: ((rank < k) & found).float().mean().item() for k in topk}


# mutant more neighbours than there are: raised
def cmc(query, query_labels, gallery, gallery_labels, topk):
    distances = torch.cdist(query, gallery) + 1e-4 * (query_labels[:, None] == gallery_labels)
    found = {}
    for k in topk:
        rows = distances.topk(k, largest=False).indices
        right = gallery_labels[rows] == query_labels[:, None]
        found[k] = right.any(1).float().mean().item()
    return found


# mutant a vote: majority
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: (2 * right[:, :k].sum(1) > k).float().mean().item() for k in topk}


# mutant product for distance: similarity
def cmc(query, query_labels, gallery, gallery_labels, topk):
    distances = -query @ gallery.T
    right = ranked(query, query_labels, gallery, gallery_labels, distances)
    return {k: right[:, :k].any(1).float().mean().item() for k in topk}


# mutant cosine: similarity
def cmc(query, query_labels, gallery, gallery_labels, topk):
    distances = -F.normalize(query) @ F.normalize(gallery).T
    right = ranked(query, query_labels, gallery, gallery_labels, distances)
    return {k: right[:, :k].any(1).float().mean().item() for k in topk}


# mutant a list: not_a_dictionary
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return [right[:, :k].any(1).float().mean().item() for k in topk]


# mutant names as keys: wrong_keys
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {f"cmc{k:02}": right[:, :k].any(1).float().mean().item() for k in topk}


# mutant one answer a query: not_scalar
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: torch.cat([right[:, :k].any(1), right[:, :k].any(1)]) for k in topk}


# alternative argsort
def cmc(query, query_labels, gallery, gallery_labels, topk):
    right = ranked(query, query_labels, gallery, gallery_labels)
    return {k: right[:, :k].any(1).float().mean().item() for k in topk}


# alternative topk of a Gram matrix, right ones a little farther
def cmc(query, query_labels, gallery, gallery_labels, topk):
    squares = (gallery**2).sum(1) - 2 * query @ gallery.T
    squares = squares + 1e-5 * (query_labels[:, None] == gallery_labels)
    most = min(max(topk), len(gallery))
    rows = squares.topk(most, largest=False).indices
    right = gallery_labels[rows].eq(query_labels.unsqueeze(1)).cumsum(1) > 0
    return {k: right[:, min(k, most) - 1].double().mean() for k in topk}


# alternative plain loops
def cmc(query, query_labels, gallery, gallery_labels, topk):
    found = dict.fromkeys(topk, 0)
    for row, label in zip(query, query_labels, strict=True):
        order = sorted(
            range(len(gallery)),
            key=lambda i: (torch.dist(row, gallery[i]).item(), bool(gallery_labels[i] == label)),
        )
        for k in topk:
            found[k] += any(gallery_labels[i] == label for i in order[:k])
    return {k: count / len(query) for k, count in found.items()}


# alternative numpy, by the rank of the nearest right one
def cmc(query, query_labels, gallery, gallery_labels, topk):
    q, g = query.numpy(), gallery.numpy()
    distances = np.linalg.norm(q[:, None] - g, axis=2)
    same = query_labels.numpy()[:, None] == gallery_labels.numpy()
    best = np.where(same, distances, np.inf).min(1, keepdims=True)
    rank = ((distances <= best) & ~same).sum(1)
    return {k: np.mean((rank < k) & np.isfinite(best[:, 0])) for k in topk}
