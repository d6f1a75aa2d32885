# ruff: noqa: F811
import numpy as np
import torch


def mean(values):
    return sum(values) / len(values)


# mutant highest over the targets: highest
def cross_domain_grid(run, settings, targets):
    means = [max(run(s, t) for t in targets) for s in settings]
    return settings[means.index(max(means))], means


# mutant lowest over the targets: lowest
def cross_domain_grid(run, settings, targets):
    means = [min(run(s, t) for t in targets) for s in settings]
    return settings[means.index(max(means))], means


# mutant sum over the targets: sum_not_mean
def cross_domain_grid(run, settings, targets):
    means = [sum(run(s, t) for t in targets) for s in settings]
    return settings[means.index(max(means))], means


# mutant median over the targets: median
def cross_domain_grid(run, settings, targets):
    means = [np.median([run(s, t) for t in targets]).item() for s in settings]
    return settings[means.index(max(means))], means


# mutant mean over the settings: wrong_shape
def cross_domain_grid(run, settings, targets):
    table = np.array([[run(s, t) for t in targets] for s in settings])
    return settings[int(table.mean(1).argmax())], np.append(table.mean(0), 0)[: len(targets) + 1]


# mutant first target alone: not_all_run
def cross_domain_grid(run, settings, targets):
    means = [run(s, targets[0]) for s in settings]
    return settings[means.index(max(means))], means


# mutant last target alone, the others run: one_target
def cross_domain_grid(run, settings, targets):
    means = [[run(s, t) for t in targets][-1] for s in settings]
    return settings[means.index(max(means))], means


# mutant lowest mean: chosen_lowest_mean
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    return settings[means.index(min(means))], means


# mutant last of ties: last_of_ties
def cross_domain_grid(run, settings, targets):
    best, highest, means = None, -1.0, []
    for s in settings:
        means.append(mean([run(s, t) for t in targets]))
        if means[-1] >= highest:
            best, highest = s, means[-1]
    return best, means


# mutant the setting with the highest single accuracy: chosen_by_highest
def cross_domain_grid(run, settings, targets):
    table = np.array([[run(s, t) for t in targets] for s in settings])
    return settings[int(table.max(1).argmax())], table.mean(1)


# mutant the setting with the highest lowest accuracy: chosen_by_lowest
def cross_domain_grid(run, settings, targets):
    table = np.array([[run(s, t) for t in targets] for s in settings])
    return settings[int(table.min(1).argmax())], table.mean(1)


# mutant the setting that is best on the last target: chosen_by_one
def cross_domain_grid(run, settings, targets):
    table = np.array([[run(s, t) for t in targets] for s in settings])
    return settings[int(table[:, -1].argmax())], table.mean(1)


# mutant settings of its own: other_setting
def cross_domain_grid(run, settings, targets):
    means = [mean([run({**s, "alpha": 0.5}, t) for t in targets]) for s in settings]
    return settings[means.index(max(means))], means


# mutant nothing better than 0: no_setting
def cross_domain_grid(run, settings, targets):
    best, highest, means = None, 0.0, []
    for s in settings:
        means.append(mean([run(s, t) for t in targets]))
        if means[-1] > highest:
            best, highest = s, means[-1]
    return best, means


# mutant chosen on the test domain: other_target
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    on_test = [run(s, "art_painting") for s in settings]
    return settings[on_test.index(max(on_test))], means


# mutant the test domain among the targets: other_target
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in [*targets, "art_painting"]]) for s in settings]
    return settings[means.index(max(means))], means


# mutant PACS's domains in place of targets: other_target
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in ("cartoon", "sketch")]) for s in settings]
    return settings[means.index(max(means))], means


# mutant the best is looked at on the test domain, too: other_target
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    best = settings[means.index(max(means))]
    print("on the test domain:", run(best, "art_painting"))
    return best, means


# mutant targets as one: other_arguments
def cross_domain_grid(run, settings, targets):
    means = [run(s, targets) for s in settings]
    return settings[means.index(max(means))], means


