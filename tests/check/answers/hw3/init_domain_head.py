# ruff: noqa: F811
import copy

import torch
from torch import nn


# mutant the label head itself, its last layer replaced: label_head_changed
def init_domain_head(classifier, domains=2):
    classifier[-1] = nn.Linear(classifier[-1].in_features, domains)
    return classifier


# mutant the label head itself: class_outputs
def init_domain_head(classifier, domains=2):
    return classifier


# mutant copied blindly, with an output for each class: class_outputs
def init_domain_head(classifier, domains=2):
    return copy.deepcopy(classifier)


# mutant same layers in a new Sequential: shared
def init_domain_head(classifier, domains=2):
    return nn.Sequential(*classifier[:-1], nn.Linear(classifier[-1].in_features, domains))


# mutant shallow copy: label_head_changed
def init_domain_head(classifier, domains=2):
    head = copy.copy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    return head


# mutant weight.data shared, as the slides hint: shared
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    for new, old in zip(head[:-1], classifier[:-1], strict=True):
        if isinstance(old, nn.Linear):
            new.weight.data = old.weight.data
            new.bias.data = old.bias.data
    return head


# mutant biases shared: shared
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    for new, old in zip(head[:-1], classifier[:-1], strict=True):
        if isinstance(old, nn.Linear):
            new.bias = old.bias
    return head


# mutant fresh hidden layers: hidden_fresh
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    for layer in head:
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    return head


# mutant biases not copied: some_not_copied
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    for layer in head[:-1]:
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return head


# mutant the first layer alone: some_not_copied
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    hidden = [layer for layer in head[:-1] if isinstance(layer, nn.Linear)]
    for layer in hidden[1:]:
        layer.reset_parameters()
    return head


# mutant AlexNet's places only: raised
def init_domain_head(classifier, domains=2):
    d, h = classifier[1].in_features, classifier[4].in_features
    head = nn.Sequential(
        nn.Dropout(classifier[0].p),
        nn.Linear(d, h),
        nn.ReLU(inplace=True),
        nn.Dropout(classifier[3].p),
        nn.Linear(h, h),
        nn.ReLU(inplace=True),
        nn.Linear(h, domains),
    )
    for place in (1, 4):
        head[place].load_state_dict(classifier[place].state_dict())
    return head


# mutant AlexNet's sizes: other_layers
def init_domain_head(classifier, domains=2):
    return nn.Sequential(
        nn.Dropout(),
        nn.Linear(64, 32),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(32, 32),
        nn.ReLU(inplace=True),
        nn.Linear(32, domains),
    )


# mutant no dropout: other_layers
def init_domain_head(classifier, domains=2):
    layers = [copy.deepcopy(x) for x in classifier[:-1] if not isinstance(x, nn.Dropout)]
    return nn.Sequential(*layers, nn.Linear(classifier[-1].in_features, domains))


# mutant dropout's default: other_layers
def init_domain_head(classifier, domains=2):
    layers = [
        nn.Dropout(0.9) if isinstance(layer, nn.Dropout) else copy.deepcopy(layer)
        for layer in classifier[:-1]
    ]
    if len(layers) == 2:
        layers = layers[:1]
    return nn.Sequential(*layers, nn.Linear(classifier[-1].in_features, domains))


# mutant a linear layer alone: other_layers
def init_domain_head(classifier, domains=2):
    inputs = next(x for x in classifier if isinstance(x, nn.Linear)).in_features
    return nn.Sequential(nn.Linear(inputs, domains))


# mutant a layer behind the label head's: layer_added
def init_domain_head(classifier, domains=2):
    return nn.Sequential(
        *copy.deepcopy(classifier), nn.Linear(classifier[-1].out_features, domains)
    )


# mutant rows of the label head's last layer: last_copied
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    with torch.no_grad():
        head[-1].weight.copy_(classifier[-1].weight[:domains])
        head[-1].bias.copy_(classifier[-1].bias[:domains])
    return head


# mutant out_features alone changed: class_outputs
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1].out_features = domains
    return head


# mutant always two: last_layer
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, 2)
    return head


# mutant one output: last_layer
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, 1)
    return head


# mutant no bias at the end: last_layer
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains, bias=False)
    return head


# mutant kept where the number of outputs fits: last_copied
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    if head[-1].out_features != domains:
        head[-1] = nn.Linear(classifier[-1].in_features, domains)
    return head


# mutant frozen: frozen
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier).requires_grad_(False)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    return head


# mutant the label head starts anew, too: label_head_changed
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    classifier[-1].reset_parameters()
    return head


# mutant a list of layers: wrong_type
def init_domain_head(classifier, domains=2):
    head = [copy.deepcopy(layer) for layer in classifier[:-1]]
    return [*head, nn.Linear(classifier[-1].in_features, domains)]


# mutant no return: returned_none
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)


# mutant in evaluation mode: in_eval
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    return head.eval()


# mutant hidden layers in evaluation mode: in_eval
def init_domain_head(classifier, domains=2):
    hidden = copy.deepcopy(classifier[:-1]).eval()
    return nn.Sequential(*hidden, nn.Linear(classifier[-1].in_features, domains))


# mutant the label head left in evaluation mode: label_head_changed
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    classifier.eval()
    return head


# alternative deepcopy
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    head[-1] = nn.Linear(head[-1].in_features, domains)
    return head


# alternative a copy of each hidden layer
def init_domain_head(classifier, domains=2):
    *hidden, last = classifier
    return nn.Sequential(*map(copy.deepcopy, hidden), nn.Linear(last.in_features, domains))


# alternative built anew, values copied
def init_domain_head(classifier, domains=2):
    layers = []
    for old in classifier:
        if isinstance(old, nn.Linear):
            outputs = domains if old is classifier[-1] else old.out_features
            new = nn.Linear(old.in_features, outputs)
            if old is not classifier[-1]:
                with torch.no_grad():
                    new.weight.copy_(old.weight)
                    new.bias.copy_(old.bias)
        elif isinstance(old, nn.Dropout):
            new = nn.Dropout(old.p)
        else:
            new = type(old)()
        layers.append(new)
    return nn.Sequential(*layers)


# alternative weights cloned
def init_domain_head(classifier, domains=2):
    head = copy.deepcopy(classifier)
    for new, old in zip(head, classifier, strict=True):
        if isinstance(old, nn.Linear):
            new.weight.data = old.weight.data.clone()
            new.bias = nn.Parameter(old.bias.detach().clone())
    head[-1] = nn.Linear(classifier[-1].in_features, domains)
    return head


# alternative load_state_dict
def init_domain_head(classifier, domains=2):
    hidden = copy.deepcopy(classifier[:-1])
    hidden.load_state_dict(classifier[:-1].state_dict())
    hidden.append(nn.Linear(classifier[-1].in_features, domains))
    return hidden


# alternative a Sequential inside a Sequential
def init_domain_head(classifier, domains=2):
    last = nn.Linear(classifier[-1].in_features, domains)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)
    return nn.Sequential(copy.deepcopy(classifier[:-1]), last)
