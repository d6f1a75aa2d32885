# ruff: noqa: F811
import torch


def chains(joined):
    """Who can be reached through whom."""
    joined = joined | torch.eye(len(joined), dtype=torch.bool)
    for _ in range(len(joined)):
        joined = joined.float() @ joined.float() > 0
    return joined


# mutant no chains: no_chains
def merged_tree(distances, thresholds):
    levels = (distances[..., None] >= thresholds[:-1]).sum(2)
    return levels.fill_diagonal_(0)


# mutant the diagonal forgotten: diagonal
def merged_tree(distances, thresholds):
    levels = torch.full(distances.shape, len(thresholds) - 1)
    for level in reversed(range(len(thresholds) - 1)):
        levels[chains(distances < thresholds[level])] = level
    return levels.fill_diagonal_(1)


# mutant upside down: upside_down
def merged_tree(distances, thresholds):
    top = len(thresholds) - 1
    levels = torch.full(distances.shape, top)
    for level in reversed(range(top)):
        levels[chains(distances < thresholds[level])] = level
    return (top - levels).fill_diagonal_(0)


# mutant counted from 1: from_one
def merged_tree(distances, thresholds):
    levels = torch.full(distances.shape, len(thresholds) - 1)
    for level in reversed(range(len(thresholds) - 1)):
        levels[chains(distances < thresholds[level])] = level
    return (levels + 1).fill_diagonal_(0)


# mutant fractions: wrong_dtype
def merged_tree(distances, thresholds):
    levels = torch.full(distances.shape, float(len(thresholds) - 1))
    for level in reversed(range(len(thresholds) - 1)):
        levels[chains(distances < thresholds[level])] = level
    return levels.fill_diagonal_(0)


# mutant levels upwards, so that the highest wins
def merged_tree(distances, thresholds):
    levels = torch.full(distances.shape, len(thresholds) - 1)
    for level in range(len(thresholds) - 1):
        levels[chains(distances < thresholds[level])] = level
    return levels.fill_diagonal_(0)


# mutant far in place of near
def merged_tree(distances, thresholds):
    levels = torch.full(distances.shape, len(thresholds) - 1)
    for level in reversed(range(len(thresholds) - 1)):
        levels[chains(distances > thresholds[level])] = level
    return levels.fill_diagonal_(0)


# mutant chains of two steps alone
def merged_tree(distances, thresholds):
    levels = torch.full(distances.shape, len(thresholds) - 1)
    for level in reversed(range(len(thresholds) - 1)):
        joined = (distances < thresholds[level]).fill_diagonal_(True).float()
        levels[joined @ joined > 0] = level
    return levels.fill_diagonal_(0)


# mutant the lowest level left out
def merged_tree(distances, thresholds):
    levels = torch.full(distances.shape, len(thresholds) - 1)
    for level in reversed(range(1, len(thresholds) - 1)):
        levels[chains(distances < thresholds[level])] = level
    return levels.fill_diagonal_(0)


# mutant complete linkage
def merged_tree(distances, thresholds):
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    between = distances.double().clone().fill_diagonal_(0).numpy()
    tree = linkage(squareform(between, checks=False), "complete")
    levels = torch.full(distances.shape, len(thresholds) - 1)
    for level in reversed(range(len(thresholds) - 1)):
        node = torch.from_numpy(fcluster(tree, float(thresholds[level]), "distance"))
        levels[node[:, None] == node] = level
    return levels.fill_diagonal_(0)


# mutant the input's diagonal changed: input_changed
def merged_tree(distances, thresholds):
    distances.fill_diagonal_(0)
    levels = torch.full(distances.shape, len(thresholds) - 1)
    for level in reversed(range(len(thresholds) - 1)):
        levels[chains(distances < thresholds[level])] = level
    return levels.fill_diagonal_(0)


# alternative chains by products
def merged_tree(distances, thresholds):
    levels = torch.full(distances.shape, len(thresholds) - 1)
    for level in reversed(range(len(thresholds) - 1)):
        levels[chains(distances < thresholds[level])] = level
    return levels.fill_diagonal_(0)


# alternative SciPy's single linkage
def merged_tree(distances, thresholds):
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    between = distances.double().clone().fill_diagonal_(0).numpy()
    tree = linkage(squareform(between, checks=False), "single")
    levels = torch.full(distances.shape, len(thresholds) - 1)
    for level in reversed(range(len(thresholds) - 1)):
        node = torch.from_numpy(fcluster(tree, float(thresholds[level]), "distance"))
        levels[node[:, None] == node] = level
    return levels.fill_diagonal_(0)


# alternative a search from each class
def merged_tree(distances, thresholds):
    count, top = len(distances), len(thresholds) - 1
    levels = [[0 if i == j else top for j in range(count)] for i in range(count)]
    for level in range(top - 1, -1, -1):
        for start in range(count):
            seen, waiting = {start}, [start]
            while waiting:
                one = waiting.pop()
                for other in range(count):
                    if other not in seen and distances[one, other] < thresholds[level]:
                        seen.add(other)
                        waiting.append(other)
            for other in seen - {start}:
                levels[start][other] = level
    return torch.tensor(levels)


# alternative the widest step on the best way, by Floyd and Warshall
def merged_tree(distances, thresholds):
    way = distances.clone()
    for k in range(len(way)):
        way = torch.minimum(way, torch.maximum(way[:, k, None], way[k]))
    levels = torch.bucketize(way, thresholds[:-1].contiguous(), right=True)
    return levels.fill_diagonal_(0)