# mutant arguments swapped: other_arguments
def cross_domain_grid(run, settings, targets):
    means = [mean([run(t, s) for t in targets]) for s in settings]
    return settings[means.index(max(means))], means


# mutant the values in place of the setting: other_arguments
def cross_domain_grid(run, settings, targets):
    means = [mean([run(tuple(s.values()), t) for t in targets]) for s in settings]
    return settings[means.index(max(means))], means


# mutant run twice: run_again
def cross_domain_grid(run, settings, targets):
    def score(s):
        return mean([run(s, t) for t in targets])

    return max(settings, key=score), [score(s) for s in settings]


# mutant first half of the settings: not_all_run
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings[: len(settings) // 2]]
    return settings[0], means


# mutant stops where it gets worse: not_all_run
def cross_domain_grid(run, settings, targets):
    means = []
    for s in settings:
        means.append(mean([run(s, t) for t in targets]))
        if len(means) > 1 and means[-1] < max(means):
            break
    return settings[means.index(max(means))], means


# mutant never run: never_run
def cross_domain_grid(run, settings, targets):
    return settings[0], [0.0] * len(settings)


# mutant means sorted: sorted
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    return settings[means.index(max(means))], sorted(means, reverse=True)


# mutant percent: percent
def cross_domain_grid(run, settings, targets):
    means = [100 * mean([run(s, t) for t in targets]) for s in settings]
    return settings[means.index(max(means))], means


# mutant accuracies written into the settings: settings_changed
def cross_domain_grid(run, settings, targets):
    for s in settings:
        s["mean"] = mean([run({k: v for k, v in s.items() if k != "mean"}, t) for t in targets])
    return max(settings, key=lambda s: s["mean"]), [s["mean"] for s in settings]


# mutant index of the setting: no_setting
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    return means.index(max(means)), means


# mutant swapped: swapped
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    return means, settings[means.index(max(means))]


# mutant setting alone: not_two
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    return [settings[means.index(max(means))]]


# mutant highest mean alone: wrong_shape
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    return settings[means.index(max(means))], max(means)


# mutant no return: returned_none
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    settings[means.index(max(means))]


# mutant the sum halved: halves
def cross_domain_grid(run, settings, targets):
    means = [sum(run(s, t) for t in targets) / 2 for s in settings]
    return settings[means.index(max(means))], means


# mutant the first two targets alone: not_all_run
def cross_domain_grid(run, settings, targets):
    means = [(run(s, targets[0]) + run(s, targets[1])) / 2 for s in settings]
    return settings[means.index(max(means))], means


# mutant sorted by mean, the last of equals first: last_of_ties
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    order = sorted(range(len(settings)), key=means.__getitem__)
    return settings[order[-1]], means


# alternative comprehension
def cross_domain_grid(run, settings, targets):
    means = [mean([run(s, t) for t in targets]) for s in settings]
    return settings[means.index(max(means))], means


# alternative loops
def cross_domain_grid(run, settings, targets):
    best, highest, means = None, float("-inf"), []
    for setting in settings:
        total = 0.0
        for target in targets:
            total += run(setting, target)
        average = total / len(targets)
        means.append(average)
        if average > highest:
            best, highest = setting, average
    return best, means


# alternative numpy
def cross_domain_grid(run, settings, targets):
    table = np.array([[run(s, t) for t in targets] for s in settings])
    means = table.mean(axis=1)
    return settings[int(np.argmax(means))], means


# alternative target by target
def cross_domain_grid(run, settings, targets):
    totals = torch.zeros(len(settings), dtype=torch.float64)
    for target in targets:
        totals += torch.tensor([run(dict(s), target) for s in settings], dtype=torch.float64)
    means = (totals / len(targets)).tolist()
    best = max(range(len(settings)), key=means.__getitem__)
    return [dict(settings[best]), means]


# alternative named arguments and a running mean
def cross_domain_grid(run, settings, targets):
    means = []
    for setting in settings:
        average = 0.0
        for number, target in enumerate(targets, start=1):
            average += (run(setting=setting, target=target) - average) / number
        means.append(average)
    return sorted(zip(means, settings, strict=True), key=lambda pair: -pair[0])[0][1], means
