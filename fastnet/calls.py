"""How much work goes into one call of compiled code. Nothing interrupts it: Ctrl-C and progress wait for its end."""

SECONDS_PER_CALL = 0.05  # of training
ELEMENTS_PER_CALL = 2**27  # of a pass over X: less than a fifth of a second
