"""``MLPClassifier`` and ``MLPRegressor``: scikit-learn's parameters, attributes and loss curves on fastnet's kernels.

Change one import::

    from fastnet.sklearn import MLPClassifier

float64 data is trained in float64 and follows scikit-learn's loss curve for the same integer ``random_state``; float32
data is trained in float32. Needs scikit-learn 1.6 or newer (``pip install scikit-learn``).

On purpose it differs from scikit-learn in this:

* Negative weights, masked or date arrays, labels of mixed types, text or (for Poisson) negative targets, and in
  ``partial_fit`` or a warm start other layers or outputs than the fitted network's are errors that say so; another
  activation is a ``UserWarning``.
* A batch whose weights are all zero is skipped, where scikit-learn ends in a ``ZeroDivisionError``.
* Training ends as soon as weights are not finite, and a loss that grew a thousandfold is a ``ConvergenceWarning``.
* A one-hot y, which both take for independent labels, is a ``UserWarning``.
* With float32 data, targets are float32 too.
* ``fit`` with lbfgs prints, if ``verbose``, one line per iteration, and words its convergence warning itself.
"""

try:
    import sklearn  # absolute: scikit-learn itself, not this package
except ImportError as error:
    raise ImportError("fastnet.sklearn needs scikit-learn: pip install scikit-learn") from error

from fastnet.sklearn._classifier import MLPClassifier
from fastnet.sklearn._regressor import MLPRegressor

del sklearn

__all__ = ["MLPClassifier", "MLPRegressor"]
