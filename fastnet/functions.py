"""Codes of the activations, losses and update rules: what drivers, oracle and kernels agree on. Imports nothing."""

IDENTITY, SIGMOID, TANH, RELU, SOFTMAX, EXP, LEAKY_RELU, GELU = range(8)
ACTIVATIONS = {
    "identity": IDENTITY,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "relu": RELU,
    "softmax": SOFTMAX,
    "exp": EXP,
    "leaky_relu": LEAKY_RELU,
    "gelu": GELU,
}
HIDDEN = ("sigmoid", "relu", "tanh", "identity", "leaky_relu", "gelu")
OUTPUTS = ("softmax", "sigmoid", "identity")
BY_Z = (GELU,)  # the derivative is computed from Z, because the output does not determine it
LEAKY_SLOPE = 0.01  # of leaky ReLU below zero
# gelu(z) = z/2 (1 + tanh u) with u = GELU_FACTOR (z + GELU_CUBE z^3) and GELU_FACTOR = sqrt(2 / pi).
GELU_FACTOR, GELU_CUBE = 0.7978845608028654, 0.044715

CROSS_ENTROPY, BINARY_CROSS_ENTROPY, MSE, POISSON = range(4)
LOSSES = {"cross_entropy": CROSS_ENTROPY, "binary_cross_entropy": BINARY_CROSS_ENTROPY, "mse": MSE, "poisson": POISSON}
# The pairs of output layer and loss that have a gradient here; an output's first pair is its default loss.
PAIRS = (
    ("softmax", "cross_entropy"),
    ("sigmoid", "binary_cross_entropy"),
    ("sigmoid", "mse"),
    ("identity", "mse"),
    ("exp", "poisson"),
)

SGD, MOMENTUM, ADAM = range(3)
MOMENTS = {SGD: 0, MOMENTUM: 1, ADAM: 2}  # vectors of the size of the parameters that each rule keeps

# Columns of the coefficients that a driver gives with every step; 3 to 6 depend on the rule.
SCALE, L2, DECAY = range(3)
SGD_LR = 3
BETA, GAIN, STEP_VELOCITY, STEP_GRADIENT = range(3, 7)
BETA1, BETA2, EPS, ADAM_LR = range(3, 7)
N_COEFFICIENTS = 7
