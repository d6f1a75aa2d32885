# ruff: noqa: F811
import copy

import torch
from torch import nn

from dalib_edu import dann_alexnet

LAST = ("classifier.6.weight", "classifier.6.bias")
DOMAIN_LAST = ["domain_classifier.6.weight", "domain_classifier.6.bias"]


# mutant strict: raised
def load_pretrained(model, state):
    model.load_state_dict(state)
    return []


# mutant not strict, the last layer left in: raised
def load_pretrained(model, state):
    result = model.load_state_dict(state, strict=False)
    return result.missing_keys


# mutant whatever fits, in silence: accepted_misspelt
def load_pretrained(model, state):
    own = model.state_dict()
    fitting = {n: v for n, v in state.items() if n in own and v.shape == own[n].shape}
    model.load_state_dict(fitting, strict=False)
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    hidden = [f"domain_classifier.{p}.{end}" for p in (1, 4) for end in ("weight", "bias")]
    return [name for name in own if name not in fitting and name not in hidden]


# mutant not strict, missing names unseen: accepted_misspelt
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    model.load_state_dict(state, strict=False)
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return left_out + DOMAIN_LAST


# mutant missing names seen, unexpected ones not: accepted_unexpected
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    if [n for n in result.missing_keys if not n.startswith("domain") and n not in left_out]:
        raise KeyError("missing")
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return left_out + DOMAIN_LAST


# mutant unexpected names seen, missing ones not: accepted_missing
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    if result.unexpected_keys:
        raise KeyError(result.unexpected_keys)
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return left_out + DOMAIN_LAST


# mutant every other shape left out: accepted_other_width
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in state if n in own and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        if model.domain_classifier[place].weight.shape == model.classifier[place].weight.shape:
            model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return [n for n in own if n in left_out or n in DOMAIN_LAST]


# mutant last layer always left out: last_left_out
def load_pretrained(model, state):
    state = {name: value for name, value in state.items() if name not in LAST}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if not n.startswith("domain") and n not in LAST]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return [*LAST, *DOMAIN_LAST]


# mutant rows of the last layer: last_not_fresh
def load_pretrained(model, state):
    own = model.state_dict()
    state = dict(state)
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    for name in left_out:
        rows = min(len(state[name]), len(own[name]))
        state[name] = torch.cat([state[name][:rows], own[name][rows:]])
    result = model.load_state_dict(state, strict=False)
    if result.unexpected_keys or [n for n in result.missing_keys if "domain" not in n]:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return left_out + DOMAIN_LAST


# mutant G_d not copied: domain_not_copied
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    return result.missing_keys


# mutant G_d copied before the loading: copied_too_early
def load_pretrained(model, state):
    own = model.state_dict()
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    return left_out + DOMAIN_LAST


# mutant weights copied into G_d without the biases: some_not_copied
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place].weight.data.copy_(model.classifier[place].weight.data)
    return left_out + DOMAIN_LAST


# mutant storage shared, as the slides hint: shared
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place].weight.data = model.classifier[place].weight.data
        model.domain_classifier[place].bias.data = model.classifier[place].bias.data
    return left_out + DOMAIN_LAST


# mutant layers shared: shared
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place] = model.classifier[place]
    return left_out + DOMAIN_LAST


# mutant the weights' own memory: state_shared
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False, assign=True)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return left_out + DOMAIN_LAST


# mutant nothing loaded: nothing_loaded
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    if set(own) - set(state) - {n for n in own if "domain" in n} or set(state) - set(own):
        raise KeyError("names")
    return left_out + DOMAIN_LAST


# mutant convolutions alone: some_not_loaded
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    for name in ("features.0.weight", "features.0.bias"):
        own[name].copy_(state[name])
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return left_out + DOMAIN_LAST


# mutant names that are copied: copied_names
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return result.missing_keys


# mutant names of G_d lacking: names_lacking
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return left_out


# mutant names of what is loaded: loaded_names
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return list(state)


