# %% [markdown]
# # Two exercises with checks

# %%
import numpy as np


# %% nbgrader={"grade": false, "grade_id": "accuracy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def accuracy(logits, labels):
    """Return the share of right rows."""
    ### BEGIN SOLUTION
    return (logits.argmax(1) == labels).float().mean().item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_accuracy", "locked": true, "points": 60, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw0 as check

check.accuracy(accuracy)
### BEGIN HIDDEN TESTS
check.accuracy(accuracy, seed=771177)
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "lambda_at", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lambda_at(p, kind):
    """Return lambda."""
    ### BEGIN SOLUTION
    if kind == "paper":
        return 2 / (1 + np.exp(-10 * p)) - 1
    if kind == "log":
        return np.log(1.02 + 1.7 * p)
    raise ValueError(kind)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_lambda_at", "locked": true, "points": 40, "schema_version": 3, "solution": false, "task": false}
from dalib_edu.check import hw2 as check

check.lambda_at(lambda_at)
### BEGIN HIDDEN TESTS
check.lambda_at(lambda_at, seed=881188)
### END HIDDEN TESTS
