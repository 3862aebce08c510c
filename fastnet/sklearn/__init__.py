"""``MLPClassifier`` and ``MLPRegressor``: scikit-learn's parameters, attributes and loss curves on fastnet's kernels.

Change one import::

    from fastnet.sklearn import MLPClassifier

float64 data is trained in float64 and follows scikit-learn's loss curve for the same integer ``random_state``; float32
data is trained in float32. Needs scikit-learn 1.6 or newer (``pip install fastnet[sklearn]``).
"""

try:
    import sklearn  # absolute: scikit-learn itself, not this package
except ImportError as error:
    raise ImportError("fastnet.sklearn needs scikit-learn: pip install fastnet[sklearn]") from error

from fastnet.sklearn._classifier import MLPClassifier
from fastnet.sklearn._regressor import MLPRegressor

del sklearn

__all__ = ["MLPClassifier", "MLPRegressor"]