# mutant layers in place of names: unknown_names
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return ["classifier.6", "domain_classifier.6"] if left_out else ["domain_classifier.6"]


# mutant no return: returned_none
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    model.load_state_dict({n: v for n, v in state.items() if n not in left_out}, strict=False)
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())


# mutant misspelt names printed and passed over: accepted_misspelt
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    if result.unexpected_keys:
        print("unexpected:", result.unexpected_keys)
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return left_out + DOMAIN_LAST


# mutant left in evaluation mode: left_in_eval
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError("names")
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    model.eval()
    return left_out + DOMAIN_LAST


# mutant the course's own steps, one by one: reference_called
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    dann_alexnet._check_fit(own, state, may_be_missing=("domain_classifier.", "classifier.6."))
    model.load_state_dict(state, strict=False)
    dann_alexnet._copy_hidden_layers(model, "classifier.6.")
    return left_out + DOMAIN_LAST


# alternative not strict, and then seen to
def load_pretrained(model, state):
    own = model.state_dict()
    left_out = [n for n in LAST if n in state and state[n].shape != own[n].shape]
    state = {name: value for name, value in state.items() if name not in left_out}
    result = model.load_state_dict(state, strict=False)
    missing = [n for n in result.missing_keys if "domain" not in n and n not in left_out]
    if missing or result.unexpected_keys:
        raise KeyError(f"missing {missing}, unexpected {result.unexpected_keys}")
    for place in (1, 4):
        model.domain_classifier[place].load_state_dict(model.classifier[place].state_dict())
    return left_out + DOMAIN_LAST


# alternative completed, then strict
def load_pretrained(model, state):
    own = model.state_dict()
    last = f"classifier.{len(model.classifier) - 1}."
    full, kept = dict(state), []
    for name, value in own.items():
        of_classes = name.startswith(last) and name in state and len(state[name]) != len(value)
        if name.startswith(f"domain_{last}") or of_classes:
            full[name] = value
            kept.append(name)
        elif name.startswith("domain_"):
            full[name] = state[name.removeprefix("domain_")]
    model.load_state_dict(full)
    return kept


# alternative a new domain head, as init_domain_head makes one
def load_pretrained(model, state):
    state = dict(state)
    kept = []
    if state["classifier.6.bias"].shape != model.classifier[6].bias.shape:
        for name in LAST:
            kept.append(name)
            state[name] = model.state_dict()[name]
    for name in list(model.state_dict()):
        if name.startswith("domain_classifier"):
            state[name] = model.state_dict()[name]
    model.load_state_dict(state, strict=True)
    model.domain_classifier = copy.deepcopy(model.classifier)
    model.domain_classifier[6] = nn.Linear(model.classifier[6].in_features, 2)
    return kept + DOMAIN_LAST


# alternative one tensor after the other
def load_pretrained(model, state):
    own = model.state_dict()
    plain = {name for name in own if not name.startswith("domain_classifier.")}
    assert set(state) == plain, set(state) ^ plain
    kept = set(DOMAIN_LAST)
    with torch.no_grad():
        for name in plain:
            if name in LAST and state[name].shape != own[name].shape:
                kept.add(name)
            elif state[name].shape != own[name].shape:
                raise ValueError(name)
            else:
                own[name].copy_(state[name])
        for name in own:
            if name.startswith("domain_classifier.") and name not in DOMAIN_LAST:
                own[name].copy_(own[name.removeprefix("domain_")])
    return kept


# alternative the last layer taken out of the weights
def load_pretrained(model, state):
    kept = list(DOMAIN_LAST)
    if state["classifier.6.weight"].shape[0] != model.classifier[6].out_features:
        for name in LAST:
            del state[name]
            kept.append(name)
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(not n.startswith("domain_classifier") and n not in kept for n in missing):
        raise RuntimeError("these are not AlexNet's weights")
    for place in (1, 4):
        model.domain_classifier[place].weight.data = model.classifier[place].weight.data.clone()
        model.domain_classifier[place].bias.data = model.classifier[place].bias.data.clone()
    return tuple(kept)
