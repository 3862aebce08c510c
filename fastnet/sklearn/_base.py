"""What both estimators share: from the arguments of fit to a solver, and from a fitted network to outputs."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self, TypeAlias, get_args

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnet.data.arrays import as_floats
from fastnet.network import Network
from fastnet.sklearn import _checks as checks
from fastnet.sklearn._callbacks import CallbackSupportMixin, EpochEnds, with_callbacks
from fastnet.sklearn._compute import LOSSES, Data, Net, as_dtype, layer_codes, threads_for
from fastnet.sklearn._flat import count, flat, pack, shared_vector, sizes_of, unpack, views
from fastnet.sklearn._interchange import from_sklearn, to_network, to_sklearn
from fastnet.sklearn._lbfgs import Objective, fit_lbfgs
from fastnet.sklearn._stochastic import fit_stochastic

Activation: TypeAlias = Literal["identity", "logistic", "tanh", "relu"]
Solver: TypeAlias = Literal["lbfgs", "sgd", "adam"]
LearningRate: TypeAlias = Literal["constant", "invscaling", "adaptive"]
HiddenSizes: TypeAlias = int | Sequence[int] | np.ndarray
RandomState: TypeAlias = int | np.random.RandomState | None
ValidationData: TypeAlias = tuple[Any, ...] | list[Any] | None
Callbacks: TypeAlias = Callable[[Any], Any] | list[Callable[[Any], Any]] | tuple[Callable[[Any], Any], ...] | None


class BaseMLP(CallbackSupportMixin, BaseEstimator):
    """Base of ``MLPClassifier`` and ``MLPRegressor``; not for use on its own."""

    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    validation_loss_curve_: list[float] | None
    _input_scale: float  # only of an estimator that was made from a network
    _sklearn_class: ClassVar[type]
    _parameter_constraints: ClassVar[dict[str, list]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(get_args(Activation)))],
        "solver": [StrOptions(set(get_args(Solver)))],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(set(get_args(LearningRate)))],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "validation_data": [tuple, list, None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "callbacks": [callable, list, tuple, None],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
    }

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Keep the arguments of ``__init__`` as they came: scikit-learn wants them checked in ``fit``."""
        for name, value in arguments.items():
            if name != "self":
                setattr(self, name, value)

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X and y, from new weights unless ``warm_start`` is set.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float64 is trained in float64, float32 in float32, anything else is converted to float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels or a multilabel indicator for the classifier, numbers for the regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative; the loss of a batch is divided by the sum of its weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument or a parameter is not what it should be, or if the weights do not stay finite.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> Self:
        hidden = checks.hidden_sizes(self.hidden_layer_sizes)
        fresh = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, y = self._validate(X, y, reset=fresh)
        self._learn_targets(y, incremental)
        targets = self._encode(y)
        weight = self._weigh(X, y, sample_weight, incremental)
        self._random_state = check_random_state(self.random_state)
        n_outputs = self._count_outputs(targets)
        sizes = [X.shape[1], *hidden, n_outputs]
        if fresh:
            self._initialise(sizes, X.dtype)
        else:
            checks.check_same_network(self, sizes, sizes_of(self.coefs_))
        self._trained_activation = self.activation
        self.n_outputs_ = n_outputs
        net = self._net(np.float64 if self.solver == "lbfgs" else self.coefs_[0].dtype)
        if not net.params.flags.writeable:
            net.params = net.params.copy()
        self.coefs_, self.intercepts_ = views(net.params, net.sizes)
        ends = EpochEnds(self, X, y, sample_weight, incremental)
        self._solve(net, Data(X, targets, weight).astype(net.params.dtype), ends, incremental)
        ends.close()
        if not np.isfinite(net.params).all():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed. A smaller learning_rate_init or a gradient_clip may help as well."
            )
        return self

    def _solve(self, net: Net, data: Data, ends: EpochEnds, incremental: bool) -> None:
        if self.solver == "lbfgs":
            checks.refuse_batch_settings(self)
        held_out = None if self.validation_data is None else self._held_out().astype(net.params.dtype)
        if self.solver == "lbfgs":
            fit_lbfgs(self, net, data, held_out, ends)
        else:
            fit_stochastic(self, net, data, held_out, ends, incremental)

    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        """X as C-ordered floats or CSR, y as an array (n,) or (n, k), with scikit-learn's own checks and some more."""
        checks.refuse_array_kinds("X", X)
        checks.refuse_array_kinds("y", y)
        self._refuse_target(y)
        in_units = hasattr(self, "_input_scale") and not reset
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=self._numeric_target,
            dtype="numeric" if in_units else (np.float64, np.float32),
            order="C",
            ensure_all_finite=not checks.surely_finite(X, threads_for(self.n_threads)),
            reset=reset,
        )
        X = self._in_units(X) if in_units else X
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(checks.dense(y), warn=True)
        return X, y

    def _in_units(self, X: Any) -> Any:
        """X as the network took it that this estimator came from: integers in its units, all as floats of its dtype.

        A fit that draws new weights forgets them; integers are then the plain numbers that they are for scikit-learn.
        """
        return as_floats(X, self._input_scale, self.coefs_[0].dtype)

    def _weigh(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> np.ndarray | None:
        """The weight (n,) of every row, or None when all weigh the same."""
        return None if sample_weight is None else checks.check_weight(sample_weight, X)

    def _held_out(self) -> Data:
        """``validation_data`` as the engine wants it."""
        if len(self.validation_data) not in (2, 3):
            raise ValueError(
                f"validation_data must be (X, y) or (X, y, sample_weight), got {len(self.validation_data)} items"
            )
        X, y, *sample_weight = self.validation_data
        X, y = self._validate(X, y, reset=False)
        weight = checks.check_weight(sample_weight[0], X) if sample_weight else None
        targets = self._encode(y)
        outputs = self._count_outputs(targets)
        if outputs != self.n_outputs_:
            raise ValueError(f"y of validation_data has {outputs} outputs, y has {self.n_outputs_}")
        return Data(X, targets, weight)

    def _initialise(self, sizes: list[int], dtype: np.dtype) -> None:
        """Draw new weights, in the order and the range that scikit-learn draws them; forget earlier records."""
        self.coefs_, self.intercepts_ = views(np.empty(count(sizes), dtype), sizes)
        gain = 2.0 if self.activation == "logistic" else 6.0
        for W, b in zip(self.coefs_, self.intercepts_, strict=True):
            bound = np.sqrt(gain / sum(W.shape))
            W[:] = self._random_state.uniform(-bound, bound, W.shape)
            b[:] = self._random_state.uniform(-bound, bound, b.shape)
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(sizes)
        self.out_activation_ = self._choose_output()
        for name in ("_input_scale", *_EMPTY_RECORDS):
            self.__dict__.pop(name, None)

    def _start_records(self, has_validation: bool) -> None:
        """Make the records that training adds to, where an earlier call has not made them."""
        for name, make in _EMPTY_RECORDS.items():
            if not hasattr(self, name):
                setattr(self, name, make())
        if self.early_stopping:
            self.best_loss_ = None
            if self.validation_scores_ is None:
                self.validation_scores_, self.best_validation_score_ = [], -np.inf
        else:
            self.validation_scores_ = self.best_validation_score_ = None
            if self.best_loss_ is None:
                self.best_loss_ = np.inf
        if has_validation and self.validation_loss_curve_ is None:
            self.validation_loss_curve_ = []

    def _net(self, dtype: Any) -> Net:
        """The fitted network; its parameters are the memory of ``coefs_`` and ``intercepts_`` where possible."""
        sizes = sizes_of(self.coefs_)
        params = flat(self.coefs_, self.intercepts_).astype(dtype, copy=False)
        codes = layer_codes(self.activation, self.out_activation_, sizes)
        return Net(sizes, codes, params, LOSSES[self.out_activation_])

    def _outputs(self, X: Any) -> np.ndarray:
        """The outputs (n, k) of the fitted network for X."""
        check_is_fitted(self)
        checks.refuse_array_kinds("X", X)
        search = not checks.surely_finite(X, threads_for(self.n_threads))
        X = validate_data(self, X, accept_sparse="csr", ensure_all_finite=search, reset=False)
        X = self._in_units(X) if hasattr(self, "_input_scale") else X
        dtype = np.result_type(X.dtype, self.coefs_[0].dtype)
        net = self._net(dtype if dtype in (np.float32, np.float64) else np.float64)
        return net.evaluator(as_dtype(X, net.params.dtype), self.n_threads).outputs(net.params)

    def to_sklearn(self) -> Any:
        """This fitted estimator as scikit-learn's own class, with equal predictions and without our own parameters.

        Warns where predictions for integers differ, because a network's ``input_scale`` cannot go along.
        """
        return to_sklearn(self, self._sklearn_class)

    @classmethod
    def from_sklearn(cls, estimator: Any) -> Self:
        """The fitted estimator of ``sklearn.neural_network`` as this class, with equal predictions."""
        if not isinstance(estimator, cls._sklearn_class):
            raise TypeError(
                f"{cls.__name__}.from_sklearn takes a sklearn.neural_network.{cls._sklearn_class.__name__}, "
                f"got {type(estimator).__name__}"
            )
        return from_sklearn(cls, estimator)

    def to_network(self) -> Network:
        """This fitted estimator as a ``fastnet.Network``: its outputs (n, k) are the same.

        Integers are plain numbers to both: ``input_scale`` is 1, or that of the network which the estimator came from.
        Classes of text become ``class_names``.
        """
        return to_network(self)

    def _loss_grad_lbfgs(
        self, packed_coef_inter: np.ndarray, X: Any, y: np.ndarray, *others: Any
    ) -> tuple[float, np.ndarray]:
        """Loss and gradient at a vector of all ``coefs_``, then all ``intercepts_``; y (n, k) is one-hot or numbers.

        The others are sample_weight, from scikit-learn 1.7 on, and its four lists of work arrays, which are not used.
        """
        sample_weight = others[0] if len(others) in (1, 5) else None
        net = self._net(np.float64)
        net.params = unpack(packed_coef_inter, net.sizes)
        targets = y.argmax(axis=1) if self.out_activation_ == "softmax" else y
        data = Data(X, targets, sample_weight).astype(net.params.dtype)
        loss, gradient = Objective(net, data, self.alpha, self.n_threads)(net.params)
        return loss, pack(*views(gradient, net.sizes))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "coefs_" in state:
            params = shared_vector(state["coefs_"], state["intercepts_"])
            if params is not None:  # pickled as one, they are views of one vector again, even of a memory map
                state["_network"] = sizes_of(state.pop("coefs_")), params
                del state["intercepts_"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "_network" in state:
            sizes, params = state.pop("_network")
            state["coefs_"], state["intercepts_"] = views(params, sizes)
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


# The attributes that record the course of sgd and adam, as they are before the first epoch.
_EMPTY_RECORDS: dict[str, Callable[[], Any]] = {
    "loss_curve_": list,
    "_no_improvement_count": int,
    "best_loss_": lambda: None,
    "validation_scores_": lambda: None,
    "best_validation_score_": lambda: None,
    "validation_loss_curve_": lambda: None,
}
