# ruff: noqa: F811, F841
import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score, precision_score

from dalib_edu.check import hw1 as check


# mutant macro F1: macro
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="macro")
        for name, predicted in predictions.items()
    }
    return max(scores, key=scores.get)


# mutant micro F1: accuracy
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="micro")
        for name, predicted in predictions.items()
    }
    return max(scores, key=scores.get)


# mutant accuracy: accuracy
def choose_classifier(predictions, labels):
    scores = {name: accuracy_score(labels, predicted) for name, predicted in predictions.items()}
    return max(scores, key=scores.get)


# mutant number right: accuracy
def choose_classifier(predictions, labels):
    scores = {name: int((predicted == labels).sum()) for name, predicted in predictions.items()}
    return max(scores, key=scores.get)


# mutant labels and predictions swapped: swapped
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(predicted, labels, average="weighted")
        for name, predicted in predictions.items()
    }
    return max(scores, key=scores.get)


# mutant the worst
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return min(scores, key=scores.get)


# mutant the last of equals: not_first
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return max(reversed(scores), key=scores.get)


# mutant the last of equals in the alphabet: not_first
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return max((score, name) for name, score in scores.items())[1]


# mutant the first of equals in the alphabet: not_first
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return max(sorted(scores), key=scores.get)


# mutant the first name
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return next(iter(scores))


# mutant the last name
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return list(scores)[-1]


# mutant always classifier 1
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return "classifier1"


# mutant the score: not_a_name
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return max(scores.values())


# mutant name and score: wrong_type
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return max(scores.items(), key=lambda item: item[1])


# mutant the largest name
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return max(scores)


# mutant a number: not_a_name
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return int(np.argmax(list(scores.values())))


# mutant all scores: wrong_type
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return scores


# mutant weighted precision: precision
def choose_classifier(predictions, labels):
    scores = {
        name: precision_score(labels, predicted, average="weighted", zero_division=0)
        for name, predicted in predictions.items()
    }
    return max(scores, key=scores.get)


# mutant F1 of two classes alone: raised
def choose_classifier(predictions, labels):
    scores = {name: f1_score(labels, predicted) for name, predicted in predictions.items()}
    return max(scores, key=scores.get)


# mutant mean label
def choose_classifier(predictions, labels):
    scores = {name: float(predicted.float().mean()) for name, predicted in predictions.items()}
    return max(scores, key=scores.get)


# mutant no return: returned_none
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    max(scores, key=scores.get)


# mutant the predictions
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return predictions[max(scores, key=scores.get)]


# mutant the check's own scores: reference_called
def choose_classifier(predictions, labels):
    scores = check._scores(labels.numpy(), [one.numpy() for one in predictions.values()])
    return list(predictions)[scores["weighted"].argmax()]


# mutant ranked from the end, where a later one of equals comes first: not_first
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted", zero_division=0)
        for name, predicted in predictions.items()
    }
    from_the_end = [*predictions][::-1]
    return sorted(from_the_end, key=scores.get, reverse=True)[0]


# alternative scikit-learn
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels, predicted, average="weighted")
        for name, predicted in predictions.items()
    }
    return max(scores, key=scores.get)


# alternative lists
def choose_classifier(predictions, labels):
    scores = {
        name: f1_score(labels.tolist(), predicted.tolist(), average="weighted", zero_division=0)
        for name, predicted in predictions.items()
    }
    return max(scores, key=scores.get)


# alternative a loop that keeps the best
def choose_classifier(predictions, labels):
    best, best_score = None, -1.0
    for name, predicted in predictions.items():
        score = f1_score(labels.numpy(), predicted.numpy(), average="weighted")
        if score > best_score:
            best, best_score = name, score
    return best


# alternative F1 by hand
def weighted_f1(labels, predicted):
    total = 0.0
    for y in set(labels):
        true_positive = sum(1 for a, b in zip(labels, predicted, strict=True) if a == b == y)
        precision = true_positive / max(1, predicted.count(y))
        recall = true_positive / labels.count(y)
        if true_positive:
            f1 = 2 * precision * recall / (precision + recall)
            total += f1 * labels.count(y) / len(labels)
    return total


def choose_classifier(predictions, labels):
    names = list(predictions)
    scores = [weighted_f1(labels.tolist(), predictions[name].tolist()) for name in names]
    return names[scores.index(max(scores))]


# alternative tensors and a confusion matrix
def choose_classifier(predictions, labels):
    classes = int(max(labels.max(), *(p.max() for p in predictions.values()))) + 1
    scores = []
    for predicted in predictions.values():
        counts = torch.bincount(labels * classes + predicted, minlength=classes**2).double()
        counts = counts.view(classes, classes)
        f1 = 2 * counts.diag() / (counts.sum(0) + counts.sum(1)).clamp(min=1)
        scores.append((f1 * counts.sum(1)).sum().item())
    return sorted(zip(predictions, scores, strict=True), key=lambda pair: -pair[1])[0][0]


# alternative ranked, by a sort that leaves equals in their order
def choose_classifier(predictions, labels):
    scores = [
        f1_score(labels, p, average="weighted", zero_division=0) for p in predictions.values()
    ]
    order = np.argsort([-score for score in scores], kind="stable")
    return [*predictions][order[0]]
