"""The classifier: labels to targets, outputs to labels."""

from typing import Any, ClassVar, Literal, Self

import numpy as np
import sklearn.neural_network
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from fastnet.network import Network
from fastnet.sklearn import _checks as checks
from fastnet.sklearn._base import (
    Activation,
    BaseMLP,
    Callbacks,
    HiddenSizes,
    LearningRate,
    RandomState,
    Solver,
    ValidationData,
)
from fastnet.sklearn._compute import Data
from fastnet.sklearn._interchange import from_network


def _solver_is_stochastic(model: Any) -> bool:
    if model.solver in ("sgd", "adam"):
        return True
    raise AttributeError(f"partial_fit is only available for stochastic optimizers. {model.solver} is not stochastic.")


def _default_classes(network: Network, k: int) -> np.ndarray:
    names = list(network.class_names or ())
    return np.array(names) if names and names == sorted(names) else np.arange(k)


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multi-layer perceptron for classes and labels, trained on the log loss.

    Parameters, attributes, defaults and, for float64 data and an integer ``random_state``, the loss curve are those of
    ``sklearn.neural_network.MLPClassifier``.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int or int, default=(100,)
        Units of each hidden layer; ``()`` makes a linear model.
    activation : {'identity', 'logistic', 'tanh', 'relu'}, default='relu'
        Activation of the hidden layers.
    solver : {'lbfgs', 'sgd', 'adam'}, default='adam'
        ``lbfgs`` sees all rows at every step and suits small data; ``sgd`` and ``adam`` step after every batch.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights, divided by the number of rows of a batch (or their summed weight).
    batch_size : int, default='auto'
        Rows per step; ``'auto'`` is the smaller of 200 and the number of rows.
    learning_rate : {'constant', 'invscaling', 'adaptive'}, default='constant'
        Schedule of sgd: constant; divided by ``(t_ + 1) ** power_t`` after each epoch; or by 5 when progress stops.
    learning_rate_init : float, default=0.001
        Learning rate of sgd and adam.
    power_t : float, default=0.5
        Exponent of ``'invscaling'``.
    max_iter : int, default=200
        Epochs at most, or iterations of lbfgs.
    shuffle : bool, default=True
        Whether to put the rows in a new order before every epoch.
    random_state : int, RandomState instance, default=None
        Source of the first weights, of the validation split and of the order of the rows.
    tol : float, default=1e-4
        Progress smaller than this counts as none.
    verbose : bool, default=False
        Whether to print a line per epoch.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last call.
    momentum : float, default=0.9
        Momentum of sgd, from 0 to 1.
    nesterovs_momentum : bool, default=True
        Whether that momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether to stop by the score on validation rows rather than by the training loss, and to keep the best weights.
    validation_fraction : float, default=0.1
        Share of the rows set aside for that, unless ``validation_data`` is given.
    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay rates of adam's moments.
    epsilon : float, default=1e-8
        Added to the root in adam's denominator.
    n_iter_no_change : int, default=10
        Epochs without progress after which training stops.
    max_fun : int, default=15000
        Evaluations of the loss at most, with lbfgs.
    class_weight : dict, 'balanced' or None, default=None
        Factor of the weight of every row by its class; ``'balanced'`` gives all classes the same total.
    validation_data : tuple (X, y) or (X, y, sample_weight), default=None
        Rows to measure ``validation_loss_curve_`` on, and for ``early_stopping`` the score.
    dropout : float, default=0.0
        Chance of a hidden unit to be left out for a row of a batch, from 0 up to but not 1; those kept are scaled up by
        1 / (1 - dropout), so that predictions use all units as they are. ``loss_`` is then that of the thinned network.
        Drawn from ``random_state``. With sgd and adam.
    gradient_clip : float, default=None
        Largest Euclidean norm of the gradient of a step (over all weights and biases, penalty included); a longer one
        is scaled down to it. With sgd and adam.
    weight_decay : float, default=0.0
        Decoupled decay: every step first multiplies the weights by 1 - learning rate * weight_decay. With sgd and adam.
    n_threads : int, default=None
        Threads to compute with; None chooses by the work in a step. The result does not depend on it.
    callbacks : callable or list of callables, default=None
        Called with the estimator after every epoch (iteration with lbfgs); one that returns True ends the training.
        With sgd and adam they may change ``coefs_`` and ``intercepts_`` in place.
    max_time : float, default=None
        Seconds after which the epoch in progress is the last.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of the outputs.
    coefs_, intercepts_ : list of ndarray
        Weights (fan_in, fan_out) and biases (fan_out,) of every layer.
    loss_, best_loss_ : float
        The last epoch's loss and the smallest; ``best_loss_`` is None with early stopping.
    loss_curve_ : list of float
        The loss of every epoch; not with lbfgs.
    validation_scores_, best_validation_score_ : list of float, float
        Accuracy on the validation rows after every epoch, and the best; None without early stopping.
    validation_loss_curve_ : list of float
        Loss on the validation rows, without the penalty, after every epoch; None without validation rows.
    n_iter_, t_ : int
        Epochs of the last call, and rows seen since the weights were drawn.
    n_features_in_, n_layers_, n_outputs_, out_activation_, feature_names_in_
        As in scikit-learn.
    """

    loss = "log_loss"
    _sklearn_class = sklearn.neural_network.MLPClassifier
    _numeric_target = False
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: HiddenSizes = (100,),
        activation: Activation = "relu",
        *,
        solver: Solver = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: dict[Any, Any] | Literal["balanced"] | None = None,
        validation_data: ValidationData = None,
        dropout: float = 0.0,
        gradient_clip: float | None = None,
        weight_decay: float = 0.0,
        n_threads: int | None = None,
        callbacks: Callbacks = None,
        max_time: float | None = None,
    ) -> None:
        self._keep(locals())

    @available_if(_solver_is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Go on training for one epoch over these rows; not with lbfgs.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``; y need not contain every class.
        classes : array-like of shape (n_classes,), default=None
            All the classes that will ever come; needed in the first call, unless ``fit`` came before.

        Returns
        -------
        self : object
        """
        checks.refuse_mixed_labels(y)
        if _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    @classmethod
    def from_network(cls, network: Network, classes: Any = None, **parameters: Any) -> Self:
        """A fitted classifier with the weights of a ``fastnet.Network``.

        Softmax outputs are classes, a single sigmoid output is the probability of the second of two classes, several
        are independent labels. The estimator takes the network's X: until it is fitted anew, integers count in units of
        the network's ``input_scale``.

        Parameters
        ----------
        network : fastnet.Network
            With softmax or sigmoid outputs.
        classes : array-like of shape (n_classes,), default=None
            Sorted labels of the outputs; None takes the network's ``class_names`` if they are sorted, or else numbers
            them from 0.
        **parameters
            Further parameters of the estimator.
        """
        if network.output not in ("softmax", "sigmoid"):
            raise ValueError(f"a classifier needs softmax or sigmoid outputs, the network's are {network.output}")
        model = from_network(cls, network, parameters)
        k = network.sizes[-1]
        if network.output == "sigmoid" and k > 1:
            model._label_binarizer = LabelBinarizer().fit(np.array([[0] * k, [1] * k]))
        else:
            expected = max(k, 2)
            classes = _default_classes(network, expected) if classes is None else np.asarray(classes)
            if classes.shape != (expected,) or not np.array_equal(np.unique(classes), classes):
                raise ValueError(f"classes must be {expected} different labels in ascending order, got {classes}")
            model._label_binarizer = LabelBinarizer().fit(classes)
            if network.output == "softmax":
                model._label_binarizer.y_type_ = "multiclass"  # also with two classes
        model.classes_ = model._label_binarizer.classes_
        return model

    def predict(self, X: Any) -> np.ndarray:
        """The most likely class of each row (n,), or for multilabel the indicator (n, n_classes) of those above 0.5."""
        outputs = self._outputs(X)
        return self._label_binarizer.inverse_transform(outputs.ravel() if self.n_outputs_ == 1 else outputs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, n_classes) in the order of ``classes_``; multilabel rows need not add up to 1."""
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms (n, n_classes) of the probabilities; -inf where one underflowed to 0."""
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return np.log(probabilities, out=probabilities)

    def _refuse_target(self, y: Any) -> None:
        checks.refuse_mixed_labels(y)

    def _learn_targets(self, y: np.ndarray, incremental: bool) -> None:
        """Learn the classes, or check that y has none but those already known."""
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            if self._label_binarizer.y_type_ == "multilabel-indicator":
                checks.hint_one_hot(y)
            return
        classes = unique_labels(y)
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {classes}"
            )
        self._refuse_unknown(classes)

    def _refuse_unknown(self, classes: np.ndarray) -> None:
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _encode(self, y: Any) -> np.ndarray:
        """Numbers of the classes (n,) for softmax outputs, or an indicator (n, k) for sigmoid outputs."""
        self._refuse_unknown(unique_labels(y))
        if self._label_binarizer.y_type_ == "multiclass":
            if y.ndim != 1:
                raise ValueError(f"y must be labels of shape (n_samples,), as in the first call, got shape {y.shape}")
            return np.searchsorted(self.classes_, y)
        return np.asarray(self._label_binarizer.transform(y))

    def _count_outputs(self, targets: np.ndarray) -> int:
        return len(self.classes_) if targets.ndim == 1 else targets.shape[1]

    def _choose_output(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _weigh(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> np.ndarray | None:
        weight = super()._weigh(X, y, sample_weight, incremental)
        if self.class_weight is None:
            return weight
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once, and partial_fit sees a part: pass a dict of weights"
            )
        if isinstance(self.class_weight, dict) and any(factor < 0 for factor in self.class_weight.values()):
            raise ValueError(f"class_weight must not be negative, got {self.class_weight}")
        factors = compute_sample_weight(self.class_weight, checks.dense(y))
        return checks.check_weight(factors if weight is None else factors * weight, X)

    def _strata(self, targets: np.ndarray) -> np.ndarray | None:
        """What the validation rows are drawn evenly from: as in scikit-learn, the classes of binary targets only."""
        return targets.astype(bool) if targets.ndim == 2 and targets.shape[1] == 1 else None

    def _score_outputs(self, outputs: np.ndarray, data: Data) -> float:
        """Accuracy; for multilabel the share of rows with every label right."""
        if data.targets.ndim == 1:
            right = outputs.argmax(axis=1) == data.targets
        elif len(self.classes_) == 1:  # the one class is predicted whatever the outputs are
            right = np.ones(len(outputs))
        else:
            right = ((outputs > 0.5) == (data.targets > 0.5)).all(axis=1)
        return float(np.average(right, weights=data.weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
